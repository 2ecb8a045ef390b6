"""`noisegate problem`: a problem file proposed from a log, and one checked."""

from pathlib import Path

import pytest

from stream.core.problem import parse_problem
from tests.cli.conftest import Run
from tests.lab.logs import PROBLEM_TEXT, small_log, write


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A small log."""
    return write(tmp_path / "log.jsonl", small_log(400))


def test_a_proposal_is_a_problem_that_checks(run: Run, tmp_path: Path, log: Path) -> None:
    """Written, it holds the three questions and the best baseline, and checking it against its log finds enough."""
    path = tmp_path / "problem.toml"
    ran = run("problem", "suggest", "--events", str(log), "-o", str(path))
    assert (ran.status, path.exists()) == (0, True)
    text = path.read_text()
    assert [line[:4] for line in text.splitlines() if line[:4] in ("# 1.", "# 2.", "# 3.")] == ["# 1.", "# 2.", "# 3."]
    assert "alone has an AUC of 0." in text.replace("\n# ", " ")
    ran = run("problem", "check", str(path), "--events", str(log))
    assert ran.status == 0
    assert f"{parse_problem(text).id}: Will the owning team act on this alert within 1 hour?" in ran.out
    assert "alerts to learn from" in ran.out
    assert "is there already" in run("problem", "suggest", "--events", str(log), "-o", str(path)).err


def test_a_proposal_on_standard_output(run: Run, log: Path) -> None:
    """The file itself, or with --json the figures behind it."""
    assert parse_problem(run("problem", "suggest", "--events", str(log)).out).outcome.actionable == ["worked"]
    assert run("problem", "suggest", "--events", str(log), "--json").json["horizon_hours"] == 1.0


def test_a_problem_that_a_log_does_not_fit(run: Run, tmp_path: Path, log: Path) -> None:
    """What is missing is said, with status 1; the file alone is sound."""
    path = tmp_path / "problem.toml"
    path.write_text(PROBLEM_TEXT.replace('"worked"', '"fixed"'))
    ran = run("problem", "check", str(path))
    assert (ran.status, "acted on: fixed; noise: dismissed" in ran.out) == (0, True)
    ran = run("problem", "check", str(path), "--events", str(log))
    assert ran.status == 1
    assert "no action in the log is of a kind that outcome.actionable lists (fixed)" in ran.err
    ran = run("problem", "check", str(path), "--events", str(log), "--json")
    assert (ran.status, ran.json["id"]) == (1, parse_problem(path.read_text()).id)


def test_a_bad_problem_file(run: Run, tmp_path: Path) -> None:
    """The field is named."""
    path = tmp_path / "problem.toml"
    path.write_text(PROBLEM_TEXT.replace("horizon_hours", "horizon"))
    ran = run("problem", "check", str(path))
    assert ran.status == 1
    assert "unknown field `horizon`" in ran.err
