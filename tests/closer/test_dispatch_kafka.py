"""The dispatcher on brokers: order, and Kafka that goes away."""

import time
from threading import Event

import msgspec
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from stream.closer.dispatch import Dispatcher
from stream.closer.fold import Outgoing
from stream.closer.targets.targets_file import Targets
from stream.config import Settings, make_settings
from stream.kafka.reader import Reader
from stream.kafka.records import Part
from stream.metrics.closer import CloserMetrics
from tests.closer.targets.deeds import alert, deed
from tests.closer.test_dispatch import MemoryTarget, act
from tests.servers.fixtures import Broker
from tests.servers.kafka import ApacheKafka
from tests.waits import until

PART = Part("alerts.enriched", 0)


def settings_for(servers: str, name: str) -> Settings:
    """Settings with topics of their own, of one partition."""
    topics = {role: f"{name}-{role}" for role in ("events", "decisions", "failed")}
    admin = AdminClient({"bootstrap.servers": servers})
    for future in admin.create_topics([NewTopic(topic, 1, 1) for topic in topics.values()]).values():
        future.result(60)
    return make_settings(kafka_bootstrap_servers=servers, **{f"{role}_topic": topic for role, topic in topics.items()})


class Room:
    """What the room is to a dispatcher: it submits rounds, and is told which are done."""

    def __init__(self, settings: Settings, *targets: MemoryTarget) -> None:
        self.done: list[str] = []
        self.done_at: list[float] = []
        self.came = Event()
        self.count = 0
        self.dispatcher = Dispatcher(
            settings,
            CloserMetrics(),
            lambda deed: None,
            self.report,
            targets=Targets(targets=targets, attempts=1, retry_seconds=0.01),
        )
        self.dispatcher.start()

    def report(self, part: Part, name: str) -> None:
        """Note which round is done, and when."""
        self.done_at.append(time.perf_counter())
        self.done.append(name)
        self.came.set()

    def submit(self, number: int) -> None:
        """A round with one pause."""
        one = deed("pause", alert(f"A{number}"))
        self.count += 1
        outgoing = Outgoing(decisions=[one.decision], acts=[act(one)], deeds=[one])
        self.dispatcher.submit(PART, f"out:{self.count:06}", outgoing)

    def settle(self, seconds: float = 60.0) -> None:
        """Wait until all rounds are done."""
        until(lambda: len(self.done) == self.count, seconds, f"{len(self.done)} of {self.count} are done")


def values(settings: Settings, topic: str) -> list[dict[str, object]]:
    """The records of a topic, decoded."""
    with Reader(settings, [topic]) as reader:
        return [msgspec.json.decode(message.value() or b"") for message in reader.read_all()]


@pytest.mark.slow
def test_rounds_are_published_in_order(broker: Broker, unique_name: str) -> None:
    """Decisions, acts and dead letters of 200 rounds are there, in the order in which they were submitted."""
    settings = settings_for(broker.bootstrap_servers, unique_name)
    room = Room(settings, MemoryTarget(), MemoryTarget("refuses", lambda _: "refuse"))
    for number in range(200):
        room.submit(number)
    room.settle()
    room.dispatcher.close(5.0)
    ids = [f"A{number}" for number in range(200)]
    assert [one["alert_id"] for one in values(settings, settings.topics.decisions)] == ids
    assert [one["alert_id"] for one in values(settings, settings.topics.events)] == ids
    assert len(values(settings, settings.topics.failed)) == 200


@pytest.mark.slow
def test_a_round_is_published_within_the_time_of_a_decision(broker: Broker, unique_name: str) -> None:
    """One round after another: at the 90th percentile far within a second, even on a busy machine."""
    settings = settings_for(broker.bootstrap_servers, unique_name)
    target = MemoryTarget()
    room, took = Room(settings, target), list[float]()
    for number in range(100):
        room.came.clear()
        begun = time.perf_counter()
        room.submit(number)
        assert room.came.wait(60.0)
        took.append(room.done_at[-1] - begun)
    room.dispatcher.close(5.0)
    assert sorted(took)[89] < 1.0


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.expects_errors
def test_kafka_goes_away_and_comes_back(fresh_kafka: ApacheKafka, unique_name: str) -> None:
    """Nothing is done without its publication; once Kafka is back all of it is published, in order, and done."""
    settings = settings_for(fresh_kafka.bootstrap_servers, unique_name)
    target = MemoryTarget()
    room = Room(settings, target)
    room.submit(0)
    room.settle()
    fresh_kafka.stop()
    for number in range(1, 20):
        room.submit(number)
    until(lambda: room.dispatcher.faults, 60)
    assert list(target.states) == ["A0"]
    fresh_kafka.start()
    room.settle(60.0)
    room.dispatcher.close(5.0)
    found = values(settings, settings.topics.decisions)
    assert list(dict.fromkeys(one["alert_id"] for one in found)) == [f"A{number}" for number in range(20)]
    assert len(target.states) == 20
