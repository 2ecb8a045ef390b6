"""The fold, written the slow and plain way: every count is a sum over all that happened.

It shares nothing with `stream.core.fold` but the problem and the events.
"""

import hashlib
from fnmatch import fnmatchcase
from math import log

from msgspec import Struct, field

from stream.core.events import Acted, Event, Raised
from stream.core.problem import Problem

DAY = 86_400.0
HALF_LIVES = (1.0, 7.0, 30.0)
NEVER = float("-inf")
BY_RULE = ("paused_by_rule", "closed_by_rule")
Key = tuple[str, str]


def decayed(times: list[float], at: float) -> list[float]:
    """Counts of the three half-lives at `at`, then without decay."""
    counts = [float(sum(2.0 ** ((then - at) / DAY / half_life) for then in times)) for half_life in HALF_LIVES]
    return [*counts, float(len(times))]


class Level(Struct):
    """All that happened in a level since it began."""

    raises: list[float] = field(default_factory=list)
    outcomes: list[tuple[float, bool]] = field(default_factory=list)  # in the order they became known
    open: int = 0
    running: float | None = None  # of team, rule and entity: the first raise of the running episode

    @property
    def touched(self) -> float:
        """The latest time in it."""
        return max([NEVER, *self.raises, *(at for at, _ in self.outcomes)])

    def read(self, at: float) -> dict[str, object]:
        """Everything a state says, at `at`."""
        known, acted = [at for at, _ in self.outcomes], [at for at, actionable in self.outcomes if actionable]
        counts = decayed(self.raises, at) + decayed(known, at) + decayed(acted, at)
        newest_first = [int(actionable) for _, actionable in reversed(self.outcomes)]
        first = min(self.raises or [NEVER]) if self.running is None else self.running
        times = [max([NEVER, *self.raises]), max([NEVER, *known]), max([NEVER, *acted]), first]
        return {"counts": counts, "last": newest_first[:32], "open": self.open, "times": times}


class Alert(Struct):
    """One alert and what became of it."""

    at: float
    event: Raised
    narrow: bool
    outcome: str = "open"
    by: str = ""
    noise_by: list[str | None] = field(default_factory=list)  # agents of noise that did not decide
    muted: bool = False
    due: float = 0.0
    actions: list[str] = field(default_factory=list)
    episode: str = ""


class Waiting(Struct):
    """Actions whose alert is not there yet: when, kind, agent, id."""

    due: float
    actions: list[tuple[float, str, str | None, str]] = field(default_factory=list)


class Reference:
    """Folds one event at a time; `rows`, `outcomes` and `effects` tell what came of them."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.time = NEVER
        self.grace = problem.outcome.grace_minutes * 60
        self.horizon = problem.outcome.horizon_hours * 3600
        self.alerts: dict[Key, Alert] = {}
        self.waiting: dict[Key, Waiting] = {}
        self.levels: dict[tuple[str, ...], Level] = {}
        self.raises: dict[tuple[str, str, str], tuple[float, float]] = {}  # the running episode's first, the last raise
        self.rows: list[list[dict[str, object] | None]] = []
        self.floods: list[bool] = []
        self.maintained: list[bool] = []
        self.episodes: list[str] = []
        self.outcomes: list[tuple[str, str, str, float, str, str | None, str]] = []
        self.effects: list[str] = []

    def step(self, event: Event, at: float) -> None:
        """Fold one event."""
        self.advance(at)
        if isinstance(event, Raised):
            self.raise_(event, at)
        elif isinstance(event, Acted):
            self.act(event, at)

    def advance(self, at: float) -> None:
        """What is due before `at` comes first, in order of due time, team and alert."""
        if at <= self.time:
            return
        due = [(alert.due, *key) for key, alert in self.alerts.items() if alert.by == ""]
        due += [(waiting.due, *key) for key, waiting in self.waiting.items()]
        for _, *key in sorted(entry for entry in due if entry[0] < at):
            if (key[0], key[1]) in self.waiting:
                self.effects += ["unknown"] * len(self.waiting.pop((key[0], key[1])).actions)
            else:
                alert = self.alerts[key[0], key[1]]
                noise = [agent for agent in alert.noise_by if not (alert.muted and agent == "automation")]
                expired = "noise" if noise else "unknown" if alert.muted else self.problem.outcome.on_expiry
                self.decide(alert, expired, alert.at + self.horizon + self.grace, "expiry", None)
        self.time = at

    def known(self, key: Key, at: float) -> Alert | None:
        """The alert, as long as the ledger keeps it."""
        alert = self.alerts.get(key)
        if alert is None or alert.by == "":
            return alert
        return alert if alert.at + self.problem.ledger_seconds >= max(at, self.time - self.grace) else None

    def raise_(self, event: Raised, at: float) -> None:
        """A new alert reads its levels before it is counted in them."""
        key = (event.team, event.alert_id)
        if self.known(key, at):
            self.effects.append("repeated")
            return
        names = self.names(event)
        levels = [self.level(name, at) if name else None for name in names]
        self.rows.append([level.read(at) if level else None for level in levels])
        team_rule = levels[1]
        assert team_rule is not None
        listed = any(
            (event.team, event.rule, event.at.date()) == (day.team, day.rule, day.day)
            for day in self.problem.exclude.flood_days
        )
        self.floods.append(listed or self.is_flood(team_rule, at))
        excluded = any(fnmatchcase(event.rule, it.rule or "*") for it in self.problem.exclude.visibility_only)
        self.maintained.append(
            any(
                it.start.timestamp() <= at < it.end.timestamp() and fnmatchcase(event.entity, it.entity or "*")
                for it in self.problem.exclude.windows
            )
        )
        alert = self.alerts[key] = Alert(at, event, excluded or self.floods[-1] or self.maintained[-1])
        alert.due = max(at + self.horizon + self.grace, self.time)
        alert.episode = self.episode(event, at)
        self.episodes.append(alert.episode)
        for level in self.of(alert, at):
            level.raises.append(at)
            level.open += 1
        self.level(names[3], at).running = self.raises[event.team, event.rule, event.entity][0]
        if self.maintained[-1]:
            self.decide(alert, "unknown", at, "maintenance", None)
        for when, kind, agent, action_id in self.waiting.pop(key, Waiting(0.0)).actions:
            self.act_on(alert, kind, agent, action_id, when)

    def episode(self, event: Raised, at: float) -> str:
        """The id of the alert's episode."""
        key, gap = (event.team, event.rule, event.entity), self.problem.history.episode_minutes * 60
        first, last = self.raises.get(key, (NEVER, NEVER))
        if at < last:
            start = first if at >= first - gap else at
        elif at <= last + gap and at <= first + DAY:
            start = first
            self.raises[key] = first, at
        else:
            start = at
            self.raises[key] = at, at
        return hashlib.sha256("\0".join([*key, repr(start)]).encode()).hexdigest()[:16]

    def act(self, event: Acted, at: float) -> None:
        """An action is judged, or waits for its alert, or fails."""
        key = (event.team, event.alert_id)
        alert = self.known(key, at)
        if alert:
            self.act_on(alert, event.kind, event.agent, event.action_id, at)
        elif at + self.grace < self.time:
            self.effects.append("unknown")
        else:
            waiting = self.waiting.setdefault(key, Waiting(NEVER))
            waiting.due = max(waiting.due, at + 2 * self.grace)
            waiting.actions.append((at, event.kind, event.agent, event.action_id))
            self.effects.append("held")

    def meaning(self, kind: str, agent: str | None) -> str | None:
        """What an action says: actionable, noise, unknown (a rule's), or nothing; the narrower entry wins."""
        for entry in (f"{kind}@{agent}", kind) if agent else (kind,):
            for name, entries in (
                ("actionable", self.problem.outcome.actionable),
                ("noise", self.problem.outcome.noise),
            ):
                if entry in entries:
                    return name
        return "unknown" if kind in BY_RULE else None

    def act_on(self, alert: Alert, kind: str, agent: str | None, action_id: str, at: float) -> None:
        """Judge one action of a known alert."""
        meaning, in_time = self.meaning(kind, agent), at <= alert.at + self.horizon
        if alert.at > at + self.grace:
            self.effects.append("before_raise")
            return
        if action_id in alert.actions:
            self.effects.append("repeated")
            return
        alert.actions.append(action_id)
        if alert.by in BY_RULE and (meaning == "actionable" or kind == "reopened"):
            self.decide(alert, "actionable", at, "correction", agent)
        elif alert.by:
            self.effects.append("late" if alert.by == "expiry" and meaning and in_time else "after_decision")
        elif not meaning:
            alert.muted = alert.muted or (kind == "muted" and in_time)
            self.effects.append("non_deciding")
        elif not in_time:
            self.effects.append("beyond_horizon")
        elif meaning == "noise" and self.problem.outcome.decides == "any_actionable":
            alert.noise_by.append(agent)
            self.effects.append("non_deciding")
        elif meaning == "noise" and alert.muted and agent == "automation":
            self.effects.append("non_deciding")
        else:
            self.decide(alert, meaning, at, kind, agent)

    def decide(self, alert: Alert, outcome: str, at: float, by: str, agent: str | None) -> None:
        """An outcome enters the history now that it is known; a correction never does."""
        for level in self.of(alert, at) if by != "correction" else ():
            level.open = max(0, level.open - (alert.by == ""))
            if outcome != "unknown":
                level.outcomes.append((at, outcome == "actionable"))
        alert.outcome, alert.by = outcome, by
        event = alert.event
        self.outcomes.append((event.team, event.alert_id, outcome, at, by, agent, alert.episode))

    def names(self, event: Raised) -> list[tuple[str, ...]]:
        """The levels of an alert; empty for a label that it lacks."""
        team, rule = event.team, event.rule
        names = [("t", team), ("tr", team, rule), ("te", team, event.entity), ("tre", team, rule, event.entity)]
        names_of_labels: list[tuple[str, ...]] = []
        for label in self.problem.history.labels:
            value = event.labels.get(label)
            names_of_labels.append(("tl", team, label, value) if value is not None else ())
            names_of_labels.append(("trl", team, rule, label, value) if value is not None else ())
        return [*names, *names_of_labels]

    def of(self, alert: Alert, at: float) -> list[Level]:
        """The levels that the alert counts in."""
        names = [name for name in self.names(alert.event) if name and (not alert.narrow or "r" in name[0])]
        return [self.level(name, at) for name in names]

    def level(self, name: tuple[str, ...], at: float) -> Level:
        """A level; one untouched for too long begins anew."""
        level = self.levels.get(name)
        if level is None or (level.touched != NEVER and at - level.touched > self.problem.history.forget_days * DAY):
            level = self.levels[name] = Level()
        return level

    def is_flood(self, level: Level, at: float) -> bool:
        """The last day's rate against the usual one, both as a constant rate since the first raise would give them."""
        rule, age = self.problem.flood, (at - min(level.raises, default=at)) / DAY
        if len(level.raises) < rule.per_day or age < 1.0:
            return False
        day, _, month, _ = decayed(level.raises, at)
        rate = day * log(2) / (1 - 2.0**-age)
        usual = (month - day) * log(2) / (30 * (1 - 2.0 ** (-age / 30)) - (1 - 2.0**-age))
        return bool(rate >= rule.per_day and rate > rule.factor * max(usual, 0.0))
