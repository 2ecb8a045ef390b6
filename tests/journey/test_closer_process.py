"""A real closer: it pauses, follows orders and ends, keeps good rules, and ends in order."""

import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from stream.core.records import decode_decision
from stream.rule_state import PauseAll, Undo
from tests.closer.deployment import CountingServer, Deployment
from tests.servers.kafka import ApacheKafka
from tests.servers.redis import RedisServer
from tests.waits import until

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


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


def test_a_closer_pauses_and_follows_ends_undos_and_a_pause_of_all(
    deployment: Deployment, server: CountingServer
) -> None:
    """An end brings its alert back, an undo the rest within 5 s, and a pause of all holds within 2 s, for what waits
    at a target as well; a closer with another salt does not start."""
    deployment.start("one")
    deployment.wait_begun()
    ids = deployment.produce(3.0)
    until(lambda: set(deployment.decisions()) == set(ids), 60)
    paused = [alert for alert, names in deployment.decisions().items() if names == ["pause"]]
    until(lambda: server.digests == ["payments"], 60)  # of the day that ended at midnight
    assert [one.files for one in deployment.state.brakes()] == [""]
    assert len(paused) > 10
    until(lambda: len(deployment.state.suppressed()) == len(paused), 60)

    ended = deployment.state.suppressed()[0]
    deployment.act(ended.team, ended.alert_id, "ended")
    until(lambda: deployment.decisions()[ended.alert_id] == ["pause", "release"], 60)

    now = time.time()
    deployment.state.undo(Undo(id="u1", rule="disks", since=now - 60.0, by="ann", at=now))

    def all_back() -> bool:
        """Whether each pause has its release."""
        decided = deployment.decisions()
        return all(len(decided[alert]) == 2 for alert in paused)

    until(all_back, 60)
    decided = [decode_decision(value) for value in deployment.read(deployment.settings.topics.decisions)]
    assert max(one.decided_at.timestamp() for one in decided) - now < 30.0
    until(lambda: sum(deployment.state.undone("u1").values()) == len(paused) - 1, 60)
    until(lambda: not deployment.state.suppressed(), 60)
    assert {change.by for change in deployment.state.log() if change.what == "undone"} == {"ann"}
    until(lambda: {tuple(deeds) for deeds in server.deeds.values()} == {("alert.paused", "alert.released")}, 60)

    server.failing = True
    waiting = deployment.produce(1.0, first=len(ids))
    until(lambda: set(waiting) <= set(deployment.decisions()), 60)
    decisions = deployment.decisions()
    assert ["pause"] in [decisions[alert] for alert in waiting]
    deployment.state.pause_all(PauseAll(by="ann", at=time.time(), why="a drill"))
    time.sleep(4.0)  # 2 s are promised; the others are for a busy machine
    server.failing = False
    ids += waiting
    more = deployment.produce(1.0, first=len(ids))
    until(lambda: set(more) <= set(deployment.decisions()), 60)
    decisions = deployment.decisions()
    assert {name for alert in more for name in decisions[alert]} == {"blocked"}

    until(lambda: deployment.read(deployment.settings.topics.failed), 60)

    (deployment.folder / "rules.toml").write_text("[[rule]]\nname = 7\n")
    until(lambda: "the rules in use are not those of the files" in deployment.log_of("one"), 60)
    deployment.state.pause_all(None)
    count = len(ids) + len(more)

    def pauses_again() -> bool:
        """Whether some of a second's alerts are paused."""
        nonlocal count
        last = deployment.produce(1.0, first=count)
        count += len(last)
        until(lambda: set(last) <= set(deployment.decisions()), 60)
        decisions = deployment.decisions()
        return "pause" in {name for alert in last for name in decisions[alert]}

    until(pauses_again, 60, "the rule acts no more")
    assert not [alert for alert in waiting if "alert.paused" in server.deeds[alert]]

    deployment.workers["one"].send_signal(signal.SIGTERM)
    assert deployment.workers["one"].wait(60) == 0
    deployment.environment["NOISEGATE_CLOSER_SALT"] = "another"
    deployment.start("two")
    assert deployment.workers["two"].wait(90) == 1
    assert "closer_salt has changed since rule disks was armed" in deployment.log_of("two")
