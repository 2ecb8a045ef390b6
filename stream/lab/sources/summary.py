"""What a table's rows became, what was seen of them (kinds, teams, actors, values), and what is said of the result."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from stream.console import strip_control_characters
from stream.core.events import Acted, Raised

QUICK_SECONDS = 10.0
_VALUES = 1_000  # of one column that are told apart
_NAMES = 100_000  # teams and ids that are remembered
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
