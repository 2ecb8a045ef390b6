"""Excel workbooks as rows of text, by python-calamine: .xlsx, .xlsb, .xls and .ods."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path

from stream.core.errors import LogError
from stream.extras import import_extra

_STARTS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # zip, and the compound file of old workbooks
Cell = str | float | int | bool | date | datetime | time | timedelta


class Workbook:
    """A workbook; `sheet` is the one whose rows are read.

    Raises:
        LogError: the extra is not installed, it is no workbook, or it has no such sheet.
    """

    def __init__(self, path: Path, sheet: str | None) -> None:
        calamine = import_extra("python_calamine", "xlsx", f"{path}: a workbook needs", LogError)
        try:
            self._book = calamine.CalamineWorkbook.from_path(str(path))
        except (calamine.CalamineError, OSError) as error:
            problem = f"{path}: is no workbook that can be read ({str(error).splitlines()[0]})"
            raise LogError(
                problem, "save it as .xlsx or CSV without a password; unpack it if it is a zip file"
            ) from None
        names = list(self._book.sheet_names)
        if sheet is not None and sheet not in names:
            raise LogError(f"{path}: has no sheet {sheet!r}", f"name one of {', '.join(map(repr, names))}")
        self.sheets = names if sheet is None else [sheet]
        self.sheet = self.sheets[0]

    def head(self, name: str, count: int) -> list[list[str]]:
        """The first rows of a sheet."""
        sheet = self._book.get_sheet_by_name(name)
        return [_texts(row) for row in sheet.to_python(skip_empty_area=False, nrows=count)]

    def rows(self) -> Iterator[list[str]]:
        """All rows; one whose cells are all empty is an empty list, as csv has blank lines."""
        for row in self._book.get_sheet_by_name(self.sheet).to_python(skip_empty_area=False):
            texts = _texts(row)
            yield texts if any(texts) else []


def is_workbook(magic: bytes) -> bool:
    """Whether a file that begins so may be a workbook."""
    return magic.startswith(_STARTS)


def _texts(row: list[Cell]) -> list[str]:
    return [_text(cell) for cell in row]


def _text(cell: Cell) -> str:
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime):
        return cell.isoformat(" ", "seconds")
    return str(cell)
