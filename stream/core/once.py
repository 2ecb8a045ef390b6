"""Reading at-least-once topics as if each alert came once."""

from stream.core import limits
from stream.core.records import Enriched, Outcome


class Once:
    """Says which records a reader should take.

    Key (team, alert_id): a scored record replaces an unscored one, never the reverse; among scored ones the first
    stands. The newest `keys` alerts are remembered.
    """

    def __init__(self, keys: int = limits.ONCE_KEYS) -> None:
        self._keys = keys
        self._seen: dict[tuple[str, str], bool] = {}

    def takes(self, record: Enriched) -> bool:
        """Whether the record is the first of its alert, or the first scored one."""
        return self._takes((record.alert.team, record.alert.alert_id), record.score.probability is not None)

    def takes_outcome(self, record: Outcome) -> bool:
        """Whether the record is the first outcome of its alert, or a correction of it."""
        return self._takes((record.team, record.alert_id), record.by == "correction")

    def _takes(self, key: tuple[str, str], better: bool) -> bool:
        seen = self._seen.get(key)
        if seen is not None and (seen or not better):
            return False
        self._seen[key] = better
        if len(self._seen) > self._keys:
            del self._seen[next(iter(self._seen))]
        return True
