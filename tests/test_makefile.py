"""What a newcomer types first tells them what to do."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
VERBS = ["setup", "demo", "format", "lint", "types", "fast", "check", "test", "fuzz", "chaos", "bench", "lock", "clean"]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What `make setup` needs, without a .venv."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run make there, free of the make that may have started the tests."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    return subprocess.run(["make", *words], cwd=folder, env=environ, capture_output=True, text=True, timeout=120)


def fake_python(folder: Path, answers: str) -> str:
    """A program that stands for an interpreter."""
    program = folder / "fake-python"
    program.write_text(f"#!/bin/sh\n{answers}\n")
    program.chmod(0o755)
    return f"PYTHON={program}"


def test_make_alone_lists_every_verb() -> None:
    """`make` prints one line a verb and does nothing else."""
    shown = make(ROOT)
    assert shown.returncode == 0
    of_page = ["bench-page", "screenshots", "vendor"]
    assert [line.split()[1] for line in shown.stdout.splitlines()] == ["help", *VERBS[:-2], *of_page, *VERBS[-2:]]


def test_an_old_python_is_told_in_one_sentence(clone: Path) -> None:
    """No traceback: what is wrong and how to mend it."""
    refused = make(clone, "setup", fake_python(clone, "exit 1"))
    assert refused.returncode != 0
    assert "needs Python 3.11 or newer" in refused.stderr
    assert "make setup PYTHON=" in refused.stderr


def test_a_missing_venv_module_is_told_in_one_sentence(clone: Path) -> None:
    """The package to install is named."""
    refused = make(clone, "setup", fake_python(clone, 'case "$2" in *ensurepip*) exit 1;; esac'))
    assert refused.returncode != 0
    assert "apt-get install python3-venv" in refused.stderr


def test_setup_again_is_quick(clone: Path) -> None:
    """A .venv newer than the lock is left alone."""
    (clone / ".venv").mkdir()
    (clone / ".venv" / "ready").touch()
    assert "Nothing to be done" in make(clone, "setup").stdout


def test_demo_passes_on_what_is_set_and_nothing_else(clone: Path) -> None:
    """EVENTS, PROBLEM and SPEED become options; a path with a space stays one word."""
    program = clone / ".venv" / "bin" / "noisegate"
    program.parent.mkdir(parents=True)
    (clone / ".venv" / "ready").touch()
    program.write_text('#!/bin/sh\nfor word; do echo "[$word]"; done\n')
    program.chmod(0o755)
    assert make(clone, "demo").stdout.split("\n") == ["[demo]", ""]
    assert make(clone, "demo", "EVENTS=my log.gz", "SPEED=max").stdout == (
        "[demo]\n[--events]\n[my log.gz]\n[--speed]\n[max]\n"
    )
