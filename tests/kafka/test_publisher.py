"""Records that a topic refuses become dead letters on real Kafka, and everything else is published."""

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from stream.config import Settings, make_settings
from stream.core.errors import BrokerError
from stream.kafka.clients import producer_settings
from stream.kafka.publisher import Publisher
from stream.kafka.reader import Reader
from stream.kafka.records import Output
from tests.servers.kafka import ApacheKafka

LIMIT = 20_000


@pytest.fixture
def settings(kafka: ApacheKafka, unique_name: str) -> Settings:
    """A topic that takes 20,000 bytes at once, and one of failed records."""
    names = [f"{unique_name}.enriched", f"{unique_name}.failed"]
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    for future in admin.create_topics([NewTopic(name, 2, 1) for name in names[1:]]).values():
        future.result(60)
    small = NewTopic(names[0], 2, 1, config={"max.message.bytes": str(LIMIT)})
    for future in admin.create_topics([small]).values():
        future.result(60)
    return make_settings(
        kafka_bootstrap_servers=kafka.bootstrap_servers,
        enriched_topic=names[0],
        failed_topic=names[1],
        kafka={"compression.type": "none"},
    )


def read(settings: Settings, topic: str) -> list[tuple[bytes, bytes, dict[str, str]]]:
    """All records of a topic: key, value, headers."""
    with Reader(settings, [topic]) as reader:
        return [
            (m.key() or b"", m.value() or b"", {name: bytes(text or b"").decode() for name, text in m.headers() or ()})
            for m in reader.read_all()
        ]


@pytest.mark.expects_errors
def test_one_record_over_its_topic_s_limit_is_a_dead_letter_and_the_others_are_published(settings: Settings) -> None:
    """Kafka refuses the whole batch that holds it; its neighbours are sent again, and later ones follow."""
    reasons: list[str] = []
    publisher = Publisher(producer_settings(settings), settings.topics.failed, reasons.append)
    topic = settings.topics.enriched
    small = [Output(topic, b"team", f"small {n}".encode()) for n in range(50)]
    publisher.publish([*small[:25], Output(topic, b"team", b"x" * 2 * LIMIT), *small[25:]])
    publisher.flush(30.0)
    publisher.publish([Output(topic, b"team", b"after")])
    publisher.flush(30.0)
    published = [value for _, value, _ in read(settings, topic)]
    assert sorted(published) == sorted([*(output.value for output in small), b"after"])
    ((key, value, headers),) = read(settings, settings.topics.failed)
    assert (key, value) == (b"team", b"x" * 2 * LIMIT)
    assert (headers["reason"], headers["topic"]) == ("refused_by_topic", topic)
    assert "max.message.bytes" in headers["detail"]
    assert reasons == ["refused_by_topic"]


@pytest.mark.expects_errors
def test_many_small_records_over_the_limit_together_are_all_published(settings: Settings) -> None:
    """A batch that is too large only as a whole costs no record."""
    publisher = Publisher(producer_settings(settings), settings.topics.failed)
    values = [f"{n}".encode() * 500 for n in range(100)]
    publisher.publish([Output(settings.topics.enriched, b"team", value) for value in values])
    publisher.flush(30.0)
    assert sorted(value for _, value, _ in read(settings, settings.topics.enriched)) == sorted(values)
    assert read(settings, settings.topics.failed) == []


@pytest.mark.expects_errors
def test_a_record_that_the_client_itself_refuses_is_a_dead_letter_too(settings: Settings) -> None:
    """librdkafka takes no record over message.max.bytes."""
    publisher = Publisher({**producer_settings(settings), "message.max.bytes": 100_000}, settings.topics.failed)
    publisher.publish(
        [Output(settings.topics.enriched, b"a", b"x" * 200_000), Output(settings.topics.enriched, b"b", b"small")]
    )
    publisher.flush(30.0)
    assert [value for _, value, _ in read(settings, settings.topics.enriched)] == [b"small"]
    assert [headers["length"] for _, _, headers in read(settings, settings.topics.failed)] == ["200000"]


def test_without_a_topic_for_dead_letters_a_refusal_is_an_error(settings: Settings) -> None:
    """A command that sends a log says so instead of losing a record."""
    publisher = Publisher(producer_settings(settings))
    publisher.publish([Output(settings.topics.enriched, b"team", b"x" * 2 * LIMIT)])
    with pytest.raises(BrokerError, match="did not take a record"):
        publisher.flush(30.0)


def test_while_kafka_is_known_to_be_away_a_flush_goes_on_waiting() -> None:
    """A worker lives through it, however long it lasts; the time given counts once nobody knows why nothing comes."""
    answers = [True, True, False]
    settings = producer_settings(make_settings(kafka_bootstrap_servers="127.0.0.1:1"))
    publisher = Publisher({**settings, "log_level": 0}, is_away=lambda: answers.pop(0))
    publisher.publish([Output("nowhere", b"team", b"value")])
    with pytest.raises(BrokerError, match="did not acknowledge 1 records"):
        publisher.flush(0.1)
    assert answers == []
