"""The command's outside: help, version, settings, and how it says what went wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from stream import __version__
from stream.cli import GROUPS, VERBS
from tests.cli.conftest import Run

HEAVY = ("numpy", "confluent_kafka", "faust", "redis", "onnxruntime", "aiokafka", "lightgbm")


@pytest.mark.slow
@pytest.mark.parametrize("verb", [[], *([name] for name in (*VERBS, *GROUPS, "lab")), ["history", "show"]])
def test_every_verb_has_help(run: Run, verb: list[str]) -> None:
    """`--help` of each verb names its arguments and ends with status 0."""
    ran = run(*verb, "--help")
    assert ran.status == 0
    assert "Usage: noisegate" in ran.out


@pytest.mark.slow
def test_help_imports_nothing_heavy() -> None:
    """What only some verbs need is not imported for the list of verbs."""
    code = f"import sys, stream.cli; sys.exit(str([name for name in {HEAVY} if name in sys.modules] or ''))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


@pytest.mark.slow
def test_module_and_version() -> None:
    """`python -m stream` is the same command."""
    done = subprocess.run([sys.executable, "-m", "stream", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"noisegate {__version__}\n"


def test_schema(run: Run) -> None:
    """A topic's schema is printed as JSON; an unknown name is told with those that there are."""
    names = run("schema").out.split()
    assert "alerts.enriched" in names
    assert json.loads(run("schema", "alerts.enriched").out)["title"] == "alerts.enriched"
    ran = run("schema", "alerts.nonsense")
    assert ran.status == 1
    assert "there are alerts." in ran.err


@pytest.mark.slow
def test_no_broker_is_one_sentence(run: Run) -> None:
    """Without Kafka a verb says that it waits, then where it looked and how to mend it, without a traceback."""
    ran = run("topics", "describe", env={"NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    assert ran.status == 1
    waiting, told = ran.err.splitlines()
    assert waiting == "waiting for Kafka at 127.0.0.1:1..."
    assert told.startswith("noisegate: Kafka at 127.0.0.1:1 can't be reached")


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({"NOISEGATE_METRICS_PORT": "ninety"}, "metrics_port = 'ninety'"),
        ({"NOISEGATE_COLOUR": "red"}, "NOISEGATE_COLOUR is set"),
        ({"NOISEGATE_REDIS_URL": "http://secret@host"}, "redis_url must begin with"),
    ],
)
def test_bad_settings_are_one_sentence(run: Run, env: dict[str, str], told: str) -> None:
    """A wrong setting is named with its value; a password is not."""
    ran = run("topics", "describe", env=env)
    assert (ran.status, ran.out) == (1, "")
    assert told in ran.err
    assert "secret" not in ran.err
    assert "Traceback" not in ran.err


def test_settings_file(run: Run, tmp_path: Path) -> None:
    """--settings names a TOML file; the environment goes over it."""
    file = tmp_path / "settings.toml"
    file.write_text('problem = "/no/such/a.toml"\n', encoding="utf-8")
    shown = ("history", "show", "payments")
    assert "/no/such/a.toml" in run("--settings", str(file), *shown).err
    assert "/no/such/b.toml" in run("--settings", str(file), *shown, env={"NOISEGATE_PROBLEM": "/no/such/b.toml"}).err
    assert "can't be read" in run("--settings", str(tmp_path / "none.toml"), *shown).err
