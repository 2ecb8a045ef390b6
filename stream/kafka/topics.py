"""Kafka's administration: the topics of the settings, what identifies them, and the groups that read them."""

import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, wait
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec, ResourceType
from msgspec import Struct

from stream.config import Settings
from stream.core.errors import BrokerError, KafkaAway, TopicMissing
from stream.core.topics import TOPICS
from stream.kafka.clients import client_settings, make_client
from stream.waiting import until_answered

FOREVER = "-1"
_DAY_MS = 86_400_000
TIMESTAMPS, LOG_APPEND_TIME = "message.timestamp.type", "LogAppendTime"
_ANSWER_SECONDS = 5.0  # beyond the time-out of the request itself
_LED_PAUSE_SECONDS = 0.05  # between two looks whether brokers lead what was made
_RECONNECT_MILLISECONDS = 1_000  # at most; librdkafka's default of 10 s would hide for so long that Kafka is back
_NOT_LED = {
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
}
_KIND_OF_ERROR: Mapping[int, type[BrokerError]] = {
    KafkaError.UNKNOWN_TOPIC_OR_PART: TopicMissing,
    KafkaError._TRANSPORT: KafkaAway,
    KafkaError._ALL_BROKERS_DOWN: KafkaAway,
    KafkaError._TIMED_OUT: KafkaAway,
    KafkaError._RESOLVE: KafkaAway,
}


def topic_configs(retention_days: float | None = None) -> dict[str, dict[str, str]]:
    """Kafka's settings of each topic, by role, as `noisegate topics create` makes them.

    Every topic is stamped by the broker, so that no producer's clock moves time. `retention_days` limits the topics
    that are otherwise kept for ever.
    """
    return {
        role: {**_retention(topic.retention_days, retention_days), TIMESTAMPS: LOG_APPEND_TIME}
        for role, topic in TOPICS.items()
    }


def topic_missing(missing: Sequence[str], ours: Sequence[str]) -> TopicMissing:
    """That Kafka has none of these topics; `ours` are the settings', which noisegate can create."""
    mend = "run `noisegate topics create`" if set(missing) <= set(ours) else f"name one such as {ours[0]}"
    return TopicMissing(f"Kafka has no topic {', '.join(missing)}", mend)


def _retention(days: float | None, most: float | None) -> dict[str, str]:
    if days is not None:
        return {"retention.ms": str(round(days * _DAY_MS))}
    return {"retention.ms": FOREVER if most is None else str(round(most * _DAY_MS)), "retention.bytes": FOREVER}


class TopicFacts(Struct, frozen=True):
    """What identifies a topic: the ids of its cluster and of itself, and its partition count.

    A topic made anew has another `topic_id`; one that grew has another count.
    """

    cluster_id: str
    topic_id: str
    partitions: int


class Topics:
    """What noisegate needs of Kafka's administration.

    Raises (every call):
        BrokerError: in one sentence, with the mend.
    """

    def __init__(self, settings: Settings, seconds: float = 10.0) -> None:
        self._settings = settings
        self._seconds = seconds
        self._admin = make_client(
            AdminClient,
            {
                "reconnect.backoff.max.ms": _RECONNECT_MILLISECONDS,
                **client_settings(settings),
                "log_level": 0,
                "socket.timeout.ms": int(seconds * 1000),
            },
        )

    @property
    def names(self) -> dict[str, str]:
        """The topics of the settings, by role."""
        return {role: getattr(self._settings.topics, role) for role in TOPICS}

    def partitions(self) -> dict[str, int]:
        """The partition count of every topic there is."""
        try:
            with until_answered(self._settings.kafka.bootstrap_servers):
                listed = self._admin.list_topics(timeout=self._seconds)
        except KafkaException as error:
            raise BrokerError(
                f"Kafka at {self._settings.kafka.bootstrap_servers} can't be reached ({error.args[0].str()})",
                "start it, or set NOISEGATE_KAFKA_BOOTSTRAP_SERVERS",
            ) from None
        return {name: len(topic.partitions) for name, topic in listed.topics.items() if topic.error is None}

    def require(self, *roles: str) -> dict[str, int]:
        """Partition counts of these roles' topics, all of which must exist."""
        there = self.partitions()
        missing = [self.names[role] for role in roles if self.names[role] not in there]
        if missing:
            raise topic_missing(missing, list(self.names.values()))
        return {self.names[role]: there[self.names[role]] for role in roles}

    def topic_id(self, topic: str) -> str:
        """The id Kafka gave the topic when it was made; a topic made anew has another."""
        return self.facts(topic).topic_id

    def facts(self, topic: str) -> TopicFacts:
        """What identifies the topic at this moment; raises TopicMissing where there is no such topic."""
        asked = self._admin.describe_topics(TopicCollection([topic]))[topic], self._admin.describe_cluster()
        wait(asked, self._seconds + _ANSWER_SECONDS)  # both at once, and no client is dropped that is still asking
        described = self._answer(asked[0], f"describe the topic {topic}")
        cluster = self._answer(asked[1], "describe the cluster")
        return TopicFacts(str(cluster.cluster_id or ""), str(described.topic_id), len(described.partitions))

    def members(self, group: str) -> int:
        """How many members the consumer group has at this moment."""
        described = self._admin.describe_consumer_groups([group])
        return len(self._answer(described[group], f"describe the consumer group {group}").members)

    def create(self, partitions: int, replication: int, configs: Mapping[str, Mapping[str, str]]) -> list[str]:
        """Create the topics that do not exist; `configs` by role. Returns the names of those made; they can be read."""
        there = self.partitions()
        new = [
            NewTopic(name, partitions, replication, config=dict(configs.get(role, {})))
            for role, name in self.names.items()
            if name not in there
        ]
        futures = self._admin.create_topics(new) if new else {}
        for name, future in futures.items():
            self._answer(future, f"create the topic {name}")
        deadline = time.monotonic() + self._seconds
        while not self._are_led(futures) and time.monotonic() < deadline:
            time.sleep(_LED_PAUSE_SECONDS)
        return [topic.topic for topic in new]

    def _are_led(self, names: Collection[str]) -> bool:
        """Whether brokers list these topics and lead their partitions, which takes a moment after they were made."""
        try:
            there = self.partitions()
        except BrokerError:
            return False
        if not there.keys() >= set(names):
            return False
        parts = {TopicPartition(name, number): OffsetSpec.latest() for name in names for number in range(there[name])}
        asked = self._admin.list_offsets(parts) if parts else {}
        wait(asked.values(), self._seconds + _ANSWER_SECONDS)
        faults = [future.exception() for future in asked.values() if future.done()]
        return not any(isinstance(one, KafkaException) and one.args[0].code() in _NOT_LED for one in faults)

    def configs(self, topic: str) -> dict[str, str]:
        """The topic's configuration."""
        resource = ConfigResource(ResourceType.TOPIC, topic)
        entries = self._answer(self._admin.describe_configs([resource])[resource], f"describe the topic {topic}")
        return {name: str(entry.value) for name, entry in entries.items()}

    def _answer(self, future: "Future[Any]", what: str) -> Any:
        try:
            with until_answered(self._settings.kafka.bootstrap_servers):
                return future.result(self._seconds + _ANSWER_SECONDS)
        except KafkaException as error:
            kind = _KIND_OF_ERROR.get(error.args[0].code(), BrokerError)
            raise kind(f"Kafka can't {what}: {error.args[0].str()}") from None
        except TimeoutError:
            raise KafkaAway(f"Kafka can't {what}: no answer in {self._seconds:.0f} s") from None
