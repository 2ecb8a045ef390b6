"""A table on disk: its header, its rows cut to the columns that are used, and what became of each row."""

import csv
import difflib
import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import IO

from msgspec import Struct

from stream.core.errors import LogError
from stream.progress import Progress

Row = Sequence[str]  # the used cells
_CELL = 16 * 1024 * 1024  # characters; csv itself takes no longer cell
_TELL_EVERY = 5_000  # rows
_NEAREST = 3


class Drop(Exception):
    """A row, or an action of one, can't be used: it is counted and the next one read."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Dropped(Struct):
    """How often something was dropped for a reason, and where first; the header is row 1."""

    count: int
    first_row: int


class Summary(Struct):
    """What a table's rows became: each ends in an event or in a counted reason.

    Form `alert`: rows = alerts + dropped rows. Form `update`: rows = alerts + actions + dropped rows.
    """

    rows: int = 0
    alerts: int = 0
    actions: int = 0
    dropped_rows: dict[str, Dropped] = {}
    dropped_actions: dict[str, Dropped] = {}  # the row's alert stands

    def drop_row(self, reason: str, row: int) -> None:
        """Count a row that made nothing."""
        _count(self.dropped_rows, reason, row)

    def drop_action(self, reason: str, row: int) -> None:
        """Count an action of an alert that stands."""
        _count(self.dropped_actions, reason, row)


class Table:
    """A CSV file, plain or gzip; every problem with it is a LogError that names the file."""

    def __init__(self, path: Path, delimiter: str = ",", encoding: str = "utf-8-sig") -> None:
        self.path, self._delimiter, self._encoding = path, delimiter, encoding
        try:
            "".encode(encoding)
        except (LookupError, ValueError):
            raise LogError(f"encoding = {encoding!r} is not known", "name one such as utf-8 or cp1252") from None
        with self._reader() as (reader, _):
            self.header = [name.strip() for name in next(reader, [])]
        if not self.header:
            raise LogError(f"{path}: is empty", "its first line must name the columns")
        twice = next((name for name in self.header if self.header.count(name) > 1), None)
        if twice is not None:
            raise LogError(f"{path}: has two columns {twice!r}", "rename one of them")

    def find(self, column: str, who: str) -> int:
        """Where the column stands; `who` is what needs it.

        Raises:
            LogError: the table has no such column; the nearest are told.
        """
        if column in self.header:
            return self.header.index(column)
        folded = {name.casefold(): name for name in self.header}
        near = difflib.get_close_matches(column.casefold(), folded, n=_NEAREST, cutoff=0.3) or list(folded)[:_NEAREST]
        names = ", ".join(repr(folded[name]) for name in near)
        raise LogError(
            f"{self.path}: has no column {column!r}, which {who} needs", f"name one that it has, such as {names}"
        )

    def rows(self, used: Sequence[int], summary: Summary, progress: Progress) -> Iterator[tuple[int, Row]]:
        """Number and used cells of each row; those of another width than the header are dropped and counted."""
        width, cut = len(self.header), _cutter(used)
        number = 1
        with self._reader() as (reader, share):
            next(reader, None)
            for number, row in enumerate(reader, start=2):
                if number % _TELL_EVERY == 0:
                    progress("reading", share())
                if len(row) == width:
                    yield number, cut(row)
                else:
                    summary.drop_row("wrong_width" if row else "blank", number)
        summary.rows = number - 1
        progress("reading", 1.0)

    @contextmanager
    def _reader(self) -> Iterator[tuple[Iterator[list[str]], Callable[[], float]]]:
        former = csv.field_size_limit(_CELL)
        try:
            with self.path.open("rb") as raw:
                size = max(self.path.stat().st_size, 1)
                data: IO[bytes] = gzip.GzipFile(fileobj=raw) if self.path.suffix == ".gz" else raw  # type: ignore[assignment]
                with io.TextIOWrapper(data, encoding=self._encoding, newline="") as text:
                    yield csv.reader(text, delimiter=self._delimiter), lambda: min(raw.tell() / size, 1.0)
        except UnicodeError:
            raise LogError(
                f"{self.path}: is not {self._encoding} throughout", "name its encoding in the mapping, such as cp1252"
            ) from None
        except csv.Error as error:
            raise LogError(
                f"{self.path}: is not a table that can be read: {error}", "check delimiter and quotes"
            ) from None
        except (OSError, EOFError, zlib.error) as error:
            raise LogError(f"{self.path}: can't be read: {getattr(error, 'strerror', None) or error}") from None
        finally:
            csv.field_size_limit(former)


def _cutter(used: Sequence[int]) -> Callable[[list[str]], Row]:
    if len(used) == 1:
        only = used[0]
        return lambda row: (row[only],)
    return itemgetter(*used)


def _count(counts: dict[str, Dropped], reason: str, row: int) -> None:
    found = counts.get(reason)
    if found is None:
        counts[reason] = Dropped(1, row)
    else:
        found.count += 1
        found.first_row = min(found.first_row, row)
