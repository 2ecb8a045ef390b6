"""Kafka's settings and partitioners."""

import ssl
from pathlib import Path

import pytest
from confluent_kafka import Producer

from stream.config import Settings
from stream.core.errors import BrokerError, SettingsError
from stream.kafka import TOPIC_CONFIGS, Topics, faust_credentials, partition_chooser, producer_settings
from tests.servers.fixtures import Broker

TEAMS = [f"team-{number}" for number in range(40)] + ["ß", "支付", "a b", "x" * 200]


@pytest.mark.parametrize("partitioner", ["murmur2_random", "consistent_random"])
def test_teams_are_where_librdkafka_puts_them(broker: Broker, partitioner: str, unique_name: str) -> None:
    """Our choice of a team's partition is the producer's own."""
    settings = Settings(
        kafka_bootstrap_servers=broker.bootstrap_servers,
        partitioner=partitioner,  # type: ignore[arg-type]  # one of its literals
        events_topic=unique_name,
        enriched_topic=f"{unique_name}-1",
        outcomes_topic=f"{unique_name}-2",
        failed_topic=f"{unique_name}-3",
    )
    Topics(settings).create(7, 1, TOPIC_CONFIGS)
    placed: dict[str, int] = {}
    producer = Producer(producer_settings(settings) | {"delivery.report.only.error": False})
    for team in TEAMS:
        producer.produce(
            unique_name,
            b"v",
            team,
            on_delivery=lambda error, message: placed.update({message.key().decode(): message.partition()}),
        )
    assert producer.flush(20) == 0
    choose = partition_chooser(partitioner, 7)
    assert placed == {team: choose(team) for team in TEAMS}
    assert Topics(settings).require("events") == {unique_name: 7}


def test_a_missing_topic_is_told_with_the_mend(broker: Broker, unique_name: str) -> None:
    """One sentence that names the command."""
    settings = Settings(kafka_bootstrap_servers=broker.bootstrap_servers, events_topic=unique_name)
    with pytest.raises(BrokerError, match=f"{unique_name}.*noisegate topics create"):
        Topics(settings).require("events")


def test_security_settings_reach_faust(tmp_path: Path) -> None:
    """TLS and SASL by librdkafka's names work for aiokafka too; what can't be honoured is refused."""
    assert faust_credentials(Settings()) is None
    tls = faust_credentials(Settings(kafka={"security.protocol": "SSL"}))
    assert isinstance(tls.context, ssl.SSLContext)
    both = {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "u",
        "sasl.password": "p",
    }
    sasl = faust_credentials(Settings(kafka=both))
    assert (sasl.username, sasl.password, sasl.mechanism.value) == ("u", "p", "SCRAM-SHA-512")
    with pytest.raises(SettingsError, match="GSSAPI"):
        faust_credentials(Settings(kafka={"security.protocol": "SASL_SSL", "sasl.mechanism": "GSSAPI"}))
    with pytest.raises(SettingsError, match="ssl"):
        faust_credentials(Settings(kafka={"security.protocol": "SSL", "ssl.ca.location": str(tmp_path / "none")}))
