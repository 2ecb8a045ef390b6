"""Decisions of rules, out of a file or out of Kafka: the hold-out's chances, and what is no decision named."""

import gzip
import time
from pathlib import Path

import pytest
from confluent_kafka import Producer
from msgspec.structs import replace

from stream.config import load_settings
from stream.core.errors import LogError
from stream.core.records import Decision, encode_record
from stream.core.topics import TOPICS
from stream.kafka.clients import producer_settings
from stream.kafka.topics import Topics, topic_configs
from stream.lab.sources.decisions import (
    chances_of_file,
    holdout_chances,
    pull_decisions,
    read_decision_topic,
    read_decisions,
)
from tests.lab.test_weights import decision
from tests.servers.kafka import ApacheKafka

DECISIONS = [
    decision(1, "team-0"),
    decision(2, "team-0", "pause"),
    decision(3, "team-1", "hold_out", 0.95),
    decision(3, "team-0", "would_pause", 0.0),
    decision(1, "team-0"),  # at least once
    decision(4, "team-0", "release"),
]
CHANCES = {("team-0", "a1"): 0.8, ("team-1", "a3"): 0.95}


def write(path: Path, decisions: list[Decision]) -> Path:
    """Decisions as JSON lines."""
    path.write_bytes(b"".join(encode_record(one) + b"\n" for one in decisions))
    return path


def test_only_what_was_held_out_has_a_chance(tmp_path: Path) -> None:
    """A pause has no label, a shadow touched nothing, and a repeated record counts once; plain and gzip are alike."""
    path, packed = write(tmp_path / "decisions.jsonl", DECISIONS), tmp_path / "decisions.jsonl.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert list(read_decisions(path)) == DECISIONS
    assert chances_of_file(path) == chances_of_file(packed) == holdout_chances(DECISIONS) == CHANCES
    assert chances_of_file(None) == {}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b'{"type":"raised"}', "no decision: Object missing required field"),
        (b"nonsense", "no decision: "),
        (encode_record(replace(DECISIONS[0], p_act=1.5)), "p_act is 1.5, it must lie between 0 and 1"),
    ],
)
def test_a_line_that_is_no_decision_is_named(line: bytes, fault: str, tmp_path: Path) -> None:
    """File, line and reason, with what to name instead."""
    path = tmp_path / "decisions.jsonl"
    path.write_bytes(encode_record(DECISIONS[0]) + b"\n\n" + line + b"\n")
    with pytest.raises(LogError, match="line 3") as caught:
        list(read_decisions(path))
    assert fault in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """One that is not there, and one whose gzip is cut off."""
    with pytest.raises(LogError, match=r"gone.jsonl: can't be read"):
        chances_of_file(tmp_path / "gone.jsonl")
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(encode_record(DECISIONS[0]) * 50)[:-9])
    with pytest.raises(LogError, match=r"cut.jsonl.gz: can't be read"):
        list(read_decisions(cut))


@pytest.mark.kafka
@pytest.mark.expects_errors
def test_decisions_come_out_of_kafka(kafka: ApacheKafka, unique_name: str, tmp_path: Path) -> None:
    """A topic that is missing holds none; else its decisions are read, what is none is passed over, and a file of the
    hold-out weighs as the topic does."""
    env = {f"NOISEGATE_{role.upper()}_TOPIC": f"{unique_name}.{role}" for role in TOPICS}
    settings = load_settings({**env, "NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers})
    assert list(read_decision_topic(settings)) == []
    Topics(settings).create(2, 1, topic_configs())
    producer = Producer(producer_settings(settings))
    for one in DECISIONS:
        producer.produce(settings.topics.decisions, encode_record(one), one.team)
    producer.produce(settings.topics.decisions, b"nonsense", "team-0")
    producer.flush()
    found = list(read_decision_topic(settings, time.time() - 60.0))
    assert sorted(map(encode_record, found)) == sorted(map(encode_record, DECISIONS))
    assert pull_decisions(settings, tmp_path / "out.jsonl.gz") == 3
    assert chances_of_file(tmp_path / "out.jsonl.gz") == CHANCES
