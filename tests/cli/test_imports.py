"""`noisegate import csv` and `noisegate import servicenow`."""

from pathlib import Path

import pytest

from stream.eventlog import read_log
from tests.cli.conftest import Run
from tests.lab.sources.test_servicenow import UPDATES

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples" / "mappings"


def example(name: str) -> str:
    """The table in an example's opening comment."""
    lines = [line[1:].strip() for line in (EXAMPLES / name).read_text().splitlines() if line.startswith("#   ")]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_the_examples_work(run: Run, tmp_path: Path, path: Path) -> None:
    """Each shipped mapping turns the table in its comment into an alert and an action."""
    table, output = tmp_path / "t.csv", tmp_path / "o.jsonl.gz"
    table.write_text(example(path.name))
    ran = run("import", "csv", str(table), "--mapping", str(path), "-o", str(output), "--json")
    assert ran.status == 0
    assert (ran.json["alerts"], ran.json["actions"]) == (1, 1)
    assert len(list(read_log(output))) == 2


def test_servicenow(run: Run, tmp_path: Path) -> None:
    """The summary says what was made, and each reason with its first row."""
    table, output = tmp_path / "t.csv", tmp_path / "o.jsonl"
    table.write_text(UPDATES + UPDATES.splitlines()[1].replace("29/2/2016 01:23", "soon") + "\n")
    ran = run("import", "servicenow", str(table), "--time-format", "day_first", "-o", str(output))
    assert ran.status == 0
    assert "7 rows made 1 alerts and 5 actions" in ran.out
    assert "dropped 1 rows: unreadable_at, the first in row 8" in ran.out
    assert len(list(read_log(output))) == 6


@pytest.mark.parametrize("more", [["--zone", "Mars/Base"], ["--encoding", "klingon"], []])
def test_what_is_wrong_is_one_sentence(run: Run, tmp_path: Path, more: list[str]) -> None:
    """A bad option or an unreadable table ends with status 1 and no log."""
    table, output = tmp_path / "t.csv", tmp_path / "o.jsonl"
    table.write_text(UPDATES)  # its times are day first, which is not said
    ran = run("import", "servicenow", str(table), "-o", str(output), *more)
    assert ran.status == 1
    assert ran.err.splitlines()[-1].startswith("noisegate: ")
    assert "Traceback" not in ran.err
    assert not output.exists()


def test_a_table_that_is_not_there_or_not_packed(run: Run, tmp_path: Path) -> None:
    """The file is named, with what is wrong with it."""
    false = tmp_path / "t.csv.gz"
    false.write_text(UPDATES)
    for path in (tmp_path / "none.csv", false):
        ran = run("import", "servicenow", str(path), "-o", str(tmp_path / "o.jsonl"))
        assert (ran.status, ran.out) == (1, "")
        assert f"{path}: can't be read: " in ran.err
