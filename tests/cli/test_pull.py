"""`noisegate lab pull`, as the command."""

from pathlib import Path

from stream.core.events import Raised
from stream.eventlog import read_log
from stream.lab.sources.decisions import chances_of_file
from tests.cli.conftest import BAD, Run, Scored


def test_pulls_what_was_scored(run: Run, scored: Scored, tmp_path: Path) -> None:
    """All alerts of the log come out; what the scorer failed is told by reason; --settings names the broker."""
    settings = tmp_path / "settings.toml"
    names = ("kafka_bootstrap_servers", "problem", "broker_end_offsets")
    values = [(name, scored.env[f"NOISEGATE_{name.upper()}"]) for name in names]
    settings.write_text("".join(f'{name} = "{value}"\n' for name, value in values))
    log = tmp_path / "log.parquet"
    told = run("--settings", str(settings), "lab", "pull", "-o", str(log), "--json").json
    assert {reason: told["left_out"][reason]["count"] for reason in BAD} == dict.fromkeys(BAD, 1)
    assert told["left_out"]["misrouted"]["count"] == 1
    pulled = {line.event.alert_id for line in read_log(log) if isinstance(line.event, Raised)}
    sent = {line.event.alert_id for line in read_log(scored.log) if isinstance(line.event, Raised)}
    assert pulled - {"LOST-1"} == sent


def test_people_are_told_in_words(run: Run, scored: Scored, tmp_path: Path) -> None:
    """Counts, reasons and the place of the first bad record; progress is on standard error."""
    command = ["lab", "pull", "--since", "2026-01-01T00:00:00Z", "-o", str(tmp_path / "log.jsonl.gz")]
    ran = run(*command, "--decisions", str(tmp_path / "decisions.jsonl"), env=scored.env)
    assert ran.status == 0
    assert "0 hold-out decisions written to " in ran.out  # no rule ever acted
    assert chances_of_file(tmp_path / "decisions.jsonl") == {}
    for words in ("records of alerts.events made", "left out: 1 not_json, the first alerts.events/", "written to"):
        assert words in ran.out
    assert "reading" in ran.err
    assert "reading" not in ran.out


def test_wrong_use_is_one_sentence(run: Run, scored: Scored, tmp_path: Path) -> None:
    """A time that is none, and a time in which nothing happened."""
    ran = run("lab", "pull", "--since", "yesterday", "-o", str(tmp_path / "log.jsonl"), env=scored.env)
    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert "--since yesterday: give a length" in ran.err
    ran = run("lab", "pull", "--until", "2001-01-01T00:00:00Z", "-o", str(tmp_path / "log.jsonl"), env=scored.env)
    assert "alerts.events holds no event to pull" in ran.err
    assert list(tmp_path.iterdir()) == []
