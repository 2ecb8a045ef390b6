"""How a table's file is to be read is found from its content: encoding, delimiter, header, workbook."""

import random
import zipfile
from pathlib import Path

import pytest

from stream.core.errors import LogError
from stream.lab.sources.summary import Summary
from stream.lab.sources.table import Table
from stream.progress import no_progress
from tests.lab.sources.tables import ALERT, ALERT_HEADER, ALERT_ROW, imported

WANTED = ["id", "at", "team"]


def cells(path: Path, **given: str | int) -> list[tuple[str, ...]]:
    """The first two columns of all rows."""
    table = Table(path, wanted=WANTED, **given)  # type: ignore[arg-type]
    return [tuple(row) for _, row in table.rows([0, 1], Summary(), no_progress)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encoding_and_delimiter_are_found(tmp_path: Path, encoding: str, delimiter: str) -> None:
    """Whatever program wrote it, with or without a mark."""
    path = tmp_path / "t.csv"
    text = "\n".join(delimiter.join(row) for row in (WANTED, ["1", "Büro", "a"], ["2", "Köln", "b"]))
    path.write_bytes(text.encode(encoding))
    assert cells(path) == [("1", "Büro"), ("2", "Köln")]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Festplatte voll – Büro Köln; Zugriff gestört für Müller; Größe überschritten"),
        ("cp1252", "Disque plein à l'hôtel; accès refusé; réseau coupé après la mise à jour; reçu déjà"),
        ("cp1252", "¿Qué pasó? Conexión rechazada en señal; contraseña caducada"),
        ("cp1250", "Dysk pełny na serwerze; błąd połączenia z siecią; już działa i źle się łączy"),
        ("cp1251", "Обслуживание"),
        ("cp1251", "Переполнен диск на сервере базы данных и заявка закрыта"),
        ("cp1253", "Ο δίσκος είναι γεμάτος στον διακομιστή"),
        ("cp932", "データベースのディスクが一杯です。対応しました"),
    ],
)
def test_a_code_page_is_found_by_its_letters(tmp_path: Path, encoding: str, text: str) -> None:
    """A text is read as it was written, whatever code page its program had."""
    path = tmp_path / "t.csv"
    path.write_bytes(("id,at,team\n" + f"1,{text},a\n" * 5).encode(encoding))
    assert cells(path) == [("1", text)] * 5


@pytest.mark.parametrize("before", ["Report;;\n;;\n", "sep=;\n", '"From 1 to 2";;\n\n'])
def test_lines_before_the_header_are_skipped(tmp_path: Path, before: str) -> None:
    """The row that names the columns is found; a given one is taken instead."""
    path = tmp_path / "t.csv"
    path.write_text(before + "ID;At;Team\n1;x;a\n")
    assert cells(path) == [("1", "x")]
    lines = before.count("\n")
    assert cells(path, header_row=lines + 1) == [("1", "x")]


def test_a_binary_file_is_no_text(tmp_path: Path) -> None:
    """Bytes at random are named as what they are, and no code page is guessed; a text with one NUL is read."""
    path = tmp_path / "t.csv"
    path.write_bytes(random.Random(1).randbytes(3_000))
    with pytest.raises(LogError, match="is no text; export CSV or Excel instead"):
        cells(path)
    path.write_bytes(b"id,at,team\n" + b"1,2,3\n" * 40 + b"4\0,5,6\n")
    assert len(cells(path)) == 41


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PAR1\x00\x00", "is a Parquet file, not a table; write it as CSV"),
        (b"<!DOCTYPE html><html>", "is HTML or XML, perhaps a login page, not a table"),
        (b'[{"id": 1}]', "is JSON, not a table"),
        (b'{"type": "raised"}', "is JSON, not a table"),
        (b"%PDF-1.7", "is a PDF, not a table"),
        (b"PK\x03\x04 nothing", "is no workbook that can be read"),
    ],
)
def test_what_is_no_table_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    """Whatever its name says."""
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(LogError, match=words):
        Table(path)


def workbook(path: Path, sheets: dict[str, list[list[str | float]]]) -> Path:
    """A minimal .xlsx; numbers below are days with the date style."""
    with zipfile.ZipFile(path, "w") as packed:
        kinds = "application/vnd.openxmlformats-officedocument.spreadsheetml"
        parts = "".join(
            f'<Override PartName="/xl/worksheets/s{n}.xml" ContentType="{kinds}.worksheet+xml"/>'
            for n in range(len(sheets))
        )
        packed.writestr(
            "[Content_Types].xml",
            '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{kinds}.sheet.main+xml"/>'
            f'<Override PartName="/xl/styles.xml" ContentType="{kinds}.styles+xml"/>{parts}</Types>',
        )
        relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
        head = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        packed.writestr(
            "_rels/.rels", f'{head}<Relationship Id="r" Type="{relations}/officeDocument" Target="xl/workbook.xml"/>'
            "</Relationships>",
        )  # fmt: skip
        links = "".join(
            f'<Relationship Id="r{n}" Type="{relations}/worksheet" Target="worksheets/s{n}.xml"/>'
            for n in range(len(sheets))
        )
        style = f'<Relationship Id="st" Type="{relations}/styles" Target="styles.xml"/>'
        packed.writestr("xl/_rels/workbook.xml.rels", f"{head}{links}{style}</Relationships>")
        main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
        named = "".join(f'<sheet name="{name}" sheetId="{n + 1}" r:id="r{n}"/>' for n, name in enumerate(sheets))
        packed.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{main}" xmlns:r="{relations}"><sheets>{named}</sheets></workbook>'
        )
        packed.writestr(
            "xl/styles.xml", f'<styleSheet xmlns="{main}"><cellXfs><xf numFmtId="0"/><xf numFmtId="22"/></cellXfs>'
            "</styleSheet>",
        )  # fmt: skip
        for n, rows in enumerate(sheets.values()):
            body = "".join("<row>" + "".join(map(_cell, row)) + "</row>" for row in rows)
            packed.writestr(
                f"xl/worksheets/s{n}.xml", f'<worksheet xmlns="{main}"><sheetData>{body}</sheetData></worksheet>'
            )
    return path


def _cell(value: str | float) -> str:
    if isinstance(value, str):
        return f'<c t="inlineStr"><is><t>{value}</t></is></c>'
    return f'<c s="1"><v>{value}</v></c>'


def test_a_workbook_is_read(tmp_path: Path) -> None:
    """The sheet with the columns is taken, its dates are times whatever the format, and blank rows are counted."""
    header, row = (line.strip().split(",") for line in (ALERT_HEADER, ALERT_ROW))
    dated: list[str | float] = [46_082.4166666667 if cell.endswith("10:00:00Z") else cell for cell in row]
    path = workbook(
        tmp_path / "t.xlsx", {"About": [["nothing"]], "Data": [["Incidents"], list(header), dated, [], [*dated]]}
    )
    for mapping in (ALERT, ALERT.replace("[columns]", 'time = { format = ["day_first", "rfc3339"] }\n[columns]')):
        events, summary = imported("", mapping, tmp_path, source=path)
        assert f"{events[0].at:%Y-%m-%d %H:%M}" == "2026-03-01 10:00"
        assert (summary.alerts, set(summary.dropped_rows)) == (1, {"blank", "duplicate"})
        assert summary.read_as[:2] == ["header in row 2", "sheet 'Data' of a workbook"]
    with pytest.raises(LogError, match="has no sheet 'Other'; name one of 'About', 'Data'"):
        Table(path, sheet="Other")
