"""Reading at-least-once topics as if each alert came once."""

from stream.core import limits
from stream.core.events import Acted, Event, Raised
from stream.core.records import Decision, Enriched, Outcome


class Once:
    """Says which records of one topic a reader should take.

    Key (team, alert_id): a scored record replaces an unscored one, never the reverse; among scored ones the first
    stands. A decision's key also holds the rule's name and the decision, an action's its id. The newest `keys` of them
    are remembered.
    """

    def __init__(self, keys: int = limits.ONCE_KEYS) -> None:
        self._keys = keys
        self._seen: dict[tuple[str | None, ...], bool] = {}

    def takes(self, record: Enriched) -> bool:
        """Whether the record is the first of its alert, or the first scored one."""
        return self._takes((record.alert.team, record.alert.alert_id), record.score.probability is not None)

    def takes_outcome(self, record: Outcome) -> bool:
        """Whether the record is the first outcome of its alert, or a correction of it."""
        return self._takes((record.team, record.alert_id), record.by == "correction")

    def takes_decision(self, record: Decision) -> bool:
        """Whether the record is the first that says this decision of this rule about its alert."""
        return self._takes((record.team, record.alert_id, record.by_rule, record.decision), True)

    def takes_event(self, event: Event) -> bool:
        """Whether the event is the first of its alert or action; every tick is taken."""
        if isinstance(event, Raised):
            return self._takes((event.team, event.alert_id), True)
        return not isinstance(event, Acted) or self._takes((event.team, event.alert_id, event.action_id), True)

    def _takes(self, key: tuple[str | None, ...], better: bool) -> bool:
        seen = self._seen.get(key)
        if seen is not None and (seen or not better):
            return False
        self._seen[key] = better
        if len(self._seen) > self._keys:
            del self._seen[next(iter(self._seen))]
        return True
