"""What is known of alerts that the board does not show: without a score, not raised yet, or left out. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

from stream.core import limits
from stream.core.events import Acted, Raised
from stream.core.records import Decision, Outcome

WAIT_SECONDS = 2.0  # so long a raised alert waits for its score before it is shown without
AlertKey = tuple[str, str]  # team and alert id
Follower = Acted | Outcome | Decision


class Waiting:
    """Bounded: over a limit the oldest alert is forgotten.

    Args:
        most_raised: how many raised alerts may wait for their score.
    """

    def __init__(self, most_raised: int) -> None:
        self._most = most_raised
        self._raised: dict[AlertKey, tuple[Raised, float]] = {}
        self._followers: dict[AlertKey, list[Follower]] = {}
        self._left_out: dict[AlertKey, None] = {}

    def add(self, alert: Raised, now: float) -> None:
        """Let an alert wait for its score, unless it waits already or is left out."""
        key = alert.team, alert.alert_id
        if key not in self._raised and key not in self._left_out:
            self._raised[key] = alert, now
            _bound(self._raised, self._most)

    def end(self, key: AlertKey) -> None:
        """The score of an alert has come."""
        self._raised.pop(key, None)

    def take_overdue(self, now: float) -> Iterator[Raised]:
        """The alerts that have waited long enough, the oldest first; they wait no more."""
        for key, (alert, since) in list(self._raised.items()):
            if now - since < WAIT_SECONDS:
                break
            del self._raised[key]
            yield alert

    def keep(self, record: Follower) -> None:
        """Keep what came of an alert before the alert did, the first records of each."""
        records = self._followers.setdefault((record.team, record.alert_id), [])
        if len(records) < limits.TRIAGE_ACTS:
            records.append(record)
        _bound(self._followers, limits.TRIAGE_EARLY)

    def take_followers(self, key: AlertKey) -> Sequence[Follower]:
        """What was kept of an alert that has come, in order."""
        return self._followers.pop(key, ())

    def leave_out(self, key: AlertKey) -> None:
        """The sample leaves an alert out: nothing of it is shown, whatever comes of it."""
        self._followers.pop(key, None)
        self._left_out[key] = None
        _bound(self._left_out, limits.TRIAGE_EARLY)

    def let_in(self, key: AlertKey) -> None:
        """The sample takes an alert in after all, as one of an episode that is shown."""
        self._left_out.pop(key, None)

    def is_left_out(self, key: AlertKey) -> bool:
        """Whether the sample left an alert out."""
        return key in self._left_out


def _bound(alerts: dict[AlertKey, Any], most: int) -> None:
    if len(alerts) > most:
        del alerts[next(iter(alerts))]
