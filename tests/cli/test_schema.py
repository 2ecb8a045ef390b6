"""`noisegate schema --out` writes all schemas."""

from pathlib import Path

from stream.core.schemas import schema_files
from tests.cli.conftest import Run


def test_all_schemas_are_written(run: Run, tmp_path: Path) -> None:
    """--out makes the folder and writes one file a topic; where it can't, one sentence says so."""
    ran = run("schema", "--out", str(tmp_path / "new" / "schemas"))
    assert ran.status == 0, ran.err
    written = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "new" / "schemas").iterdir()}
    assert written == schema_files()
    (tmp_path / "file").touch()
    refused = run("schema", "--out", str(tmp_path / "file"))
    assert (refused.status, "name another folder" in refused.err) == (1, True)
