"""The problem definition: what is being predicted. The scorer decides outcomes by it, the lab labels by it."""

import hashlib
import tomllib
from collections.abc import Sequence
from datetime import UTC, date
from fnmatch import fnmatchcase
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, field

from stream.core import limits
from stream.core.errors import ProblemError
from stream.core.events import At, Raised
from stream.core.kinds import CORRECTION, ENDED_BY_RULE, EXPIRY, MAINTENANCE, MUTED, RESERVED, split_kind

BASELINES: tuple["Baseline", ...] = ("always_noise", "team_rate", "rule_rate", "team_rule_rate", "last_outcome")

DAY_SECONDS = 86_400

Positive = Annotated[float, Meta(gt=0)]
Days = Annotated[float, Meta(gt=0, le=limits.HISTORY_DAYS)]
Label = Annotated[str, Meta(min_length=1, max_length=limits.LABEL_KEY_LENGTH, pattern=r"^[^\x00]+\Z")]
Share = Annotated[float, Meta(gt=0, lt=1)]
Baseline = Literal["always_noise", "team_rate", "rule_rate", "team_rule_rate", "last_outcome"]


class OutcomeRule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which actions decide, and until when. Hours and minutes of event time.

    An entry of `actionable` or `noise` is a kind, or a kind done by `person` or `automation`: `escalated@person`.
    """

    actionable: list[str]
    noise: list[str]
    decides: Literal["first", "any_actionable"] = "first"
    horizon_hours: Annotated[float, Meta(gt=0, le=limits.HORIZON_HOURS)]
    on_expiry: Literal["noise", "unknown"] = "noise"
    grace_minutes: Annotated[float, Meta(ge=0, le=limits.GRACE_MINUTES)] = 5.0

    def deciding(self, agent: str | None) -> dict[str, bool]:
        """The kinds that decide when this agent does them: True as actionable, False as noise.

        `kind@agent` is narrower than `kind` and wins; where nobody says who did it, only bare kinds match.
        """
        entries = [(*split_kind(entry), True) for entry in self.actionable]
        entries += [(*split_kind(entry), False) for entry in self.noise]
        found = {kind: meant for kind, of, meant in entries if of is None}
        return found | {kind: meant for kind, of, meant in entries if of is not None and of == agent}


class Exclusion(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Alerts for reading, not acting: every pattern given must match (`*`, `?`, `[abc]`; case counts)."""

    team: str | None = None
    rule: str | None = None
    entity: str | None = None
    severity: str | None = None
    source: str | None = None
    labels: dict[str, str] = {}

    def matches(self, alert: Raised) -> bool:
        """Whether the alert is meant."""
        for name in ("team", "rule", "entity", "severity", "source"):
            pattern = getattr(self, name)
            if pattern is not None and not fnmatchcase(getattr(alert, name) or "", pattern):
                return False
        return all(fnmatchcase(alert.labels.get(key, ""), pattern) for key, pattern in self.labels.items())


class Window(Exclusion, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A maintenance window: alerts raised from `start` until before `end` that every pattern given matches."""

    start: At = field(name="from")
    end: At = field(name="to")


class FloodDay(Struct, frozen=True, forbid_unknown_fields=True):
    """A day (UTC) on which a team's rule raised far more than it should have: a bug, not operations."""

    team: str
    rule: str
    day: date


class Exclude(Struct, frozen=True, forbid_unknown_fields=True):
    """Scored, but never judged, trained on or closed. Alerts of a flood day count as the fold's own floods do."""

    visibility_only: Annotated[list[Exclusion], Meta(max_length=limits.PATTERNS)] = []
    flood_days: Annotated[list[FloodDay], Meta(max_length=limits.FLOOD_DAYS)] = []
    windows: Annotated[list[Window], Meta(max_length=limits.WINDOWS)] = []


class HistoryRule(Struct, frozen=True, forbid_unknown_fields=True):
    """What history is kept: these labels become levels too; a level untouched for `forget_days` starts anew.

    Firings of one team, rule and entity, each at most `episode_minutes` after the one before, are one episode.
    """

    labels: Annotated[list[Label], Meta(max_length=limits.HISTORY_LABELS)] = []
    forget_days: Days = 180.0
    ledger_days: Days | None = None  # how long an alert is known after its raise; default horizon + 30 d
    episode_minutes: Annotated[float, Meta(gt=0, le=limits.EPISODE_MINUTES)] = 60.0


class FloodRule(Struct, frozen=True, forbid_unknown_fields=True):
    """When a team's rule floods: its rate of the last day exceeds `per_day` and `factor` times its usual rate."""

    per_day: Positive = 50.0
    factor: Positive = 10.0


class Target(Struct, frozen=True, forbid_unknown_fields=True):
    """The gate that a model must pass to be promoted, and on how many matured alerts it must have been a challenger."""

    detection: Share = 0.95
    must_beat: tuple[Baseline, ...] = BASELINES
    min_outcomes: Annotated[int, Meta(ge=1)] = 500


class Problem(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One problem file, checked."""

    name: Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[a-z0-9][a-z0-9._-]*\Z")]
    question: str
    outcome: OutcomeRule
    exclude: Exclude = field(default_factory=Exclude)
    history: HistoryRule = field(default_factory=HistoryRule)
    flood: FloodRule = field(default_factory=FloodRule)
    target: Target = field(default_factory=Target)

    @property
    def horizon_seconds(self) -> float:
        """From raise to the last moment at which an action decides."""
        return self.outcome.horizon_hours * 3600

    @property
    def due_seconds(self) -> float:
        """From raise to the moment at which its expiry is known: horizon + grace."""
        return self.horizon_seconds + self.outcome.grace_minutes * 60

    @property
    def ledger_seconds(self) -> float:
        """How long after its raise an alert is known."""
        days = self.history.ledger_days
        return days * DAY_SECONDS if days is not None else self.horizon_seconds + 30 * DAY_SECONDS

    @property
    def ledger_days(self) -> float:
        """The same in days, rounded to tenths, for people."""
        return round(self.ledger_seconds / DAY_SECONDS, 1)

    @property
    def deciding_kinds(self) -> frozenset[str]:
        """Kinds of action that may end an alert's clock, whoever does them."""
        return ENDED_BY_RULE.union(split_kind(entry)[0] for entry in (*self.outcome.actionable, *self.outcome.noise))

    @property
    def digest(self) -> str:
        """Eight hex digits of all that the fold depends on; another digest means another history.

        Defaults younger than digests that are out in the world are left out, so that those stay as they are.
        """
        exclude, history = msgspec.to_builtins(self.exclude), msgspec.to_builtins(self.history)
        for name in ("flood_days", "windows"):
            if not exclude[name]:
                del exclude[name]
        for window, given in zip(exclude.get("windows", []), self.exclude.windows, strict=False):
            window["from"], window["to"] = (at.astimezone(UTC).isoformat() for at in (given.start, given.end))
        if self.history.episode_minutes == HistoryRule().episode_minutes:
            del history["episode_minutes"]
        folded = (self.outcome, exclude, history, self.flood)
        return hashlib.sha256(msgspec.json.encode(folded)).hexdigest()[:8]

    @property
    def id(self) -> str:
        """Name and digest, as outcomes and models carry it: `actionable@9f2c01ab`."""
        return f"{self.name}@{self.digest}"

    def visibility_only(self, alert: Raised) -> bool:
        """Whether the alert is excluded from judging, training and closing."""
        return any(exclusion.matches(alert) for exclusion in self.exclude.visibility_only)


def parse_problem(text: str, source: str = "the problem file") -> Problem:
    """Read a problem file's text.

    Raises:
        ProblemError: not TOML, an unknown or missing key, a value out of range, or lists that contradict each other.
    """
    try:
        problem = msgspec.convert(tomllib.loads(text), Problem)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, RecursionError) as error:
        raise ProblemError(f"{source}: {error}", "see docs/PROBLEM.md for what a problem file holds") from None
    _check(problem, source)
    return problem


def _check(problem: Problem, source: str) -> None:
    rule, history = problem.outcome, problem.history
    if not rule.actionable:
        raise ProblemError(f"{source}: outcome.actionable is empty, so nothing could ever be actionable", "name a kind")
    both = sorted(set(rule.actionable) & set(rule.noise))
    if both:
        raise ProblemError(
            f"{source}: kind {both[0]!r} is in both outcome.actionable and outcome.noise", "keep it in one"
        )
    _check_kinds([*rule.actionable, *rule.noise], source)
    if not rule.noise and rule.on_expiry == "unknown":
        raise ProblemError(f"{source}: outcome.noise is empty and on_expiry is 'unknown', so nothing could be noise")
    if Exclusion() in problem.exclude.visibility_only:
        raise ProblemError(
            f"{source}: exclude.visibility_only holds an empty pattern, which means all alerts", "fill it"
        )
    for window in problem.exclude.windows:
        if window.start >= window.end:
            raise ProblemError(
                f"{source}: exclude.windows has one from {window.start:%FT%TZ} that ends before it begins", "fix `to`"
            )
    if len(set(history.labels)) != len(history.labels):
        raise ProblemError(f"{source}: history.labels names a label twice")
    if history.forget_days * 86_400 <= problem.due_seconds:
        raise ProblemError(f"{source}: history.forget_days must be longer than the horizon and grace")
    if history.forget_days * 1_440 <= history.episode_minutes:
        raise ProblemError(f"{source}: history.forget_days must be longer than history.episode_minutes")
    if problem.ledger_seconds < problem.due_seconds:
        raise ProblemError(f"{source}: history.ledger_days must be at least the horizon and grace")


def _check_kinds(entries: Sequence[str], source: str) -> None:
    """Refuse what can't decide, in any of the lists."""
    for entry in entries:
        kind, _ = split_kind(entry)
        if not kind:
            raise ProblemError(f"{source}: {entry!r} in [outcome] names no kind", "write it as kind@person")
        if kind in {*RESERVED, EXPIRY, CORRECTION, MAINTENANCE}:
            raise ProblemError(f"{source}: kind {kind!r} is noisegate's own and decides by itself", "remove it")
        if kind == MUTED:
            raise ProblemError(f"{source}: kind {kind!r} means that nobody was shown the alert", "remove it")
