"""Kafka's client settings, topics and partitioners, as all of noisegate uses them."""

import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from typing import Any
from zlib import crc32

from aiokafka.partitioner import murmur2
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType
from msgspec import Struct

from stream.config import Settings
from stream.core.errors import BrokerError, KafkaAway, SettingsError, TopicMissing
from stream.waiting import until_answered

FOREVER = "-1"
_MONTH = str(30 * 86_400_000)
TIMESTAMPS, LOG_APPEND_TIME = "message.timestamp.type", "LogAppendTime"
_ANSWER_SECONDS = 5.0  # beyond the time-out of the request itself
_RECONNECT_MILLISECONDS = 1_000  # at most; librdkafka's default of 10 s would hide for so long that Kafka is back
_KIND_OF_ERROR: Mapping[int, type[BrokerError]] = {
    KafkaError.UNKNOWN_TOPIC_OR_PART: TopicMissing,
    KafkaError._TRANSPORT: KafkaAway,
    KafkaError._ALL_BROKERS_DOWN: KafkaAway,
    KafkaError._TIMED_OUT: KafkaAway,
    KafkaError._RESOLVE: KafkaAway,
}
TOPIC_CONFIGS: Mapping[str, Mapping[str, str]] = {
    "events": {  # the source of truth; stamped by the broker, so that no producer's clock moves time
        "retention.ms": FOREVER,
        "retention.bytes": FOREVER,
        TIMESTAMPS: LOG_APPEND_TIME,
    },
    "enriched": {"retention.ms": _MONTH, TIMESTAMPS: LOG_APPEND_TIME},
    "outcomes": {"retention.ms": FOREVER, "retention.bytes": FOREVER, TIMESTAMPS: LOG_APPEND_TIME},  # labels, evidence
    "failed": {"retention.ms": _MONTH, TIMESTAMPS: LOG_APPEND_TIME},  # a rebuild asks it what failed as misrouted
}
_CLIENT_KEYS = {  # of `settings.kafka.client`: what the scorer's consumer, aiokafka, honours as well as librdkafka
    "client.id", "security.protocol", "sasl.mechanism", "sasl.mechanisms", "sasl.username", "sasl.password",
    "ssl.ca.location", "ssl.certificate.location", "ssl.key.location", "ssl.key.password",
    "enable.ssl.certificate.verification", "ssl.endpoint.identification.algorithm",
}  # fmt: skip
_PRODUCER_KEYS = {  # of producers only, so that nothing is promised to the consumer
    "acks", "batch.num.messages", "batch.size", "compression.codec", "compression.level", "compression.type",
    "delivery.timeout.ms", "linger.ms", "message.max.bytes", "message.send.max.retries", "message.timeout.ms",
    "queue.buffering.max.kbytes", "queue.buffering.max.messages", "queue.buffering.max.ms", "request.required.acks",
    "request.timeout.ms", "retries", "retry.backoff.max.ms", "retry.backoff.ms", "sticky.partitioning.linger.ms",
}  # fmt: skip
_INSTEAD = {
    "auto.offset.reset": "set start_from",
    "bootstrap.servers": "set kafka_bootstrap_servers",
    "fetch.wait.max.ms": "set fetch_wait_seconds",
    "group.id": "set deployment",
    "heartbeat.interval.ms": "set heartbeat_seconds",
    "isolation.level": "take it out: noisegate always reads committed records only",
    "partitioner": "set partitioner",
    "session.timeout.ms": "set session_timeout_seconds",
}


def check_client_keys(kafka: Mapping[str, str]) -> None:
    """Refuse what `settings.kafka.client` names and not every client of noisegate would honour.

    Raises:
        SettingsError: naming the key and what to do instead.
    """
    for key, value in kafka.items():
        if key not in _CLIENT_KEYS | _PRODUCER_KEYS:
            shown = "***" if "password" in key or "secret" in key else repr(value)
            instead = _INSTEAD.get(key, "take it out")
            raise SettingsError(f"kafka {key} = {shown} can't be honoured by the scorer's consumer", instead)


def client_settings(settings: Settings) -> dict[str, Any]:
    """librdkafka settings that every client shares; raises SettingsError for what not every client would honour."""
    check_client_keys(settings.kafka.client)
    return {
        "bootstrap.servers": settings.kafka.bootstrap_servers,
        "client.id": settings.deployment,
        **settings.kafka.client,
    }


def producer_settings(settings: Settings) -> dict[str, Any]:
    """librdkafka settings of the idempotent producer; delivery is reported on errors only."""
    return {
        "enable.idempotence": True,
        "linger.ms": 2,
        "compression.type": "lz4",
        "queue.buffering.max.messages": 200_000,
        "queue.buffering.max.kbytes": 65_536,
        "message.max.bytes": 2_000_000,
        "message.timeout.ms": 0,  # `Publisher.flush` says how long to wait
        "delivery.report.only.error": True,
        "partitioner": settings.kafka.partitioner,
        **client_settings(settings),
    }


def partition_chooser(partitioner: str, partitions: int) -> Callable[[str], int]:
    """Which partition a team's records are in, as librdkafka's partitioner of that name computes it."""
    if partitioner.startswith("murmur2"):
        return lambda team: int(murmur2(team.encode()) & 0x7FFFFFFF) % partitions
    return lambda team: crc32(team.encode()) % partitions


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
        self._admin = AdminClient(
            {
                "reconnect.backoff.max.ms": _RECONNECT_MILLISECONDS,
                **client_settings(settings),
                "log_level": 0,
                "socket.timeout.ms": int(seconds * 1000),
            }
        )

    @property
    def names(self) -> dict[str, str]:
        """The topics of the settings, by role."""
        return {role: getattr(self._settings.topics, role) for role in TOPIC_CONFIGS}

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
            raise BrokerError(f"Kafka has no topic {', '.join(missing)}", "run `noisegate topics create`")
        return {self.names[role]: there[self.names[role]] for role in roles}

    def topic_id(self, topic: str) -> str:
        """The id Kafka gave the topic when it was made; a topic made anew has another."""
        return self.facts(topic).topic_id

    def facts(self, topic: str) -> TopicFacts:
        """What identifies the topic at this moment; raises TopicMissing where there is no such topic."""
        asked = self._admin.describe_topics(TopicCollection([topic]))[topic], self._admin.describe_cluster()
        wait(asked, self._seconds + _ANSWER_SECONDS)  # both at once, and no client is dropped that is still asking
        told = self._answer(asked[0], f"describe the topic {topic}")
        cluster = self._answer(asked[1], "describe the cluster")
        return TopicFacts(str(cluster.cluster_id or ""), str(told.topic_id), len(told.partitions))

    def members(self, group: str) -> int:
        """How many members the consumer group has at this moment."""
        described = self._admin.describe_consumer_groups([group])
        return len(self._answer(described[group], f"describe the consumer group {group}").members)

    def create(self, partitions: int, replication: int, configs: Mapping[str, Mapping[str, str]]) -> list[str]:
        """Create the topics that do not exist; `configs` by role. Returns the names of those made."""
        there = self.partitions()
        new = [
            NewTopic(name, partitions, replication, config=dict(configs.get(role, {})))
            for role, name in self.names.items()
            if name not in there
        ]
        futures = self._admin.create_topics(new) if new else {}
        for name, future in futures.items():
            self._answer(future, f"create the topic {name}")
        return [topic.topic for topic in new]

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


def faust_credentials(settings: Settings) -> Any:
    """Faust's broker credentials for the librdkafka settings in `settings.kafka.client`; None for plain text.

    Raises:
        SettingsError: a security setting that aiokafka, Faust's driver, can't honour.
    """
    from faust.auth import SASLCredentials, SSLCredentials
    from faust.types.auth import SASLMechanism

    kafka = settings.kafka.client
    protocol = kafka.get("security.protocol", "plaintext").upper()
    if protocol == "PLAINTEXT":
        return None
    context = _ssl_context(kafka) if protocol.endswith("SSL") else None
    if protocol == "SSL":
        return SSLCredentials(context)
    mechanism = kafka.get("sasl.mechanism") or kafka.get("sasl.mechanisms") or "PLAIN"
    if protocol not in ("SASL_PLAINTEXT", "SASL_SSL") or mechanism not in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
        raise SettingsError(
            f"kafka security.protocol = {protocol!r} with sasl.mechanism = {mechanism!r} is not supported",
            "use SSL, SASL_SSL or SASL_PLAINTEXT with PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
        )
    return SASLCredentials(
        username=kafka.get("sasl.username"),
        password=kafka.get("sasl.password"),
        mechanism=SASLMechanism(mechanism),
        ssl_context=context,
    )


def _ssl_context(kafka: Mapping[str, str]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=kafka.get("ssl.ca.location"))
        if certificate := kafka.get("ssl.certificate.location"):
            context.load_cert_chain(certificate, kafka.get("ssl.key.location"), kafka.get("ssl.key.password"))
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"kafka ssl.* settings can't be used: {error}") from None
    if kafka.get("enable.ssl.certificate.verification", "true") == "false":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif kafka.get("ssl.endpoint.identification.algorithm") == "none":
        context.check_hostname = False
    return context
