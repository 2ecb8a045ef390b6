"""Proposals are written into a problem file with all else kept, and `lab audit` says what it did."""

from datetime import date, timedelta
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from stream.core.errors import LabError, NoisegateError, ProblemError
from stream.core.events import Event
from stream.core.problem import FloodDay, parse_problem
from stream.lab.auditing import result
from stream.lab.auditing.audit import audit_replayed
from stream.lab.auditing.exclusions import with_exclusions, write_exclusions
from stream.lab.auditing.floods import unflagged
from stream.lab.auditing.sections import exclusion_of, toml_of
from stream.lab.cli import app
from tests.lab.auditing.test_audit import quiet, replayed, sorted_log
from tests.lab.logs import PROBLEM_TEXT, START, raised, small_log, write

HEAD = """# top
name = "n" # the name
question = "Q?"
[outcome] # rules
actionable = ["w"]
noise = ["d"]
horizon_hours = 1
"""
TEXTS = {
    "nothing": HEAD,
    "empty table": HEAD + "[exclude]\n# none yet\n[target]\ndetection = 0.9 # kept\n",
    "inline": HEAD + '[exclude]\nvisibility_only = [{ rule = "report/*" }] # reports\n',
    "lines": HEAD
    + '[exclude]\nvisibility_only = [\n    # reports\n    { rule = "report/*" }, # all\n]\n[flood]\nfactor = 5\n',
    "tables": HEAD + '# reports\n[[exclude.visibility_only]]\nrule = "report/*" # all\n[flood]\nfactor = 5\n',
    "dotted": "# dotted\nexclude.visibility_only = []\n" + HEAD,
    "windows": HEAD.replace("\n", "\r\n"),
}


def proposal(rule: str) -> result.Proposal:
    """A proposal to exclude a rule."""
    return result.Proposal(rule=rule, known=400, actionable=0, upper=0.007, closed_by_hand=0, toml=toml_of(rule))


@pytest.mark.parametrize("name", TEXTS)
def test_all_else_is_kept(name: str, tmp_path: Path) -> None:
    """Every line that does not hold the list stands as it stood, comments and line ends too; the patterns are added."""
    path, text = tmp_path / "problem.toml", TEXTS[name]
    path.write_bytes(text.encode())
    path.chmod(0o640)
    before = parse_problem(text)
    written = write_exclusions(path, [proposal("a b"), proposal('q"[x]')])
    changed = path.read_bytes().decode()
    after = parse_problem(changed)
    new = [exclusion_of("a b"), exclusion_of('q"[x]')]
    assert after.exclude.visibility_only == [*before.exclude.visibility_only, *new]
    assert (written.added, written.before, written.after) == (2, before.id, after.id)
    assert before.id != after.id
    for line in text.splitlines(keepends=True):
        assert line in changed or "visibility_only =" in line
    assert text.count("#") == changed.count("#")
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]
    assert write_exclusions(path, [proposal("a b")]).added == 0


FLOOD = result.FloodDay(day=date(2026, 1, 14), team='we"b', rule="disk", count=64, usual=4.0, z=30.0, flagged=0)


@pytest.mark.parametrize("name", TEXTS)
def test_flood_days_are_added_to_what_there_is(name: str, tmp_path: Path) -> None:
    """A day found is named beside all else, once."""
    path, text = tmp_path / "problem.toml", TEXTS[name]
    path.write_bytes(text.encode())
    before = parse_problem(text)
    written = write_exclusions(path, [], [FLOOD])
    after = parse_problem(path.read_bytes().decode())
    assert after.exclude.flood_days == [FloodDay('we"b', "disk", date(2026, 1, 14))]
    assert after.exclude.visibility_only == before.exclude.visibility_only
    assert (written.added, written.flood_days) == (0, 1)
    assert write_exclusions(path, [], [FLOOD]).flood_days == 0


def test_a_day_once_named_is_flagged_by_the_fold(tmp_path: Path) -> None:
    """The audit proposes a planted flood; with it in the problem file all its alerts are flagged."""
    usual = [raised(n, START + timedelta(hours=6 * n)) for n in range(56)]
    events = sorted_log(usual, [raised(1_000 + n, START + timedelta(days=9, minutes=5 * n)) for n in range(40)])
    path = tmp_path / "problem.toml"
    path.write_text(PROBLEM_TEXT)
    found = audit_replayed(replayed(events, parse_problem(PROBLEM_TEXT)))
    assert [day.count for day in unflagged(found.floods)] == [44]
    write_exclusions(path, found.proposals, unflagged(found.floods))
    again = audit_replayed(replayed(events, parse_problem(path.read_text())))
    assert [(day.count, day.flagged) for day in again.floods.days] == [(44, 44)]
    assert unflagged(again.floods) == []


@pytest.mark.slow
def test_too_many_patterns_leave_the_file_as_it_was(tmp_path: Path) -> None:
    """What would be no problem file is never written."""
    path = tmp_path / "problem.toml"
    path.write_text(HEAD)
    with pytest.raises(ProblemError, match="more exclusions"):
        write_exclusions(path, [proposal(f"rule-{number}") for number in range(100_000 // 50)])
    assert path.read_text() == HEAD


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """One sentence, naming the file."""
    with pytest.raises(LabError, match="can't be read"):
        write_exclusions(tmp_path / "none.toml", [proposal("a")])


def test_text_that_is_no_toml_is_told() -> None:
    """The lines can still be added by hand."""
    with pytest.raises(ProblemError, match="by hand"):
        with_exclusions("[", [exclusion_of("a")])


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Options for a log with one rule that nobody acts on, and its problem file."""
    events: list[Event] = sorted_log(small_log(), quiet(900))
    problem = tmp_path / "problem.toml"
    problem.write_text(PROBLEM_TEXT)
    return ["audit", "--events", str(write(tmp_path / "log.jsonl", events)), "--problem", str(problem)]


@pytest.mark.slow
def test_the_verb_prints_tables_findings_and_lines(files: list[str], tmp_path: Path) -> None:
    """Without --write the file stays as it is."""
    result = CliRunner().invoke(app, files)
    assert result.exit_code == 0, result.output
    for word in ("weeks", "teams", "rules", "baselines", "decided:", "looks visibility-only", '{rule = "quiet[[]1]"}'):
        assert word in result.stdout
    assert (tmp_path / "problem.toml").read_text() == PROBLEM_TEXT


@pytest.mark.slow
def test_write_tells_what_follows_from_it(files: list[str], tmp_path: Path) -> None:
    """Another digest means another history; the second time there is nothing left to write."""
    first = CliRunner().invoke(app, [*files, "--write"])
    assert "Exclusions written: 1 rules, 0 flood days;" in first.stdout
    assert "history rebuild" in first.stdout
    assert len(parse_problem((tmp_path / "problem.toml").read_text()).exclude.visibility_only) == 2
    assert "Nothing to write" in CliRunner().invoke(app, [*files, "--write"]).stdout


@pytest.mark.slow
def test_json_is_one_line(files: list[str]) -> None:
    """All teams and rules stand in it."""
    result = CliRunner().invoke(app, [*files, "--json"])
    content = msgspec.json.decode(result.stdout)
    assert result.stdout.count("\n") == 1
    assert len(content["audit"]["rules"]) == 5
    assert content["written"] is None


def test_a_wrong_split_is_told(files: list[str]) -> None:
    """A share lies between 0 and 1."""
    result = CliRunner().invoke(app, [*files, "--split", "1.5"])
    assert isinstance(result.exception, NoisegateError)
    assert "between 0 and 1" in str(result.exception)
