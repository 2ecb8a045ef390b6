"""A room's whole lane on a real Kafka, and what follows from the room's name."""

import asyncio
import socket

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from stream.config import make_settings
from stream.core.errors import SettingsError
from stream.kafka.records import Part
from stream.lane.faust import make_app
from stream.lane.group import SCORER, consumer_group
from stream.lane.lane import Lane
from stream.lane.process import Callbacks
from stream.metrics.lane import LaneMetrics
from tests.async_waits import until
from tests.lane.room import FencedRoom
from tests.servers.kafka import ApacheKafka

SECONDS = 60.0


class LaneInTheTest(Lane):
    """A lane in the test's own process, which no deadline may end."""

    def stop(self) -> None:
        """Stop the watches."""
        self.broker_watch.stop()


def test_the_scorer_s_group_is_the_deployment_and_others_carry_their_room() -> None:
    """The scorer's committed offsets stay where they are; no two rooms share a group."""
    assert consumer_group("noisegate", SCORER) == "noisegate"
    assert consumer_group("noisegate", "closer") == "noisegate-closer"


def test_health_is_open_before_kafka_is_looked_for() -> None:
    """With neither a port nor a Kafka to be had, it is the port that is missed."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = make_settings(kafka_bootstrap_servers="127.0.0.1:1", metrics_port=port)
        lane = Lane(settings, "closer", ["alerts.events"], FencedRoom(), LaneMetrics(), ["events"], Callbacks())
        with pytest.raises(SettingsError, match=f"metrics_port = {port}"):
            lane.open()
    lane.loop.close()


@pytest.mark.expects_errors  # the group's coordinator of a Kafka that has just started is not there yet
def test_a_room_of_two_topics_works_on_both_and_ends_in_order(kafka: ApacheKafka, unique_name: str) -> None:
    """From make_app to the last commit: both topics' records are written once, committed to the room's own group."""
    topics = (f"{unique_name}.events", f"{unique_name}.enriched")
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    for future in admin.create_topics([NewTopic(topics[0], 2, 1), NewTopic(topics[1], 1, 1)]).values():
        future.result(60)
    one, other = Part(topics[0], 1), Part(topics[1], 0)
    settings = make_settings(
        deployment=unique_name,
        kafka_bootstrap_servers=kafka.bootstrap_servers,
        events_topic=topics[0],
        enriched_topic=topics[1],
        metrics_port=0,
    )
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for part, count in ((one, 30), (other, 20)):
        for _ in range(count):
            producer.produce(part.topic, b"x", partition=part.partition)
    assert producer.flush(60) == 0
    room = FencedRoom()
    room.publishes = False

    async def scenario() -> None:
        lane = LaneInTheTest(settings, "closer", topics, room, LaneMetrics(), ("events", "enriched"), Callbacks())
        lane.open()
        app = make_app(lane)
        app.finalize()
        await app.start()
        await until(lambda: {part: len(found) for part, found in room.written.items()} == {one: 30, other: 20}, SECONDS)
        assert lane.assigned() == sorted([Part(topics[0], 0), one, other])
        lane.loop.stopping = True
        await asyncio.wait_for(lane.loop.drained.wait(), SECONDS)
        assert lane.status() == 0
        await app.stop()

    asyncio.run(scenario())
    assert room.written == {one: list(range(30)), other: list(range(20))}
    group = Consumer({"bootstrap.servers": kafka.bootstrap_servers, "group.id": f"{unique_name}-closer"})
    committed = group.committed([TopicPartition(*one), TopicPartition(*other)], timeout=30)
    assert [known.offset for known in committed] == [30, 20]
    group.close()
