"""`noisegate topics`: made once, described, and warned about."""

import time

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from stream.config import load_settings
from stream.core import limits
from stream.core.errors import BadRecord
from stream.core.events import Raised, decode_event, encode_event, moment
from stream.core.records import (
    Challenge,
    Decision,
    Enriched,
    Flag,
    Like,
    Outcome,
    Proof,
    Push,
    Score,
    Why,
    Whys,
    encode_record,
)
from stream.core.topics import TOPICS
from stream.dev.embedded import EmbeddedBroker
from stream.kafka.failed import failed_output
from stream.kafka.records import Output, Part
from stream.kafka.topics import Topics, topic_configs
from tests.cli.conftest import Run
from tests.servers.kafka import ApacheKafka


@pytest.fixture
def env(embedded_broker: EmbeddedBroker, unique_name: str) -> dict[str, str]:
    """Settings whose topics nobody else uses."""
    return {f"NOISEGATE_{role.upper()}_TOPIC": f"{unique_name}.{role}" for role in TOPICS} | {
        "NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": embedded_broker.bootstrap_servers,
        "NOISEGATE_BROKER_END_OFFSETS": "false",
    }


def test_created_once_and_described(run: Run, env: dict[str, str]) -> None:
    """All topics are made with the partitions asked for, a second time nothing is; events are kept for ever."""
    first = run("topics", "create", "--partitions", "3", "--json", env=env).json
    again = run("topics", "create", "--json", env=env).json
    assert first["created"] == [env[f"NOISEGATE_{role.upper()}_TOPIC"] for role in TOPICS]
    assert (again["created"], sorted(again["there_already"])) == ([], sorted(first["created"]))
    assert "with 3 partitions; nothing was changed" in run("topics", "create", "--partitions", "8", env=env).out
    described = run("topics", "describe", "--json", env=env).json
    assert [topic["partitions"] for topic in described["topics"]] == [3] * len(TOPICS)
    assert described["topics"][0]["retention_ms"] == -1
    assert described["warnings"] == []


def test_limited_retention_is_warned_about(run: Run, env: dict[str, str]) -> None:
    """Where events are thrown away, `describe` says for how long they are kept and how to mend it."""
    assert run("topics", "create", "--retention-days", "7", env=env).status == 0
    ran = run("topics", "describe", env=env)
    assert "is kept for 7 days only" in ran.out
    assert "retention.ms" in ran.out


def largest_records() -> dict[str, Output]:
    """For each topic a record as large as noisegate's own limits let it become."""
    wide = "\x01" * limits.NAME_LENGTH  # six bytes a character in JSON
    labels = {f"{number:02}": "\x01" * 1_000 for number in range(40)}
    alert = Raised(
        moment(1_800_000_000.123456), wide, "\U0001f600" * 256, wide, wide, wide, wide, "\x01" * 2_000, labels
    )
    value = encode_event(alert)
    value = value[:-1] + b" " * (limits.EVENT_BYTES - len(value)) + b"}"
    assert decode_event(value) == alert
    model, key = f"2026-03-01-{'a' * 40}", alert.team.encode()
    now = moment(1_800_000_000.123456)
    why = Why(2**40, 2**40, [1] * 8, now)
    score = Score(0.12345678901234567, "likely_actionable", model, "strong", None, Challenge(model, 1e-300))
    offset = f"{'t' * 249}/100000/{2**63}"
    flags: list[Flag] = ["flood", "visibility_only", "late", "held_out", "challenger_failed"]
    pushed = Whys(why, why, Like("team_rule_entity", 2**40, 2**40), Push(f"label.{'l' * 128}", -1e-300))
    enriched = Enriched(alert, score, pushed, flags, now, offset, "e" * 64, b"f" * 4 * 200)
    outcome = Outcome(
        wide, alert.team, wide, wide, now, "actionable", now, wide, f"{'p' * 100}@01234567", model,
        {model: 1e-300, f"{model}b": 1e-300}, "strong", 1, flags, wide, wide,
        {"l": "\x01" * (limits.CONTEXT_BYTES - 2 * len(wide) - 1)}, "e" * 64, "automation",
    )  # fmt: skip
    proof = Proof(2**40, 1e-300, 1e-300, 1e-300, "inconclusive")
    decision = Decision(
        alert_id=wide, team=alert.team, rule=wide, entity=wide, episode="e" * 64, raised_at=now, decision="would_close",
        by_rule=wide, rule_version="v" * 64, mode="shadow", probability=1e-300, model=model, p_act=1e-300, until=now,
        proof=proof, why="\x01" * 1_000, decided_at=now,
    )  # fmt: skip
    error = BadRecord("too_large", "\U0001f600" * 5_000)
    failed = failed_output("failed", Part("t" * 249, 100_000), 2**63, b"k" * 10_000, b"v" * 300_000, error)
    return {
        "events": Output("", key, value),
        "enriched": Output("", key, encode_record(enriched)),
        "outcomes": Output("", key, encode_record(outcome)),
        "decisions": Output("", key, encode_record(decision)),
        "failed": failed,
    }


def test_the_largest_records_fit_and_a_smaller_limit_is_warned_about(
    run: Run, kafka: ApacheKafka, unique_name: str
) -> None:
    """Topics that take exactly what is computed take the largest records; a byte less, and doctor and describe warn."""
    names = {role: f"{unique_name}.{role}" for role in TOPICS}
    env = {f"NOISEGATE_{role.upper()}_TOPIC": name for role, name in names.items()}
    env |= {"NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "NOISEGATE_REDIS_URL": "redis://127.0.0.1:1"}
    configs = {role: {**topic_configs()[role], "max.message.bytes": str(TOPICS[role].message_bytes)} for role in names}
    Topics(load_settings(env)).create(1, 1, configs)
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "message.max.bytes": 2_000_000})
    refused: list[str] = []
    for role, record in largest_records().items():
        producer.produce(
            names[role], record.value, record.key, headers=list(record.headers or ()),
            on_delivery=lambda error, message: refused.append(f"{message.topic()}: {error}") if error else None,
        )  # fmt: skip
    assert producer.flush(60) == 0
    assert refused == []
    assert run("topics", "describe", "--json", env=env).json["warnings"] == []
    alter_limits(kafka, {name: TOPICS[role].message_bytes - 1 for role, name in names.items()})
    warnings = run("topics", "describe", "--json", env=env).json["warnings"]
    assert len(warnings) == len(TOPICS)
    findings = [one for one in run("doctor", "--json", env=env).json["findings"] if one["check"] == "record size"]
    assert [one["verdict"] for one in findings] == ["warning"] * len(TOPICS)
    for name, finding in zip(names.values(), findings, strict=True):
        assert f"--entity-name {name} --add-config max.message.bytes=1048588" in finding["mend"]
        assert f"--bootstrap-server {kafka.bootstrap_servers}" in finding["mend"]
    alter_limits(kafka, dict.fromkeys(names.values(), 1_048_588))  # what the mend does
    assert run("topics", "describe", "--json", env=env).json["warnings"] == []


def alter_limits(kafka: ApacheKafka, limit_of: dict[str, int]) -> None:
    """Set `max.message.bytes` of topics, and wait until Kafka says so."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    for name, limit in limit_of.items():
        entry = ConfigEntry("max.message.bytes", str(limit), incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry])
        for future in admin.incremental_alter_configs([resource]).values():
            future.result(60)
    topics = Topics(load_settings({"NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers}))
    deadline = time.monotonic() + 60
    while any(topics.configs(name)["max.message.bytes"] != str(limit) for name, limit in limit_of.items()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_missing_topics_are_described_as_missing(run: Run, env: dict[str, str]) -> None:
    """`describe` works before `create`."""
    ran = run("topics", "describe", env=env)
    assert ran.status == 0
    assert ran.out.count("missing") == len(TOPICS)


def test_missing_topic_is_one_sentence(run: Run, env: dict[str, str]) -> None:
    """Reading what is not there says which verb makes it."""
    ran = run("tail", "enriched", "--until-idle", "1", env=env)
    assert ran.status == 1
    assert "run `noisegate topics create`" in ran.err


def test_topics_are_those_of_the_settings(run: Run, env: dict[str, str]) -> None:
    """Names come from the settings."""
    run("topics", "create", env=env)
    assert Topics(load_settings(env)).require("events", "failed")
