"""`noisegate replay` and `noisegate tail`."""

import json
from pathlib import Path

import pytest
from confluent_kafka import Producer

from stream.core.errors import SettingsError
from stream.core.events import Raised, decode_event
from stream.core.records import decode_enriched, encode_record
from stream.eventlog import Line, read_log
from stream.kafka.clients import producer_settings
from stream.kafka.replay import Schedule, parse_speed
from tests.cli.conftest import Run, Scored, home
from tests.triage.records import decision

IDLE = ("--until-idle", "1")


def test_replay_keeps_order_within_a_team(run: Run, scored: Scored, unique_name: str) -> None:
    """What `replay` sends is in the topic once, each team's events in their partition and in the log's order."""
    env = {**scored.env, "NOISEGATE_EVENTS_TOPIC": f"{unique_name}.events"}
    assert run("topics", "create", env=env).status == 0
    ran = run("replay", str(scored.log), "--json", env=env)
    lines = list(read_log(scored.log))
    assert ran.json["events"] == len(lines)
    there = run("tail", "events", *IDLE, env=env).out.encode().splitlines()
    assert sorted(there) == sorted(line.value for line in lines)
    for team in ("payments", "storage"):
        sent = [line.value for line in lines if line.event.team == team]  # type: ignore[union-attr]
        assert sent == [value for value in there if decode_event(value).team == team]  # type: ignore[union-attr]


def test_replay_of_the_past_warns_of_ticks(run: Run, scored: Scored, unique_name: str) -> None:
    """A log that ended long ago and scorers that tick don't go together: said once, and not where nothing ticks."""
    env = {**scored.env, "NOISEGATE_EVENTS_TOPIC": f"{unique_name}.events"}
    assert run("topics", "create", env=env).status == 0
    assert "tick_seconds = 0" in run("replay", str(scored.log), env=env).err
    assert "tick_seconds" not in run("replay", str(scored.log), env={**env, "NOISEGATE_TICK_SECONDS": "0"}).err


def test_tail_shows_every_enriched_alert(run: Run, scored: Scored) -> None:
    """jsonl gives each value as it is; every alert of the log is there, unscored as there is no model."""
    records = [decode_enriched(line) for line in run("tail", "enriched", *IDLE, env=scored.env).out.splitlines()]
    assert len({record.alert.alert_id for record in records}) == scored.alerts
    assert {record.score.reason for record in records} == {"no_model"}


def test_tail_until_idle_reads_to_the_end_first(run: Run, scored: Scored) -> None:
    """However short the time without a record may be, what is there is shown: a broker may be slow to begin."""
    ran = run("tail", "enriched", "--until-idle", "0", env=scored.env)
    assert len({decode_enriched(line).alert.alert_id for line in ran.out.splitlines()}) == scored.alerts


def test_tail_table_and_full_name(run: Run, scored: Scored) -> None:
    """The table is for people; a topic's full name serves as well as its role."""
    ran = run("tail", "alerts.enriched", "--format", "table", *IDLE, env=scored.env)
    assert "no model" in ran.out
    failed = run("tail", "failed", "--format", "table", *IDLE, env=scored.env)
    assert "not_json" in failed.out
    outcomes = run("tail", "outcomes", "--format", "table", *IDLE, env=scored.env)
    assert "noise" in outcomes.out


def test_tail_shows_what_was_decided_by_which_rule_and_why(run: Run, scored: Scored, unique_name: str) -> None:
    """One line a decision, with its alert; of an alert that no rule matches the rule is left out."""
    name = f"{unique_name}.decisions"
    env = {**scored.env, "NOISEGATE_DECISIONS_TOPIC": name}
    assert run("topics", "create", env=env).status == 0
    producer = Producer(producer_settings(scored.stack.settings))
    for one in (decision("A1", "pause", why="proven"), decision("A2", "none", by_rule=None, why="no rule matches it")):
        producer.produce(name, encode_record(one), one.team.encode())
    assert producer.flush(10) == 0
    lines = run("tail", "decisions", "--format", "table", *IDLE, env=env).out.splitlines()
    assert [line.split()[2:] for line in lines] == [
        ["pause", "night-disks", "payments", "A1", "proven"],
        ["none", "payments", "A2", "no", "rule", "matches", "it"],
    ]


def test_tail_latest_leaves_out_what_was_there(run: Run, scored: Scored) -> None:
    """--latest shows only what comes from now on, also on a broker that does not know its end."""
    assert run("tail", "outcomes", "--latest", *IDLE, env=scored.env).out == ""


def test_bad_line_is_named(run: Run, scored: Scored, tmp_path: Path) -> None:
    """A bad line is told by file and number before anything is sent."""
    log = tmp_path / "bad.jsonl"
    good = next(read_log(scored.log)).value
    log.write_bytes(good + b"\n" + b'{"type":"raised"}\n')
    ran = run("replay", str(log), env=scored.env)
    assert (ran.status, ran.out) == (1, "")
    assert f"noisegate: {log}: line 2: bad_field" in ran.err


def test_bad_lines_are_left_out_on_request(run: Run, scored: Scored, unique_name: str, tmp_path: Path) -> None:
    """With --skip-bad the rest is sent, and what is left out is counted by reason with its first line."""
    env = {**scored.env, "NOISEGATE_EVENTS_TOPIC": f"{unique_name}.events"}
    assert run("topics", "create", env=env).status == 0
    log = tmp_path / "bad.jsonl"
    good = next(read_log(scored.log)).value
    log.write_bytes(b"\n".join([good, b'{"type":"raised"}', b"not json", good]) + b"\n")
    ran = run("replay", str(log), "--skip-bad", "--json", env=env)
    assert ran.json["events"] == 2
    assert "left out 1 lines: bad_field, the first in line 2: " in ran.err
    assert "left out 1 lines: not_json, the first in line 3: " in ran.err


def test_no_such_log(run: Run, tmp_path: Path) -> None:
    """A log that is not there is one sentence."""
    ran = run("replay", str(tmp_path / "none.jsonl"))
    assert ran.status == 1
    assert "none.jsonl: can't be read" in ran.err


def line(at: float) -> Line:
    """An event at `at`, of which nothing but its time matters."""
    value = json.dumps(
        {"type": "raised", "at": "2026-01-01T00:00:00Z", "alert_id": "A", "team": "t", "rule": "r", "entity": "e"}
    ).encode()
    event = decode_event(value)
    assert isinstance(event, Raised)
    return Line(event, at, value)


def test_schedule_keeps_pace_and_order() -> None:
    """At speed 10 what happened 100 s later is due 10 s later; an event late in the log waits its turn."""
    now = 0.0
    schedule = Schedule([line(0.0), line(100.0), line(50.0), line(200.0)], 10.0, lambda: now)
    assert [taken.at for taken in schedule.take(10)] == [0.0]
    assert schedule.wait_seconds == 10.0
    now = 10.0
    assert [taken.at for taken in schedule.take(10)] == [100.0, 50.0]
    now = 20.0
    assert [taken.at for taken in schedule.take(10)] == [200.0]
    assert schedule.done


def test_schedule_at_full_speed() -> None:
    """At full speed everything is due, in portions."""
    schedule = Schedule([line(0.0), line(1e9)], None)
    assert len(schedule.take(1)) == 1
    assert len(schedule.take(5)) == 1
    assert schedule.done
    assert Schedule([], None).done


@pytest.mark.parametrize("text", ["fast", "0", "-1", "nan", "inf", ""])
def test_bad_speed(text: str) -> None:
    """A speed is `max` or a positive number."""
    with pytest.raises(SettingsError, match="give max"):
        parse_speed(text)


def test_home_is_the_settings_partitioner() -> None:
    """The helper of these tests and Java's default agree on a known value."""
    assert home("storage", 1) == 0
