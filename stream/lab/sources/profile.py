"""What an import has seen of its table: kinds, teams, actors and values, counted with their first rows."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from stream.core.events import Acted, Raised

QUICK_SECONDS = 10.0
_VALUES = 1_000  # of one column that are told apart
_NAMES = 100_000  # teams and ids that are remembered


class Seen(Struct):
    """How often something was met, and in which row first."""

    count: int
    first_row: int


class Profile:
    """Counters that grow with each event.

    Attributes:
        kinds: how often each kind was done by each agent (None: nobody says).
        teams: alerts of each team as it is written.
        moments: times of alerts, two at most.
        rules: rules, some thousand.
        days: alerts whose time is a day without a clock.
        quick: actions within 10 seconds of their raise, by actor as the table names them; automation is left out.
        actions: all actions of actors that are not automation.
        values: of each column of kinds, the values that no part of the mapping names.
        two_teams: how many alert ids were met in a second team, and the first of them.
    """

    def __init__(self, understood: Mapping[str, frozenset[str]]) -> None:
        self.kinds: Counter[tuple[str, str | None]] = Counter()
        self.teams: dict[str, Seen] = {}
        self.days: Seen | None = None
        self.moments: set[float] = set()
        self.rules: set[str] = set()
        self.quick: Counter[str] = Counter()
        self.actions = 0
        self.values: dict[str, dict[str, Seen]] = {column: {} for column in understood}
        self.two_teams: tuple[Seen, str, str, str] | None = None
        self._understood = understood
        self._team_of: dict[str, str] = {}

    def add_alert(self, alert: Raised, at: str, row: int) -> None:
        """Count an alert; `at` is its time as the table has it."""
        count_seen(self.teams, alert.team, row, _NAMES)
        if len(self.moments) < 2:
            self.moments.add(alert.at.timestamp())
        if len(self.rules) < _NAMES:
            self.rules.add(alert.rule)
        if is_day(at):
            self.days = Seen((self.days.count if self.days else 0) + 1, self.days.first_row if self.days else row)
        if len(self._team_of) < _NAMES:
            first = self._team_of.setdefault(alert.alert_id, alert.team)
            if first != alert.team:
                seen, *names = self.two_teams or (Seen(0, row), alert.alert_id, first, alert.team)
                self.two_teams = (Seen(seen.count + 1, seen.first_row), names[0], names[1], names[2])

    def add_action(self, action: Acted, raised_at: datetime, actor: str | None) -> None:
        """Count an action; `actor` is who did it, as the table names them."""
        self.kinds[action.kind, action.agent] += 1
        if action.agent == "automation":
            return
        self.actions += 1
        known = actor in self.quick or len(self.quick) < _VALUES
        if actor is not None and known and (action.at - raised_at).total_seconds() <= QUICK_SECONDS:
            self.quick[actor] += 1

    def add_value(self, column: str, value: str | None, row: int) -> None:
        """Count a value of a column of kinds, if no part of the mapping names it."""
        if value is not None and value not in self._understood[column]:
            count_seen(self.values[column], value, row, _VALUES)


def count_seen(counts: dict[str, Seen], name: str, row: int, most: int) -> None:
    """Count a name; of more than `most` names the later ones are left out."""
    found = counts.get(name)
    if found is not None:
        found.count += 1
        found.first_row = min(found.first_row, row)
    elif len(counts) < most:
        counts[name] = Seen(1, row)


def is_day(text: str) -> bool:
    """Whether a time as a table writes it is a day without a clock.

    >>> is_day("14.09.2026"), is_day("2026-09-14 00:00"), is_day("1789390822")
    (True, False, False)
    """
    return ":" not in text and "T" not in text and not text.replace(".", "", 1).isdecimal()
