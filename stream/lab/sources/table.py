"""A table on disk: how its file is to be read, its header, and its rows cut to the columns that are used."""

import csv
import difflib
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import IO

from stream.core.errors import READABLE, LogError
from stream.lab.sources.encodings import (
    UTF_8,
    encoding_fault,
    is_binary,
    is_broken,
    other_file_fault,
    reads_utf8,
    same_encoding,
    shown_bytes,
    sniff_encoding,
)
from stream.lab.sources.mapping import folded
from stream.lab.sources.summary import Drop, Summary, shown
from stream.lab.sources.workbook import Workbook, is_workbook
from stream.progress import Progress

Row = Sequence[str]  # the used cells
DELIMITERS = (",", ";", "\t", "|")
_CELL = 16 * 1024 * 1024  # characters; csv itself takes no longer cell
_REPORT_EVERY = 5_000  # rows
_NEAREST = 3
_LINES_OF_A_CELL = 200  # more are what follows a quote that is not closed
_MAGIC = 64  # bytes by which a file is known
_NAMES_NEEDED = 2  # wanted names by which a row below the first is known as the header
_HEAD = 50  # rows among which the header is looked for
_SEPARATOR = re.compile(r'"?sep=(.)"?\s*')


class Table:
    """A CSV file, plain or gzip, or a sheet of a workbook; every problem with it is a LogError that names the file.

    Args:
        path: the file; its content says what it is, not its name.
        delimiter: None finds it.
        encoding: None finds it.
        header_row: which row names the columns, the first is 1; None looks for the row that names the most of `wanted`.
        sheet: of a workbook; None looks in all sheets.
        wanted: the names that a header is known by.
    """

    def __init__(
        self,
        path: Path,
        delimiter: str | None = None,
        encoding: str | None = None,
        header_row: int | None = None,
        sheet: str | None = None,
        wanted: Sequence[str] = (),
    ) -> None:
        self.path, self.header_row = path, header_row or 1
        self.read_as: list[str] = []  # for people: what was found, not given
        self._wanted = frozenset(map(folded, wanted))
        self._broken = False
        self._book: Workbook | None = None
        with self._faults():
            magic = self._magic()
            if is_workbook(magic):
                self._book = Workbook(path, sheet)
                self._find_sheet(header_row, given=sheet is not None)
            else:
                if fault := other_file_fault(magic):
                    raise LogError(f"{path}: {fault.problem}", fault.mend)
                self.encoding = self._find_encoding(encoding)
                self._find_header(delimiter, header_row)
        self._places: dict[str, list[int]] = {}
        for place, name in enumerate(self.header):
            self._places.setdefault(folded(name), []).append(place)

    @property
    def is_workbook(self) -> bool:
        """Whether its cells come from a workbook, in which times are no text."""
        return self._book is not None

    def places(self, names: Sequence[str]) -> list[int]:
        """Where the first of these columns stands that the table has: several places if columns share its name."""
        for name in names:
            places = self._places.get(folded(name), [])
            exact = [place for place in places if self.header[place] == name]
            if exact or places:
                return exact or places
        return []

    def find(self, column: str, who: str, others: Sequence[str] = (), mend: str | None = None) -> list[int]:
        """Where the column stands, or one of its other names; `who` is what needs it.

        Raises:
            LogError: the table has no such column; the nearest are shown.
        """
        if places := self.places([column, *others]):
            return places
        known = {name.casefold(): name for name in self.header if name}
        near = difflib.get_close_matches(column.casefold(), known, n=_NEAREST, cutoff=0.3) or list(known)[:_NEAREST]
        names = ", ".join(shown(known[name]) for name in near)
        problem = (
            f"{self.path}: has no column {column!r}, which {who} needs (its columns stand in row {self.header_row}"
        )
        if mend is None:
            raise LogError(f"{problem})", f"name one that it has, such as {names}" if near else "give the header's row")
        raise LogError(f"{problem}, the nearest are {names})", mend)

    def rows(self, used: Sequence[int], summary: Summary, progress: Progress) -> Iterator[tuple[int, Row]]:
        """Number and used cells of each row; those of another width than the header are dropped and counted.

        A row that is longer than the header only by empty cells is cut.
        """
        width, cut, header = len(self.header), _cutter(used), self.header
        number = self.header_row
        with self._records() as (records, share):
            for number, row in enumerate(records, start=1):
                if number <= self.header_row:
                    continue
                if number % _REPORT_EVERY == 0:
                    progress("reading", share())
                fault = _row_fault(row, width) if len(row) != width else None
                if fault is None and row[0].strip() == header[0] and [cell.strip() for cell in row] == header:
                    fault = Drop("repeated_header")
                if fault is None and self._broken and is_broken(" ".join(row)):
                    fault = _encoding_drop(row)
                if fault is None:
                    yield number, cut(row)
                else:
                    summary.drop_row(fault, number)
        summary.rows = max(number - self.header_row, 0)
        progress("reading", 1.0)

    def mojibake(self) -> str | None:
        """A word as it would stand, if a given encoding reads as other letters what is UTF-8; else None."""
        if self._book is not None or same_encoding(self.encoding, UTF_8) or self.encoding.startswith("utf-"):
            return None
        return reads_utf8(self._bytes)

    def _magic(self) -> bytes:
        with self.path.open("rb") as raw:
            head = raw.read(_MAGIC)
        self._packed = head.startswith(b"\x1f\x8b")
        if self.path.suffix == ".gz" and not self._packed:
            self.read_as.append("a file that is named .gz but is not packed")
        if not self._packed:
            return head
        with self._bytes() as file:
            return file.read(_MAGIC)

    def _find_encoding(self, given: str | None) -> str:
        if given is not None:
            try:
                "".encode(given)
            except (LookupError, ValueError):
                raise LogError(f"encoding = {given!r} is not known", "name one such as utf-8 or cp1252") from None
            return given
        if is_binary(self._bytes):
            raise LogError(f"{self.path}: is no text", "export CSV or Excel instead")
        found = sniff_encoding(self._bytes)
        self._broken = found.broken
        if found.name != UTF_8:
            example = "" if found.example is None else f" ({shown(found.example)})"
            self.read_as.append(f"encoding {found.name}{example}")
        return found.name

    def _find_header(self, delimiter: str | None, header_row: int | None) -> None:
        with self._text() as (text, _):
            head = text.read(_CELL)[: 256 * 1024]
        separator = _SEPARATOR.fullmatch(head.partition("\n")[0].rstrip("\r"))
        if separator and delimiter in (None, separator[1]):
            delimiter = separator[1]
            self.read_as.append(f"its first line {shown(separator[0].strip())} names the delimiter")
        tried = (delimiter,) if delimiter else DELIMITERS
        heads = {of: _head_rows(head, of) for of in tried}
        best = max(tried, key=lambda of: self._best_row(heads[of], header_row)[1])
        number, (known, _) = self._best_row(heads[best], header_row)
        if delimiter and not known and self._wanted:
            self._suggest_delimiter(head, delimiter, header_row)
        self._delimiter = best
        self._take_header(heads[best], number, header_row)
        if not delimiter and best != ",":
            self.read_as.append(f"delimiter {'tab' if best == chr(9) else repr(best)}")

    def _suggest_delimiter(self, head: str, given: str, header_row: int | None) -> None:
        for other in DELIMITERS:
            if other != given and self._best_row(_head_rows(head, other), header_row)[1][0]:
                raise LogError(
                    f"{self.path}: its columns are not delimited by {given!r}",
                    f"leave out the delimiter, or give {other!r}: then columns of the mapping are there",
                )

    def _find_sheet(self, header_row: int | None, given: bool) -> None:
        assert self._book is not None
        self.encoding, self._delimiter = UTF_8, ","
        heads = {name: self._book.head(name, _HEAD) for name in self._book.sheets}
        best = max(heads, key=lambda name: self._best_row(heads[name], header_row)[1])
        self._book.sheet = best
        self._take_header(heads[best], self._best_row(heads[best], header_row)[0], header_row)
        self.read_as.append("an Excel workbook" if given or len(heads) < 2 else f"sheet {shown(best)} of a workbook")

    def _best_row(self, rows: Sequence[Sequence[str]], header_row: int | None) -> tuple[int, tuple[int, int]]:
        """The row that is most like a header: how many wanted names it has, then how many cells."""
        if header_row is not None:
            row = rows[header_row - 1] if header_row <= len(rows) else []
            return header_row, self._likeness(row)
        ranked = [(self._likeness(row), -number) for number, row in enumerate(rows, start=1)]
        best, number = max(ranked, default=((0, 0), -1))
        first = self._likeness(rows[0]) if rows else (0, 0)
        if best[0] < _NAMES_NEEDED:  # a cell may be called like a column: the first row it is
            return 1, first
        return -number, best

    def _likeness(self, row: Sequence[str]) -> tuple[int, int]:
        return len({folded(cell) for cell in row} & self._wanted), len(row)

    def _take_header(self, rows: Sequence[Sequence[str]], number: int, given: int | None) -> None:
        if not any(any(row) for row in rows):
            raise LogError(f"{self.path}: is empty", "a row of it must name the columns")
        self.header_row = number
        self.header = [name.strip() for name in rows[number - 1]] if number <= len(rows) else []
        if number > 1 and given is None:
            self.read_as.append(f"header in row {number}")

    def _bytes(self) -> IO[bytes]:
        return gzip.open(self.path, "rb") if self._packed else self.path.open("rb")  # type: ignore[return-value]

    @contextmanager
    def _text(self) -> Iterator[tuple[IO[str], Callable[[], float]]]:
        errors = "surrogateescape" if self._broken else "strict"
        with self.path.open("rb") as raw:
            size = max(self.path.stat().st_size, 1)
            data: IO[bytes] = gzip.GzipFile(fileobj=raw) if self._packed else raw  # type: ignore[assignment]
            with io.TextIOWrapper(data, encoding=self.encoding, errors=errors, newline="") as text:
                yield text, lambda: min(raw.tell() / size, 1.0)

    @contextmanager
    def _records(self) -> Iterator[tuple[Iterator[list[str]], Callable[[], float]]]:
        with self._faults():
            if self._book is not None:
                yield self._book.rows(), lambda: 0.5
                return
            with self._text() as (text, share):
                yield csv.reader(text, delimiter=self._delimiter, skipinitialspace=True), share

    @contextmanager
    def _faults(self) -> Iterator[None]:
        former = csv.field_size_limit(_CELL)
        try:
            yield
        except UnicodeError:
            fault = encoding_fault(self._bytes, self.encoding)
            raise LogError(f"{self.path}: {fault.problem}", fault.mend) from None
        except csv.Error as error:
            raise LogError(
                f"{self.path}: is not a table that can be read: {error}", "check delimiter and quotes"
            ) from None
        except EOFError:
            raise LogError(f"{self.path}: ends too early: it was cut off", "copy or export it again") from None
        except (OSError, zlib.error) as error:
            raise LogError(
                f"{self.path}: can't be read: {getattr(error, 'strerror', None) or error}", READABLE
            ) from None
        finally:
            csv.field_size_limit(former)


def _head_rows(head: str, delimiter: str) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(head, newline=""), delimiter=delimiter, skipinitialspace=True):
            rows.append(row)
            if len(rows) == _HEAD:
                break
    except csv.Error:
        pass  # what can't be read so is another delimiter's, or is met again when rows are read
    return rows


def _row_fault(row: list[str], width: int) -> Drop | None:
    if not row:
        return Drop("blank")
    if len(row) > width and not any(cell.strip() for cell in row[width:]):
        return None
    if swallowed := next((cell for cell in row if cell.count("\n") > _LINES_OF_A_CELL), None):
        return Drop("unclosed_quote", f"{swallowed.count(chr(10)):,} lines in one cell: {swallowed[:40]}")
    return Drop("wrong_width", f"{len(row)} cells, the header has {width}: {' | '.join(row)}")


def _encoding_drop(row: list[str]) -> Drop:
    cell = next(cell for cell in row if is_broken(cell))
    return Drop("not_utf8", shown_bytes(cell))


def _cutter(used: Sequence[int]) -> Callable[[list[str]], Row]:
    if len(used) == 1:
        only = used[0]
        return lambda row: (row[only],)
    return itemgetter(*used)
