"""The watch on Kafka, with a hand-made Kafka that answers as told and a clock that is moved."""

import logging
from collections.abc import Callable
from threading import Event

import pytest
from prometheus_client import CollectorRegistry, Gauge

from stream.core.errors import BrokerError, HistoryRefused, KafkaAway, NoisegateError, TopicMissing
from stream.kafka.topics import TopicFacts
from stream.lane.broker_watch import UNASSIGNED_SECONDS, BrokerWatch
from stream.lane.outage import REPEAT_SECONDS, Outage
from stream.lane.topic_identity import TopicIdentity
from stream.logs import LibraryMessages

FACTS = TopicFacts("cluster", "id", 4)
AWAY = "Kafka at kafka:9092 can't be reached; alerts wait there until it is back"


class ToldKafka:
    """Answers with what it was told to."""

    def __init__(self) -> None:
        self.answer: TopicFacts | BrokerError = FACTS
        self.group = 1

    def facts(self, topic: str) -> TopicFacts:
        """The answer."""
        if isinstance(self.answer, BrokerError):
            raise self.answer
        return self.answer

    def members(self, group: str) -> int:
        """As told."""
        return self.group


class Bench:
    """A watch on that Kafka."""

    def __init__(self, refuse: Callable[[NoisegateError], None] = lambda error: None, every: float = 1.0) -> None:
        self.kafka = ToldKafka()
        self.now = 100.0
        self.partitions: int | None = 2
        self.messages = LibraryMessages(lambda: self.now)
        registry = CollectorRegistry()
        up = Gauge("up", "", registry=registry)
        self.registry = registry
        self.watch = BrokerWatch(
            self.kafka,
            "group",
            TopicIdentity(["alerts.events"]),
            Outage("kafka:9092", up, self.messages, lambda: self.now),
            lambda: self.partitions,
            refuse,
            every,
            lambda: self.now,
        )

    def up(self) -> float | None:
        """The gauge."""
        return self.registry.get_sample_value("up")


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        (TopicFacts("cluster", "id", 6), "alerts.events had 4 partitions and has 6: teams have moved; run `noisegate"),
        (TopicFacts("cluster", "other", 4), "alerts.events was recreated since this worker started; run `noisegate"),
        (TopicFacts("second", "other", 4), "Kafka is another cluster"),
    ],
)
def test_a_topic_that_changed_is_refused(facts: TopicFacts, sentence: str) -> None:
    """Another count, id or cluster than first seen, at a look as at an assignment as when asked at once."""
    bench = Bench()
    assert bench.watch.look()
    bench.kafka.answer = facts
    with pytest.raises(HistoryRefused) as refused:
        bench.watch.look()
    assert str(refused.value).startswith(sentence)
    assert "`noisegate history rebuild`" in str(refused.value)
    with pytest.raises(HistoryRefused):
        bench.watch.check_now()


def test_a_topic_is_gone_after_two_answers_without_it() -> None:
    """One such answer may come from a broker that has just come up; between two others it starts anew."""
    bench = Bench()
    bench.watch.look()
    bench.kafka.answer = TopicMissing("no such topic")
    bench.watch.look()
    bench.kafka.answer = FACTS
    bench.watch.look()
    bench.kafka.answer = TopicMissing("no such topic")
    bench.watch.look()
    with pytest.raises(
        HistoryRefused, match="is gone; run `noisegate topics create`, then `noisegate history rebuild`"
    ):
        bench.watch.look()


def test_the_worker_is_told_once() -> None:
    """The thread hands the refusal over and ends."""
    told: list[NoisegateError] = []
    done = Event()

    def refuse(error: NoisegateError) -> None:
        told.append(error)
        done.set()

    bench = Bench(refuse, every=0.01)
    bench.watch.look()
    bench.kafka.answer = TopicFacts("cluster", "id", 6)
    bench.watch.start()
    assert done.wait(60)
    bench.watch._thread.join(60)
    assert not bench.watch._thread.is_alive()
    assert len(told) == 1


@pytest.mark.expects_errors
def test_an_outage_is_told_once_then_each_minute_then_its_end(caplog: pytest.LogCaptureFixture) -> None:
    """One sentence after two questions without answer, one a minute with how long and how many, one at the end."""
    caplog.set_level(logging.WARNING)
    bench = Bench()
    bench.watch.look()
    assert (bench.up(), bench.watch.faults) == (1.0, [])
    bench.kafka.answer = KafkaAway("timed out")
    bench.watch.look()
    assert (bench.up(), bench.watch.faults) == (1.0, [])
    for _ in range(round(2.5 * REPEAT_SECONDS)):
        bench.watch.look()
        noise = logging.LogRecord("aiokafka", logging.ERROR, "", 0, "Unable connect to node with id 1", (), None)
        assert not bench.messages.filter(noise) or bench.now == 100.0
        bench.now += 1
    assert (bench.up(), bench.watch.faults, bench.watch.away) == (0.0, [AWAY], True)
    bench.kafka.answer = FACTS
    bench.watch.look()
    assert (bench.up(), bench.watch.faults, bench.watch.up_since) == (1.0, [], bench.now)
    assert [record.getMessage() for record in caplog.records] == [
        AWAY,
        "Kafka at kafka:9092 has been away for 60 s; 60 messages of the client libraries were left out",
        "Kafka at kafka:9092 has been away for 120 s; 60 messages of the client libraries were left out",
        "Kafka at kafka:9092 is back after 150 s; 30 messages of the client libraries were left out",
    ]


def test_an_answer_that_is_a_refusal_is_no_outage(caplog: pytest.LogCaptureFixture) -> None:
    """Where Kafka forbids the question, the log says once what can't be seen, and the worker goes on."""
    bench = Bench()
    bench.kafka.answer = BrokerError("Kafka can't describe the topic: not authorized")
    for _ in range(3):
        assert bench.watch.look()
    assert bench.watch.faults == []
    [record] = caplog.records
    assert "not authorized; can't check whether alerts.events has changed" in record.getMessage()


@pytest.mark.expects_errors
def test_a_worker_without_partitions_says_so_unless_others_have_them_all(caplog: pytest.LogCaptureFixture) -> None:
    """After a minute with nothing assigned, while the group has no more members than there are partitions."""
    bench = Bench()
    bench.partitions = 0
    bench.kafka.group = 5
    for _ in range(3):
        bench.watch.look()
        bench.now += UNASSIGNED_SECONDS + 1
    assert bench.watch.faults == []
    bench.kafka.group = 4
    for _ in range(3):
        bench.watch.look()
        bench.now += UNASSIGNED_SECONDS + 1
    sentence = (
        "this worker has no partition, though alerts.events has 4 and the group group 4 members;"
        " restart the group's workers"
    )
    assert bench.watch.faults == [sentence]
    assert [record.getMessage() for record in caplog.records] == [sentence]
    bench.partitions = 1
    bench.watch.look()
    assert bench.watch.faults == []
