"""The problem definition: what is being predicted. The scorer decides outcomes by it, the lab labels by it."""

import hashlib
import tomllib
from datetime import date
from fnmatch import fnmatchcase
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, field

from stream.core import limits
from stream.core.errors import ProblemError
from stream.core.events import Raised

ACTIONABLE, NOISE, CLOSED_BY_RULE, REOPENED, HELD_OUT = "actionable", "noise", "closed_by_rule", "reopened", "held_out"
EXPIRY, CORRECTION = "expiry", "correction"  # outcomes' `by` where no action's kind stands
BASELINES: tuple["Baseline", ...] = ("always_noise", "team_rate", "rule_rate", "team_rule_rate", "last_outcome")

DAY_SECONDS = 86_400

Positive = Annotated[float, Meta(gt=0)]
Days = Annotated[float, Meta(gt=0, le=limits.HISTORY_DAYS)]
Label = Annotated[str, Meta(min_length=1, max_length=limits.LABEL_KEY_LENGTH, pattern=r"^[^\x00]+\Z")]
Share = Annotated[float, Meta(gt=0, lt=1)]
Baseline = Literal["always_noise", "team_rate", "rule_rate", "team_rule_rate", "last_outcome"]


class OutcomeRule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which actions decide, and until when. Hours and minutes of event time."""

    actionable: list[str]
    noise: list[str]
    decides: Literal["first", "any_actionable"] = "first"
    horizon_hours: Annotated[float, Meta(gt=0, le=limits.HORIZON_HOURS)]
    on_expiry: Literal["noise", "unknown"] = "noise"
    grace_minutes: Annotated[float, Meta(ge=0, le=limits.GRACE_MINUTES)] = 5.0


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


class FloodDay(Struct, frozen=True, forbid_unknown_fields=True):
    """A day (UTC) on which a team's rule raised far more than it should have: a bug, not operations."""

    team: str
    rule: str
    day: date


class Exclude(Struct, frozen=True, forbid_unknown_fields=True):
    """Scored, but never judged, trained on or closed. Alerts of a flood day count as the fold's own floods do."""

    visibility_only: Annotated[list[Exclusion], Meta(max_length=limits.PATTERNS)] = []
    flood_days: Annotated[list[FloodDay], Meta(max_length=limits.FLOOD_DAYS)] = []


class HistoryRule(Struct, frozen=True, forbid_unknown_fields=True):
    """What history is kept: these labels become levels too; a level untouched for `forget_days` starts anew."""

    labels: Annotated[list[Label], Meta(max_length=limits.HISTORY_LABELS)] = []
    forget_days: Days = 180.0
    ledger_days: Days | None = None  # how long an alert is known after its raise; default horizon + 30 d


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
    def digest(self) -> str:
        """Eight hex digits of all that the fold depends on; another digest means another history."""
        exclude = msgspec.to_builtins(self.exclude)
        if not self.exclude.flood_days:
            del exclude["flood_days"]  # younger than digests that are out in the world
        folded = (self.outcome, exclude, self.history, self.flood)
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
        raise ProblemError(f"{source}: {error}") from None
    _check(problem, source)
    return problem


def _check(problem: Problem, source: str) -> None:
    rule, history = problem.outcome, problem.history
    if not rule.actionable:
        raise ProblemError(f"{source}: outcome.actionable is empty, so nothing could ever be actionable; name a kind")
    both = sorted(set(rule.actionable) & set(rule.noise))
    if both:
        raise ProblemError(f"{source}: kind {both[0]!r} stands in outcome.actionable and outcome.noise; keep it in one")
    reserved = sorted({CLOSED_BY_RULE, HELD_OUT, EXPIRY, CORRECTION} & {*rule.actionable, *rule.noise})
    if reserved:
        raise ProblemError(f"{source}: kind {reserved[0]!r} is noisegate's own and decides by itself; take it out")
    if not rule.noise and rule.on_expiry == "unknown":
        raise ProblemError(f"{source}: outcome.noise is empty and on_expiry is 'unknown', so nothing could be noise")
    if Exclusion() in problem.exclude.visibility_only:
        raise ProblemError(f"{source}: exclude.visibility_only holds an empty pattern, which means all alerts; fill it")
    if len(set(history.labels)) != len(history.labels):
        raise ProblemError(f"{source}: history.labels names a label twice")
    if history.forget_days * 86_400 <= problem.due_seconds:
        raise ProblemError(f"{source}: history.forget_days must be longer than the horizon and grace")
    if problem.ledger_seconds < problem.due_seconds:
        raise ProblemError(f"{source}: history.ledger_days must be at least the horizon and grace")
