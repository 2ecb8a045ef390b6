"""`noisegate schema` lists, prints, writes and compares."""

import json
from pathlib import Path

from stream import __version__
from stream.core.asyncapi import asyncapi_text
from stream.core.schemas import schema_files
from tests.cli.conftest import Run


def test_all_schemas_are_written(run: Run, tmp_path: Path) -> None:
    """--out makes the folder and writes one file a topic and asyncapi.json; where it can't, one sentence says so."""
    ran = run("schema", "--out", str(tmp_path / "new" / "schemas"))
    assert ran.status == 0, ran.err
    written = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "new" / "schemas").iterdir()}
    assert written == {**schema_files(), "asyncapi.json": asyncapi_text(__version__)}
    (tmp_path / "file").touch()
    refused = run("schema", "--out", str(tmp_path / "file"))
    assert (refused.status, "name another folder" in refused.err) == (1, True)


def test_the_asyncapi_document_is_listed_and_printed(run: Run) -> None:
    """Beside the topics."""
    assert run("schema").out.split() == [*sorted(name.removesuffix(".json") for name in schema_files()), "asyncapi"]
    assert json.loads(run("schema", "asyncapi").out) == json.loads(asyncapi_text(__version__))


def test_schemas_are_compared_with_earlier_ones(run: Run, tmp_path: Path) -> None:
    """What breaks programs gives status 1 and a line with the reason; a folder without schemas is refused."""
    old = json.loads(schema_files()["alerts.outcomes.json"])
    for name, text in schema_files().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    same = run("schema", "--compare", str(tmp_path))
    assert (same.status, "nothing changed since" in same.out) == (0, True)
    outcome = old["$defs"]["Outcome"]
    del outcome["properties"]["agent"]
    (tmp_path / "alerts.outcomes.json").write_text(json.dumps(old), encoding="utf-8")
    fine = run("schema", "--compare", str(tmp_path))
    assert (fine.status, fine.out) == (0, "fine  alerts.outcomes $.agent: an optional field is new\n")
    outcome["properties"]["gone"] = {"type": "string"}
    (tmp_path / "alerts.outcomes.json").write_text(json.dumps(old), encoding="utf-8")
    breaks = run("schema", "--compare", str(tmp_path))
    assert breaks.status == 1
    assert "breaks  alerts.outcomes $.gone: the field is gone; readers no longer find it" in breaks.out
    (tmp_path / "none").mkdir()
    assert "no schemas are there; name a folder" in run("schema", "--compare", str(tmp_path / "none")).err
    (tmp_path / "none" / "alerts.x.json").write_text("[]")
    assert "a file there is no schema" in run("schema", "--compare", str(tmp_path / "none")).err
