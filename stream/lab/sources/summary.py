"""What became of a table's rows: each ends in an event or in a counted reason."""

from msgspec import Struct


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
    """Form `alert`: rows = alerts + dropped rows. Form `update`: rows = alerts + actions + dropped rows."""

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


def _count(counts: dict[str, Dropped], reason: str, row: int) -> None:
    found = counts.get(reason)
    if found is None:
        counts[reason] = Dropped(1, row)
    else:
        found.count += 1
        found.first_row = min(found.first_row, row)
