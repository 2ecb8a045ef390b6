"""Settings of Kafka's clients: what every client shares, and the idempotent producer's."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from confluent_kafka import KafkaException, TopicPartition

from stream.config import Settings
from stream.core.errors import SettingsError

T = TypeVar("T")
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
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
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
_FETCH_WAIT_MS = 100
_QUEUED_KBYTES = 16_384  # of records that are fetched and not yet read, over all partitions


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


def check_security(kafka: Mapping[str, str]) -> None:
    """Refuse a way to log in that the scorer's consumer does not know.

    Raises:
        SettingsError: naming the two settings and the ways there are.
    """
    protocol = kafka.get("security.protocol", "plaintext").upper()
    if protocol in ("PLAINTEXT", "SSL"):
        return
    mechanism = kafka.get("sasl.mechanism") or kafka.get("sasl.mechanisms") or "PLAIN"
    if protocol not in ("SASL_PLAINTEXT", "SASL_SSL") or mechanism not in _MECHANISMS:
        raise SettingsError(
            f"kafka security.protocol = {protocol!r} with sasl.mechanism = {mechanism!r} is not supported",
            f"use SSL, SASL_SSL or SASL_PLAINTEXT with {', '.join(_MECHANISMS[:-1])} or {_MECHANISMS[-1]}",
        )


def client_settings(settings: Settings) -> dict[str, Any]:
    """librdkafka settings that every client shares; raises SettingsError for what not every client would honour."""
    check_client_keys(settings.kafka.client)
    check_security(settings.kafka.client)
    return {
        "bootstrap.servers": settings.kafka.bootstrap_servers,
        "client.id": settings.deployment,
        **settings.kafka.client,
    }


def follower_settings(settings: Settings, on_error: Callable[[Any], None]) -> dict[str, Any]:
    """librdkafka settings of a consumer that follows topics in bounded memory; errors go to `on_error`, not to the log.

    Where retention has passed a partition's position, it goes on with the earliest record.
    """
    return {
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": _FETCH_WAIT_MS,
        "queued.max.messages.kbytes": _QUEUED_KBYTES,
        "reconnect.backoff.max.ms": 1_000,
        "log_level": 0,
        "error_cb": on_error,
        **client_settings(settings),
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


def make_client(kind: Callable[..., T], config: Mapping[str, Any], **options: Any) -> T:
    """A client of confluent-kafka: a Producer, Consumer or AdminClient.

    Raises:
        SettingsError: librdkafka refuses a setting, such as a file that is not there.
    """
    try:
        return kind(dict(config), **options)
    except KafkaException as error:
        raise SettingsError(
            f"Kafka's client can't be made with these settings ({error.args[0].str()})",
            "correct NOISEGATE_KAFKA_..., or what stands under [kafka] in the settings file",
        ) from None


def answered(parts: Sequence[TopicPartition]) -> list[TopicPartition]:
    """The partitions of an answer of Kafka, which may be an answer for some of them only.

    Raises:
        KafkaException: there is none for a partition, such as one that has no leader yet; its offset says nothing then.
    """
    for part in parts:
        if part.error is not None:
            raise KafkaException(part.error)
    return list(parts)
