"""Nothing that came from outside steers a terminal or stands raw in a page, whichever verb shows it."""

import io
import json
import pty
import re
from contextlib import suppress
from os import close, fdopen, read, ttyname
from pathlib import Path

import pytest
from confluent_kafka import Producer
from msgspec.structs import replace
from rich.markup import escape
from rich.table import Table

from stream.cli import main
from stream.config import load_settings
from stream.console import SafeConsole, escape_json
from stream.core.events import encode_event
from stream.core.topics import TOPICS
from stream.dev.embedded import EmbeddedBroker
from stream.kafka.topics import Topics, topic_configs
from stream.lab.reporting import card, report
from stream.lab.reporting.retrain_report import write
from stream.models.artifact import verify
from stream.monitoring.page import drift_page
from stream.monitoring.report import DriftReport, FeatureDrift
from tests.cli.conftest import Run
from tests.lab.logs import PROBLEM_TEXT, small_log
from tests.lab.reporting import sample
from tests.lab.reporting.test_retrain_report import found
from tests.servers.kafka import ROOT

EVIL = "\x1b]0;owned\x07\x9b31m\u202ered\r\b"
STEERING = set("\x1b\x07\x9b\u202e\r\b")


def steers(text: str) -> bool:
    """Whether a terminal would obey something in it."""
    return bool(STEERING & set(text))


@pytest.fixture
def evil_log(tmp_path: Path) -> Path:
    """A log in which teams, rules, kinds and labels hold what steers a terminal, and a day that floods."""
    path = tmp_path / "log.jsonl"
    events = []
    for event in small_log():
        evil = replace(event, team=event.team + EVIL)  # type: ignore[union-attr]  # no ticks in it
        if hasattr(evil, "rule"):
            evil = replace(evil, rule=evil.rule + EVIL, labels={f"env{EVIL}": EVIL})
        events.append(encode_event(evil)[:-1] + b',"tiem\\u001b[31m":1}')
    path.write_bytes(b"\n".join(events))
    (tmp_path / "problem.toml").write_text(PROBLEM_TEXT, encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("as_json", [False, True])
def test_the_audit_steers_nothing(run: Run, evil_log: Path, as_json: bool) -> None:
    """Names of a log reach the terminal as letters, in sentences, in tables and as JSON, which still holds them all."""
    ran = run(
        "lab", "audit", "--events", str(evil_log), "--problem", str(evil_log.with_name("problem.toml")),
        *(["--json"] if as_json else []),
    )  # fmt: skip
    assert ran.status == 0, ran.err
    assert not steers(ran.out + ran.err)
    if as_json:
        assert EVIL in json.loads(ran.out)["audit"]["teams"][0]["name"]
    else:
        assert "]0;owned" in ran.out


def test_a_sentence_of_a_fault_steers_nothing(run: Run, tmp_path: Path) -> None:
    """What a bad line holds comes into the sentence that names it, and steers nothing."""
    (tmp_path / "log.jsonl").write_bytes(b'{"type":"\\u001b]0;owned\\u0007","at":"2026-01-01T00:00:00Z"}\n')
    ran = run("replay", str(tmp_path / "log.jsonl"))
    assert ran.status == 1
    assert "unknown_type" in ran.err
    assert not steers(ran.err)


def read_terminal(ours: int) -> str:
    """What was written to a terminal whose other end is closed."""
    pieces: list[bytes] = []
    with suppress(OSError):  # at the end
        while piece := read(ours, 65_536):
            pieces.append(piece)
    return b"".join(pieces).decode()


@pytest.mark.parametrize("words", [("tail", "events"), ("tail", "events", "--format", "table")])
def test_tail_on_a_terminal_steers_nothing(
    embedded_broker: EmbeddedBroker, unique_name: str, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """Records that anybody may have written are shown as letters on a terminal."""
    env = {f"NOISEGATE_{role.upper()}_TOPIC": f"{unique_name}.{role}" for role in TOPICS}
    env |= {
        "NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": embedded_broker.bootstrap_servers,
        "NOISEGATE_BROKER_END_OFFSETS": "false",
    }
    settings = load_settings(env)
    Topics(settings).create(1, 1, topic_configs())
    producer = Producer({"bootstrap.servers": embedded_broker.bootstrap_servers})
    for value in (EVIL.encode(), b"\xff" + EVIL.encode(), json.dumps({"type": EVIL, "team": EVIL}).encode()):
        producer.produce(settings.topics.events, value)
    producer.flush()
    for name, setting in env.items():
        monkeypatch.setenv(name, setting)
    ours, theirs = pty.openpty()
    assert ttyname(theirs)
    with fdopen(theirs, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr("sys.stdout", terminal)
        with pytest.raises(SystemExit):
            main([*words, "--until-idle", "1"])
    shown = read_terminal(ours).replace("\r\n", "\n")
    close(ours)
    assert shown.count("owned") >= 3
    assert not steers(shown)


def test_pages_and_cards_steer_nothing() -> None:
    """Reports in HTML and Markdown hold no control character of a name, in text or in a chart."""
    whole = sample.full()
    assert whole.teams is not None
    assert whole.drift is not None
    team = replace(whole.teams.teams[0], name=EVIL)
    evil = replace(
        whole,
        question=EVIL,
        teams=replace(whole.teams, teams=[team]),
        drift=[replace(whole.drift[0], feature=EVIL)],
        notes=[EVIL],
    )
    assert not steers(report.write(evil))
    manifest = verify(next((ROOT / "model_artifacts").glob("*/manifest.json")).parent)
    assert not steers(card.write(replace(manifest, labels=[EVIL]), evil))
    assert not steers(write(found(question=EVIL, warnings=[EVIL], faults=[f"gate: {EVIL}"], forced=EVIL)))
    feature = FeatureDrift(
        model=EVIL, feature=EVIL, observed=1.0, psi=None, threshold=None, jensen_shannon=None, missing=None,
        missing_reference=None, rings=True, drifted=None, untested=None,
    )  # fmt: skip
    assert not steers(drift_page(DriftReport("24h", 0.0, [feature], {EVIL: 0.5}, {EVIL: {"alerts": 1.0}})))


@pytest.mark.parametrize("terminal", [False, True])
def test_the_console_lets_its_own_styles_through(terminal: bool) -> None:
    """Text, markup and tables steer nothing but for the styles that the console itself writes on a terminal."""
    file = io.StringIO()
    console = SafeConsole(file=file, width=80, color_system="standard" if terminal else None, force_terminal=terminal)
    table = Table(EVIL)
    table.add_row(EVIL)
    console.print(f"[bold]{escape(EVIL)}[/bold]", EVIL, table)
    assert ("\x1b[1m" in file.getvalue()) == terminal
    assert not steers(re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue()))


def test_json_keeps_its_meaning() -> None:
    """What is escaped in a document is the same when it is read, beyond the basic plane as well."""
    document = json.dumps({"name": f"{EVIL}\U000e0001é"}, ensure_ascii=False)
    assert json.loads(escape_json(document)) == json.loads(document)
    assert escape_json(document).isprintable()
