"""Orders of the list, as they were when a browser took them: the list is paged through without moving."""

from collections.abc import Callable, Mapping
from itertools import islice

from stream.core import limits
from stream.triage.search import matcher, order_key, resolve_view
from stream.triage.view import Counts, Query, Row, RowPage

PAGE_ROWS = 200


class Snapshots:
    """The newest orders, by name; the oldest is forgotten.

    Args:
        name: gives each a name that nobody guesses.
        most: how many are kept.
    """

    def __init__(self, name: Callable[[], str], most: int = limits.TRIAGE_SNAPSHOTS) -> None:
        self._name, self._most = name, most
        self._orders: dict[str, tuple[str, ...]] = {}

    def take(self, rows: Mapping[str, Row], query: Query) -> str:
        """Keep the order of all rows that match now; returns its name."""
        query = resolve_view(query)
        test, order = matcher(query.q), order_key(query.sort)
        found = sorted((row for row in rows.values() if test(row)), key=order, reverse=True)
        name = self._name()
        self._orders[name] = tuple(row.key for row in found)
        if len(self._orders) > self._most:
            del self._orders[next(iter(self._orders))]
        return name

    def keys(self, name: str) -> tuple[str, ...] | None:
        """The keys of an order; None where it is forgotten."""
        return self._orders.get(name)

    def page(
        self, name: str, rows: Mapping[str, Row], seq: int, counts: Counts, offset: int = 0, limit: int = PAGE_ROWS
    ) -> RowPage | None:
        """A part of an order, with the rows as they are now; rows that are gone are left out. None: it is forgotten."""
        keys = self._orders.get(name)
        if keys is None:
            return None
        if name in self._orders:  # what is used is not the oldest
            self._orders[name] = self._orders.pop(name)
        some = islice(keys, offset, offset + min(limit, PAGE_ROWS))
        shown = [rows[key] for key in some if key in rows]
        return RowPage(seq=seq, snapshot=name, total=len(keys), offset=offset, rows=shown, counts=counts)
