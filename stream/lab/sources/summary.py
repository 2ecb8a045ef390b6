"""What a table's rows became: each ends in an event or in a counted reason; and what is to be said of the result."""

from msgspec import Struct

from stream.console import strip_control_characters

_SHOWN = 60  # characters of a cell


class Drop(Exception):
    """A row, or an action of one, can't be used: it is counted and the next one read."""

    def __init__(self, reason: str, value: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.value = value


class Dropped(Struct):
    """How often something was dropped for a reason, where first, and the cell that was to blame there, if one was.

    Rows are counted from the table's first one, so that a header in the first row is row 1.
    """

    count: int
    first_row: int
    first_value: str | None = None


class Finding(Struct, frozen=True):
    """A sentence about what was imported; `worthless` where a log like that would teach nothing or the wrong thing."""

    about: str
    text: str
    worthless: bool = False


class Summary(Struct):
    """What a table's rows became, how the table was read, and what is odd about the result.

    Form `alert`: rows = alerts + dropped rows. Form `update`: rows = alerts + actions + dropped rows.
    """

    rows: int = 0
    alerts: int = 0
    actions: int = 0
    dropped_rows: dict[str, Dropped] = {}
    dropped_actions: dict[str, Dropped] = {}  # the row's alert stands
    read_as: list[str] = []
    findings: list[Finding] = []
    written: bool = False

    @property
    def worthless(self) -> bool:
        """Whether a finding says so."""
        return any(finding.worthless for finding in self.findings)

    def drop_row(self, drop: Drop, row: int) -> None:
        """Count a row that made nothing."""
        _count(self.dropped_rows, drop, row)

    def drop_action(self, drop: Drop, row: int) -> None:
        """Count an action of an alert that stands."""
        _count(self.dropped_actions, drop, row)


def shown(value: str) -> str:
    """A cell as a sentence quotes it: in quotes, cut, without control characters; what looks like nothing is escaped.

    >>> shown("pay\\u200bments"), shown("soon")
    ("'pay\\\\u200bments'", "'soon'")
    """
    cut = value if len(value) <= _SHOWN else value[:_SHOWN] + "..."
    return strip_control_characters(repr(cut))


def _count(counts: dict[str, Dropped], drop: Drop, row: int) -> None:
    found = counts.get(drop.reason)
    if found is None:
        counts[drop.reason] = Dropped(1, row, drop.value)
        return
    found.count += 1
    if row < found.first_row:
        found.first_row, found.first_value = row, drop.value
