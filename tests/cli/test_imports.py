"""`noisegate import csv` and `noisegate import servicenow`."""

from pathlib import Path

import pytest

from stream.eventlog import read_log
from stream.lab.sources.mapping import BUILT_IN, built_in, load_mapping
from tests.cli.conftest import Run
from tests.lab.sources.test_products import UPDATES

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


@pytest.mark.parametrize(
    "more",
    [["--zone", "Mars/Base"], ["--encoding", "klingon"], ["--time-format", "rfc3339"], ["--delimiter", ";;"]],
)
def test_what_is_wrong_is_one_sentence(run: Run, tmp_path: Path, more: list[str]) -> None:
    """A bad option or an unreadable table ends with status 1 and no log."""
    table, output = tmp_path / "t.csv", tmp_path / "o.jsonl"
    table.write_text(UPDATES)  # its times are day first
    ran = run("import", "servicenow", str(table), "-o", str(output), *more)
    assert ran.status == 1
    assert ran.err.splitlines()[-1].startswith("noisegate: ")
    assert "Traceback" not in ran.err
    assert not output.exists()


def test_a_table_that_is_not_there(run: Run, tmp_path: Path) -> None:
    """The file is named, with what is wrong with it."""
    path = tmp_path / "none.csv"
    ran = run("import", "servicenow", str(path), "-o", str(tmp_path / "o.jsonl"))
    assert (ran.status, ran.out) == (1, "")
    assert f"{path}: can't be read: " in ran.err


def test_a_worthless_log_is_not_written_unless_accepted(run: Run, tmp_path: Path) -> None:
    """Status 3, no file and the reason, as text and as JSON; with --accept the log is there."""
    table, output = tmp_path / "t.csv", tmp_path / "o.jsonl"
    table.write_text("".join(UPDATES.splitlines(keepends=True)[:2]))
    words = ("import", "servicenow", str(table), "-o", str(output))
    ran = run(*words)
    assert (ran.status, output.exists()) == (3, False)
    assert "! 1 alerts and no action: nobody ever acted" in ran.out
    assert "--accept writes it all the same" in ran.err
    ran = run(*words, "--json")
    assert (ran.status, ran.json["written"], ran.json["findings"][0]["worthless"]) == (3, False, True)
    assert run(*words, "--accept").status == 0
    assert len(list(read_log(output))) == 1


@pytest.mark.parametrize("name", ["servicenow", "servicenow_updates", "jira", "zabbix"])
def test_a_built_in_mapping_can_be_copied(run: Run, tmp_path: Path, name: str) -> None:
    """What is printed is a mapping file that reads as the built-in one; another name is told which there are."""
    ran = run("import", "mapping", name)
    copy = tmp_path / "m.toml"
    copy.write_text(ran.out)
    assert load_mapping(copy) == load_mapping(built_in(name))
    assert (
        f"name one of {', '.join(sorted(path.stem for path in BUILT_IN.glob('*.toml')))}"
        in run("import", "mapping", "remedy").err
    )


def test_a_copied_mapping_imports_as_the_built_in_one(run: Run, tmp_path: Path) -> None:
    """The same events, byte for byte, by `import servicenow` and by `import csv` with the copy."""
    table, copy = tmp_path / "t.csv", tmp_path / "m.toml"
    table.write_text(UPDATES)
    copy.write_text(run("import", "mapping", "servicenow_updates").out)
    run("import", "servicenow", str(table), "-o", str(tmp_path / "a.jsonl"))
    run("import", "csv", str(table), "--mapping", str(copy), "-o", str(tmp_path / "b.jsonl"))
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
