"""`noisegate failed`: what could not be used is listed, and what can be is sent again."""

import time

import pytest
from confluent_kafka import Producer

from stream.config import Settings, load_settings
from stream.core.errors import BadRecord
from stream.core.events import Acted, Raised, encode_event, moment
from stream.core.records import encode_record
from stream.core.topics import TOPICS
from stream.kafka.clients import producer_settings
from stream.kafka.failed import failed_output
from stream.kafka.publisher import Publisher
from stream.kafka.reader import Reader
from stream.kafka.records import Part
from stream.kafka.topics import Topics, topic_configs
from stream.scorer.output import unscored
from tests.cli.conftest import BAD, Run, Scored, await_folded
from tests.servers.kafka import ApacheKafka


def test_every_bad_record_is_listed_with_its_reason(run: Run, scored: Scored) -> None:
    """Each kind of bad input is there once, with coordinates, length and value; a value too large is cut."""
    told = run("failed", "list", "--json", "--limit", "100", env=scored.env).json
    assert {reason: told["counts"][reason] for reason in BAD} == dict.fromkeys(BAD, 1)
    records = {record["reason"]: record for record in told["failed"]}
    assert records["not_json"]["value"] == "{"
    assert (records["too_large"]["length"], records["too_large"]["cut"]) == (300_000, True)
    assert records["misrouted"]["topic"] == "alerts.events"
    assert records["misrouted"]["offset"] >= 0


def test_list_is_limited_and_filtered(run: Run, scored: Scored) -> None:
    """--limit shows the newest, --reason one kind; people get a table."""
    told = run("failed", "list", "--json", "--limit", "2", env=scored.env).json
    assert len(told["failed"]) == 2
    one = run("failed", "list", "--json", "--reason", "not_json", env=scored.env).json
    assert one["counts"] == {"not_json": 1}
    assert "too_large" in run("failed", "list", env=scored.env).out
    assert "no failed records" in run("failed", "list", "--reason", "nul", env=scored.env).out


def test_dry_run_sends_nothing(run: Run, scored: Scored) -> None:
    """A dry run counts what could be sent, and what can't be, by why."""
    before = scored.stack.scorer.folded()
    told = run("failed", "replay", "--dry-run", "--json", env=scored.env).json
    assert told["replayed"] >= 1
    assert (told["cut"], told["unreadable"]) == (1, 3)
    assert scored.stack.scorer.folded() == before


def test_misrouted_record_goes_right(run: Run, scored: Scored) -> None:
    """A record sent into the wrong partition is sent again into its team's, and then scored."""
    before = scored.stack.scorer.folded()
    told = run("failed", "replay", "--reason", "misrouted", "--json", env=scored.env).json
    assert (told["replayed"], told["cut"], told["unreadable"]) == (1, 0, 0)
    await_folded(scored.stack, before + 1)
    assert "LOST-1" in run("tail", "enriched", "--until-idle", "1", env=scored.env).out
    said = run("failed", "replay", "--reason", "too_large", env=scored.env).out
    assert "can't be replayed" in said


FOREIGN = [
    ("other program", None),
    ("numbers", [("reason", b"odd"), ("partition", b"first"), ("offset", b"-3"), ("length", b"many")]),
    ("no values", [("reason", None), ("partition", b""), ("offset", b"\xff\xfe"), ("length", b"9" * 5_000)]),
    ("escapes", [("reason", b"\x1b[31mred"), ("topic", b"[bold]"), ("detail", b"\x1b]0;title\x07")]),
]


@pytest.fixture
def env(kafka: ApacheKafka, unique_name: str) -> dict[str, str]:
    """Settings of four topics on Apache Kafka that nobody else uses, made."""
    env = {f"NOISEGATE_{role.upper()}_TOPIC": f"{unique_name}.{role}" for role in TOPICS}
    env["NOISEGATE_KAFKA_BOOTSTRAP_SERVERS"] = kafka.bootstrap_servers
    Topics(load_settings(env)).create(2, 1, topic_configs())
    return env


def fail_again(settings: Settings, reader: Reader, count: int) -> int:
    """What a scorer does with actions of alerts that it does not know, until `count` have come and no more do; how many
    came since the last call."""
    publisher, sent, ends = Publisher(producer_settings(settings)), 0, time.monotonic() + 60.0
    error = BadRecord("unknown_alert", "not in the ledger")
    while (found := reader.read(1.0)) or (sent < count and time.monotonic() < ends):
        for message in found:
            part = Part(settings.topics.events, message.partition() or 0)
            value, offset = message.value() or b"", message.offset() or 0
            publisher.publish([failed_output(settings.topics.failed, part, offset, None, value, error)])
        sent += len(found)
    publisher.flush(60.0)
    return sent


def test_what_fails_again_is_sent_once_a_run(run: Run, env: dict[str, str]) -> None:
    """Three replays of two records that can't be used send two each, and say how many repeats there were."""
    settings = load_settings(env)
    producer = Producer(producer_settings(settings))
    for number in range(2):
        value = encode_event(Acted(moment(1_800_000_000.0), f"gone-{number}", "storage", "1", "worked"))
        producer.produce(settings.topics.events, value, b"a key of the producer's own")
    producer.flush()
    with Reader(settings, [settings.topics.events]) as reader:
        assert fail_again(settings, reader, 2) == 2
        for repeats in (0, 2, 4):
            dry = run("failed", "replay", "--dry-run", "--json", env=env).json
            told = run("failed", "replay", "--json", env=env).json
            assert (told["replayed"], told["repeated"]) == (dry["replayed"], dry["repeated"]) == (2, repeats)
            assert fail_again(settings, reader, 2) == 2
    said = run("failed", "replay", env=env).out
    assert "2 records sent" in said
    assert "6 are repeats" in said


def test_an_output_that_its_topic_refused_is_sent_to_that_topic(run: Run, env: dict[str, str]) -> None:
    """Once the topic takes it; neither the events nor their producer have anything to do with it."""
    settings = load_settings(env)
    publisher = Publisher(producer_settings(settings))
    refused = BadRecord("refused_by_topic", "too large for its topic")
    for topic in (settings.topics.enriched, settings.topics.outcomes, "another.topic"):
        publisher.publish(
            [failed_output(settings.topics.failed, Part(topic, -1), -1, b"team", topic.encode(), refused)]
        )
    publisher.flush(60.0)
    told = run("failed", "replay", "--json", env=env).json
    assert (told["replayed"], told["outputs"], told["unreadable"]) == (0, 2, 1)
    for topic in (settings.topics.enriched, settings.topics.outcomes):
        with Reader(settings, [topic]) as reader:
            assert [(message.key(), message.value()) for message in reader.read_all()] == [(b"team", topic.encode())]
    said = run("failed", "replay", env=env).out
    assert "2 records that an output topic had refused sent to that topic" in said


def test_each_record_goes_back_to_the_topic_that_it_came_from(run: Run, env: dict[str, str]) -> None:
    """An enriched record that a reader could not use goes to its topic by its key, an event to the events; one of a
    topic that is none of ours is not sent at all, though it is an event."""
    settings = load_settings(env)
    publisher = Publisher(producer_settings(settings))
    event = encode_event(Acted(moment(1_800_000_000.0), "one", "storage", "1", "worked"))
    stray = encode_event(Acted(moment(1_800_000_000.0), "two", "storage", "1", "worked"))
    raised = Raised(moment(1_800_000_000.0), "one", "storage", "disk", "db-1")
    enriched = encode_record(unscored(raised, moment(1_800_000_001.0), f"{settings.topics.events}/0/0"))
    for topic, key, value, room in (
        (settings.topics.events, None, event, None),
        ("elsewhere.events", None, stray, None),
        (settings.topics.enriched, b"storage", enriched, "closer"),
        (settings.topics.enriched, b"storage", b"{", "closer"),
    ):
        error = BadRecord("not_json", "it could not be used")
        publisher.publish([failed_output(settings.topics.failed, Part(topic, 0), 3, key, value, error, room)])
    publisher.flush(60.0)
    told = run("failed", "replay", "--json", env=env).json
    assert (told["replayed"], told["returned"], told["foreign"], told["unreadable"]) == (1, 1, 1, 1)
    for topic, key, value in (
        (settings.topics.events, b"storage", event),
        (settings.topics.enriched, b"storage", enriched),
    ):
        with Reader(settings, [topic]) as reader:
            assert [(message.key(), message.value()) for message in reader.read_all()] == [(key, value)]
    said = run("failed", "replay", "--dry-run", env=env).out
    assert "1 records that a reader could not use would be sent to their topics again" in said
    assert "1 come from topics that are none of this deployment's and are not sent" in said


def test_a_room_s_name_stands_in_its_dead_letters() -> None:
    """Beside topic, partition, offset and reason; the scorer's have the headers that they always had."""
    error = BadRecord("not_json", "it could not be used")
    scorer, closer = (
        failed_output("alerts.failed", Part("alerts.enriched", 2), 7, None, b"{", error, room)
        for room in (None, "closer")
    )
    names = ["reason", "detail", "topic", "partition", "offset", "length", "sha256"]
    assert [name for name, _ in scorer.headers or ()] == names
    assert closer.headers == [("room", b"closer"), *(scorer.headers or ())]


def test_foreign_records_are_listed(run: Run, env: dict[str, str]) -> None:
    """Records that another program wrote, with any headers, are listed with `?` where there is no number."""
    settings = load_settings(env)
    producer = Producer(producer_settings(settings))
    for value, headers in FOREIGN:
        producer.produce(settings.topics.failed, value, headers=headers)
    producer.flush()
    ran = run("failed", "list", env=env)
    assert ran.status == 0, ran.err
    assert "?/?/?" in ran.out
    assert "\x1b" not in ran.out
    assert "[bold]/?/?" in ran.out
    listed = run("failed", "list", "--json", env=env).json
    assert listed["counts"] == {"?": 2, "odd": 1, "\x1b[31mred": 1}
    assert {record["partition"] for record in listed["failed"]} == {None}
    assert run("failed", "replay", "--json", env=env).json["unreadable"] == len(FOREIGN)
