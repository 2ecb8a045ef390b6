"""Settings of Kafka's clients: what every client shares, and the idempotent producer's."""

import ssl
from collections.abc import Mapping
from typing import Any

from stream.config import Settings
from stream.core.errors import SettingsError

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
            f"kafka security.protocol = {protocol!r} with sasl.mechanism = {mechanism!r} is not supported;"
            " use SSL, SASL_SSL or SASL_PLAINTEXT with PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
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
