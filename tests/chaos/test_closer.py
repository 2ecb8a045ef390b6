"""Rules that act while their closers are killed: real workers on Apache Kafka and Redis, and a server that counts."""

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest

from stream.closer.outbox import PREFIX
from stream.core.events import Acted, decode_event
from tests.closer.deployment import CountingServer, Deployment
from tests.servers.kafka import ApacheKafka
from tests.servers.redis import RedisServer
from tests.waits import until

pytestmark = [pytest.mark.chaos, pytest.mark.kafka, pytest.mark.slow]

KILLS = int(os.environ.get("CLOSER_KILLS", "8"))
SECONDS_BETWEEN = 3.0


@pytest.fixture
def server() -> Iterator[CountingServer]:
    """A server of the test's own."""
    with closing(CountingServer()) as made:
        yield made


@pytest.fixture
def deployment(
    kafka: ApacheKafka, fresh_redis: RedisServer, server: CountingServer, tmp_path: Path, unique_name: str
) -> Iterator[Deployment]:
    """Ended whatever happens."""
    with closing(Deployment(kafka, fresh_redis, server, tmp_path, unique_name)) as made:
        yield made


def test_random_kills_decide_nothing_twice_lose_nothing_and_every_pause_ends(
    deployment: Deployment, server: CountingServer, fresh_redis: RedisServer
) -> None:
    """Two closers under SIGKILL at random moments, and a Redis that restarts once.

    A server that honours ids sees each alert that is paused at all paused once, and back once.
    """
    chance = random.Random(int(os.environ.get("CHAOS_SEED", "1")))
    for name in ("one", "two"):
        deployment.start(name)
    deployment.wait_begun()
    ids = list[str]()
    producing = Thread(target=lambda: ids.extend(deployment.produce(KILLS * SECONDS_BETWEEN)), daemon=True)
    producing.start()
    for turn in range(KILLS):
        if turn == KILLS // 2:
            fresh_redis.restart()
        time.sleep(chance.uniform(0.5, 1.5) * SECONDS_BETWEEN)
        victim = chance.choice(["one", "two"])
        deployment.kill(victim)
        deployment.start(victim)
    producing.join(60)
    until(lambda: set(deployment.decisions()) == set(ids), 60, "alerts are not decided")

    def all_back() -> bool:
        return all(names[0] != "pause" or len(names) > 1 for names in deployment.decisions().values())

    until(all_back, 150, "pauses do not end")
    found = deployment.decisions()
    paused = {alert for alert, names in found.items() if names[0] == "pause"}
    assert len(paused) > len(ids) / 10
    assert {alert: names for alert, names in found.items() if len(names) != 1 + (alert in paused)} == {}
    assert {tuple(found[alert]) for alert in paused} == {("pause", "release")}
    until(lambda: paused <= set(server.deeds), 60, "deeds are not done")
    until(lambda: all(len(deeds) == 2 for deeds in server.deeds.values()), 60)
    assert set(server.deeds) == paused
    assert {tuple(deeds) for deeds in server.deeds.values()} == {("alert.paused", "alert.released")}
    acts = {
        event.action_id: event.kind
        for value in deployment.read(deployment.settings.topics.events)
        if isinstance(event := decode_event(value), Acted)
    }
    assert sorted(acts.values()).count("paused_by_rule") == len(paused)
    assert sorted(acts.values()).count("released_by_rule") == len(paused)

    def outbox() -> list[str]:
        return [name for part in deployment.parts() for name in deployment.store.load(part).parts if PREFIX in name]

    until(lambda: not outbox(), 60, "the outbox is not empty")
    until(lambda: not deployment.state.suppressed(), 60, "what is back is still shown as suppressed")
    for name, worker in deployment.workers.items():
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0, name
