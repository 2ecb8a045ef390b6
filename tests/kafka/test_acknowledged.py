"""Each record's future on real Kafka: where it lies, why it does not, and nothing that waits for ever."""

import asyncio
from concurrent.futures import wait

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from stream.config import Settings, make_settings
from stream.core.errors import BrokerError, KafkaAway, RecordRefused
from stream.kafka.acknowledged import AcknowledgedPublisher
from stream.kafka.reader import Reader
from stream.kafka.records import Output, Part
from tests.servers.kafka import ApacheKafka
from tests.waits import until


def made(kafka: ApacheKafka, name: str, config: dict[str, str] | None = None) -> Settings:
    """Settings with a topic of two partitions."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    for future in admin.create_topics([NewTopic(name, 2, 1, config=config or {})]).values():
        future.result(60)
    return make_settings(kafka_bootstrap_servers=kafka.bootstrap_servers, events_topic=name)


def test_a_future_gives_partition_and_offset_and_keys_keep_their_order(kafka: ApacheKafka, unique_name: str) -> None:
    """What the futures say is what a reader finds, and a team's records lie in the order of the calls."""
    settings = made(kafka, unique_name)
    publisher = AcknowledgedPublisher(settings, 20.0)
    futures = [publisher.publish(Output(unique_name, f"team-{n % 7}".encode(), str(n).encode())) for n in range(500)]
    places = [future.result(30) for future in futures]
    assert publisher.close(10.0) == 0
    with Reader(settings, [unique_name]) as reader:
        found = {
            (Part(message.topic() or "", message.partition() or 0), message.offset() or 0): message.value()
            for message in reader.read_all()
        }
    assert [found[place] for place in places] == [str(n).encode() for n in range(500)]
    for team in range(7):
        assert places[team::7] == sorted(places[team::7])


def test_a_record_over_the_topic_s_limit_fails_alone(kafka: ApacheKafka, unique_name: str) -> None:
    """Its future names the mend; records published after it are acknowledged."""
    settings = made(kafka, unique_name, {"max.message.bytes": "20000"})
    publisher = AcknowledgedPublisher(
        make_settings(kafka_bootstrap_servers=settings.kafka.bootstrap_servers, kafka={"compression.type": "none"}),
        20.0,
    )
    with pytest.raises(RecordRefused, match=rf"{unique_name} refuses .*max.message.bytes"):
        publisher.publish(Output(unique_name, b"team", b"x" * 40_000)).result(30)
    publisher.publish(Output(unique_name, b"team", b"small")).result(30)
    assert publisher.close(10.0) == 0


def test_a_missing_topic_is_said_with_the_mend(kafka: ApacheKafka, unique_name: str) -> None:
    """The sentence names the verb that makes topics."""
    publisher = AcknowledgedPublisher(make_settings(kafka_bootstrap_servers=kafka.bootstrap_servers), 15.0)
    with pytest.raises(BrokerError, match="noisegate topics create"):
        publisher.publish(Output(unique_name, b"team", b"value")).result(40)
    publisher.close(1.0)


@pytest.mark.slow
@pytest.mark.expects_errors
def test_with_kafka_away_futures_fail_in_time_and_what_waits_is_bounded(unique_name: str) -> None:
    """The record beyond the bound fails at once, the others when their time is over, and `close` leaves none open."""
    publisher = AcknowledgedPublisher(make_settings(kafka_bootstrap_servers="127.0.0.1:1"), 3.0, most_waiting=3)
    futures = [publisher.publish(Output(unique_name, b"team", b"value", partition=0)) for _ in range(4)]
    assert publisher.waiting == 3
    assert futures[3].done()
    with pytest.raises(KafkaAway, match=r"3 records wait .*try again later"):
        futures[3].result()
    for future in futures[:3]:
        with pytest.raises(KafkaAway, match="try again later"):
            future.result(30)
    assert publisher.waiting == 0
    late = publisher.publish(Output(unique_name, b"team", b"value", partition=0))
    assert publisher.close(0.0) >= 1
    assert not wait([late], 60).not_done
    assert late.exception() is not None


def test_a_caller_that_gives_up_harms_no_other(kafka: ApacheKafka, unique_name: str) -> None:
    """A future that asyncio stops waiting for is acknowledged all the same, and later records follow."""
    settings = made(kafka, unique_name)
    publisher = AcknowledgedPublisher(settings, 20.0)
    first = publisher.publish(Output(unique_name, b"team", b"first"))

    async def give_up() -> None:
        await asyncio.wait_for(asyncio.wrap_future(first), 0.0)

    with pytest.raises(TimeoutError):
        asyncio.run(give_up())
    assert not first.cancel()
    later = publisher.publish(Output(unique_name, b"team", b"later"))
    assert later.result(30)[1] == first.result(30)[1] + 1
    assert publisher.close(10.0) == 0
    assert publisher.waiting == 0


def test_what_is_published_after_the_end_fails_at_once(kafka: ApacheKafka, unique_name: str) -> None:
    """Nobody waits for a publisher that is closed."""
    publisher = AcknowledgedPublisher(made(kafka, unique_name), 20.0)
    assert publisher.close(10.0) == 0
    late = publisher.publish(Output(unique_name, b"team", b"late"))
    assert late.done()
    with pytest.raises(KafkaAway, match="closed"):
        late.result()


@pytest.mark.expects_errors
def test_it_goes_on_after_kafka_was_frozen(fresh_kafka: ApacheKafka, unique_name: str) -> None:
    """A record that timed out has failed; the same publisher's next record is acknowledged once Kafka is back."""
    settings = made(fresh_kafka, unique_name)
    publisher = AcknowledgedPublisher(settings, 2.0)

    def is_acknowledged(value: bytes) -> bool:
        """Whether a record is, within the time of the publisher: a slow machine may need more than one try."""
        try:
            publisher.publish(Output(unique_name, b"team", value)).result(30)
        except KafkaAway:
            return False
        return True

    until(lambda: is_acknowledged(b"before"), 60, "no record was acknowledged")
    with fresh_kafka.frozen():
        assert not is_acknowledged(b"frozen")
    until(lambda: is_acknowledged(b"after"), 60, "no record was acknowledged after Kafka was back")
    assert publisher.close(10.0) == 0
