"""What rules did in the last day, from the decisions themselves, on either broker."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import Producer
from msgspec import Struct
from msgspec.structs import replace

from stream.closer.lost_suppressions import Lost, LostSuppressions, find_suppressions
from stream.config import load_settings, make_settings
from stream.core.decisions import Brakes
from stream.core.errors import HistoryAway
from stream.core.events import encode_event, moment
from stream.core.records import Decision, encode_record
from stream.core.suppressions import release, suppression_of
from stream.kafka.clients import producer_settings
from stream.kafka.topics import Topics, topic_configs
from stream.lane.engine import Engine
from stream.lane.loop import Loop
from stream.lane.watchdog import Watchdog
from stream.metrics.lane import LaneMetrics
from tests.core.outcomes import T0, enriched
from tests.core.test_decisions import decided, situation
from tests.lane.room import FencedRoom
from tests.scorer.rig import MemoryPublisher
from tests.servers.fixtures import Broker


def made(alert_id: str, share: float = 0.0, brakes: Brakes = Brakes()) -> Decision:  # noqa: B008 - frozen
    """A decision on an alert."""
    return decided(enriched(alert_id), situation(share=share, brakes=brakes))


@pytest.mark.slow
def test_what_is_not_back_is_found_with_its_times(broker: Broker, unique_name: str) -> None:
    """Of the teams that are asked for, with all that targets know an alert by; a copy of a pause after its release
    changes nothing, nor does junk."""
    settings = load_settings(
        {
            "NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
            "NOISEGATE_DECISIONS_TOPIC": f"{unique_name}.decisions",
            "NOISEGATE_EVENTS_TOPIC": f"{unique_name}.events",
            "NOISEGATE_BROKER_END_OFFSETS": str(broker.name == "kafka").lower(),
        }
    )
    with pytest.raises(HistoryAway, match="can't be found again"):  # the room tries again, as while Redis is away
        find_suppressions(settings, lambda team: True, lambda: None)
    Topics(settings).create(1, 1, topic_configs())
    paused, back, held_out = made("paused"), made("back"), made("held-out", share=1.0)
    assert (paused.decision, held_out.decision) == ("pause", "hold_out")
    one = suppression_of(back, enriched("back").alert.severity)
    assert one is not None
    braked = made("blocked", brakes=Brakes(everything="no"))
    records = [paused, back, release(one, "its pause ended", T0 + 600.0), back, held_out, braked]
    producer = Producer({**producer_settings(settings), "log_level": 0})
    raised = replace(enriched("paused").alert, labels={"alertname": "DiskFull"}, source="alertmanager", severity="low")
    for event in (raised, replace(raised, at=moment(T0 + 60.0), severity="high"), replace(raised, alert_id="other")):
        producer.produce(settings.topics.events, encode_event(event), b"payments")
    producer.produce(settings.topics.events, b'{"type":"raised"}', b"payments")
    for value in (*map(encode_record, records), b'{"decision":"pause"}'):
        producer.produce(settings.topics.decisions, value, b"payments")
    assert producer.flush(60) == 0
    read = list[int]()
    found = find_suppressions(settings, lambda team: team == "payments", lambda: read.append(1))
    assert len(read) == len(records) + 1 + 4
    ((suppression, alert),) = found.held
    assert (suppression.alert_id, suppression.since, suppression.until) == ("paused", T0 + 1.0, T0 + 601.0)
    assert (alert, suppression.severity) == (raised, "low")
    assert found.acted == {("payments", "back"): T0 + 600.0, ("payments", "held-out"): T0 + 1.0}
    assert find_suppressions(settings, lambda team: False, lambda: None).held == []


def test_the_partitions_of_an_assignment_share_one_reading() -> None:
    """Each takes its own teams of it; a later assignment reads anew, as others may have decided meanwhile."""
    one = suppression_of(made("A1"), enriched("A1").alert.severity)
    assert one is not None
    readings: list[int] = []

    def find() -> Lost:
        readings.append(1)
        return Lost([(one, enriched("A1").alert)], {("payments", "A2"): T0, ("search", "A3"): T0})

    lost = LostSuppressions(find)
    ours = lost.take("first", lambda team: team == "payments")
    assert ([held.alert_id for held, _ in ours.held], ours.acted) == (["A1"], {("payments", "A2"): T0})
    assert lost.take("first", lambda team: team == "search") == Lost([], {("search", "A3"): T0})
    assert len(readings) == 1
    lost.take("second", lambda team: True)
    assert len(readings) == 2


class SlowTopics:
    """Topics in memory; each record takes forty seconds, and is a look of the watchdog."""

    def __init__(self, records: dict[str, list[bytes]]) -> None:
        self.now, self.faults = 1_000.0, list[str]()
        self._records = records
        metrics = LaneMetrics()
        self.engine = Engine(FencedRoom(), MemoryPublisher(), metrics, 1, 1, 1.0, 1.0, clock=lambda: self.now)
        self.loop = Loop(self.engine, metrics, 1.0, clock=lambda: self.now)
        self.loop.waiting = True  # as during an assignment
        self._watchdog = Watchdog(120.0, lambda: self.loop.stalled_for(0.0))

    @contextmanager
    def open(self, topic: str, since: float) -> Iterator["SlowTopic"]:
        """A topic."""
        yield SlowTopic(self, self._records[topic])

    def pass_time(self) -> None:
        """Let a record's time pass."""
        self.now += 40.0
        self.faults += self._watchdog.faults()


class SlowTopic(Struct):
    """`Messages` of a slow topic."""

    topics: SlowTopics
    values: list[bytes]

    def read_all(self) -> Iterator["MemoryMessage"]:
        """See `Messages`."""
        for value in self.values:
            self.topics.pass_time()
            yield MemoryMessage(value)


class MemoryMessage(Struct):
    """`Message`."""

    payload: bytes

    def value(self) -> bytes | None:
        """See `Message`."""
        return self.payload


def test_a_long_reading_is_no_stall() -> None:
    """Twenty records take longer than the watchdog waits, and it sees that the reading goes on; once it does not, the
    process ends."""
    settings = make_settings()
    decisions = [encode_record(made(f"A{number}")) for number in range(10)]
    raised = [encode_event(enriched(f"A{number}").alert) for number in range(10)]
    slow = SlowTopics({settings.topics.decisions: decisions, settings.topics.events: raised})
    found = find_suppressions(settings, lambda team: True, slow.engine.note_progress, lambda: T0, slow.open)
    assert [alert.alert_id for _, alert in found.held] == [f"A{number}" for number in range(10)]
    assert (slow.now, slow.faults) == (1_800.0, [])
    for _ in range(4):
        slow.pass_time()
    assert slow.faults == ["no progress for 160 s while records wait"]
    slow.loop.close()
