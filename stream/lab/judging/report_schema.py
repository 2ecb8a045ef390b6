"""The types of `report.json`, from which report.html is drawn; sections that were not made are None.

Times are UTC; shares, rates and scores lie between 0 and 1. An interval is 95 %, by a bootstrap over days of raising.
"""

from datetime import date, datetime

from msgspec import Struct

from stream.core.problem import Problem
from stream.models.manifest import LabelWeights


def result_of(passed: bool | None) -> str:
    """A three-valued result in words: passed, failed, or not tested (None)."""
    return {True: "passed", False: "failed", None: "not tested"}[passed]


class Interval(Struct, frozen=True):
    """A figure and its 95 % interval; without bounds where there is too little to resample."""

    value: float
    low: float | None = None
    high: float | None = None


class Fixed(Struct, frozen=True):
    """A threshold fixed before the test part, and what it really kept (detection) and suppressed there."""

    threshold: float
    detection: float
    suppressed: float


class ScoreFigures(Struct, frozen=True, kw_only=True):
    """One score on the test part.

    Brier = reliability - resolution + uncertainty + what the bins hide (Murphy, 1973). `suppressed_target` is at the
    problem's target detection, `suppressed_99` at 99 %: ranking figures, their thresholds found on the test part.
    """

    name: str
    auc: Interval
    pr_auc: Interval
    brier: Interval
    reliability: float
    resolution: float
    uncertainty: float
    log_loss: Interval
    ece: Interval
    suppressed_target: Interval
    suppressed_99: Interval
    fixed: Fixed | None = None


class Gain(Struct, frozen=True, kw_only=True):
    """The model's paired gain over one other score."""

    over: str
    auc: Interval
    suppressed: Interval | None = None


class EpisodeFigures(Struct, frozen=True, kw_only=True):
    """The same figures on the first judged alert of each episode, so that a storm counts once.

    `alerts` is how many those are, `rate` the share of them that was acted on.
    """

    alerts: int
    rate: float
    scores: list[ScoreFigures]  # the model first
    gains: list[Gain]


class Data(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The log, and what of it was judged; weights are of what was learnt from and of what was judged."""

    events: int
    alerts: int
    teams: int
    rules: int
    first: datetime
    last: datetime
    kinds: dict[str, int]
    train_used: int
    train_purged: int
    judged: int
    judged_rate: float
    excluded_visibility: int
    excluded_flood: int
    undecided: int  # of the test part: outcome unknown, or the horizon not passed when the log ended
    train_weights: LabelWeights | None = None
    judged_weights: LabelWeights | None = None


class Week(Struct, frozen=True, kw_only=True):
    """Seven days of raises from `start`: how many alerts, the share acted on among the labelled."""

    start: date
    alerts: int
    rate: float | None
    part: str  # training, test, or both


class ReliabilityBin(Struct, frozen=True):
    """A tenth of the alerts by score: their mean score and the share acted on."""

    count: int
    mean_score: float
    rate: Interval


class CurvePoint(Struct, frozen=True):
    """A threshold, and what it keeps and suppresses."""

    threshold: float
    detection: float
    suppressed: float


class Band(Struct, frozen=True):
    """One band of the shipped model on the test part: its edges, share of alerts, share acted on in it."""

    name: str
    low: float
    high: float
    share: float
    rate: float | None


class Ablation(Struct, frozen=True):
    """The model trained again on fewer features."""

    name: str
    features: int
    auc: float
    suppressed_target: float
    ece: float


class DependenceBin(Struct, frozen=True):
    """A tenth of a rate's scale, and the mean score if all judged alerts had the rate of those in it.

    `count` alerts lie in it, `rate` is their mean; `rate` and `score` are None where they are too few to draw.
    """

    low: float
    high: float
    count: int
    rate: float | None = None
    score: float | None = None


class Shortcut(Struct, frozen=True, kw_only=True):
    """Whether the model only repeats the last action.

    `agreement`: share of alerts with a last outcome on which `score >= 0.5` says the same as it. `same` and `differs`:
    AUC where the outcome was that of the last one, and where it was not; the latter beside what labels simulated from
    the model's own probabilities would give. `auc_within`: AUC among alerts with the same last outcome. `flagged`:
    `differs` is more than 0.05 below what is expected, or `auc_within` is below 0.55 and the AUC of all alerts with a
    last outcome more than 0.05 above it; None where neither holds and the first could not be tested.
    """

    known: int
    agreement: float
    agreement_threshold: float
    differs_count: int
    auc_same: float | None
    auc_differs: float | None
    expected_differs: Interval | None
    flagged: bool | None
    ablations: list[Ablation]
    dependence: list[tuple[float, float]]  # the most important rate, and the mean score if all alerts had it
    dependence_of: str
    auc_within: float | None = None
    dependence_bins: list[DependenceBin] = []  # the same by tenths of the rate's scale, with their alerts


class Team(Struct, frozen=True, kw_only=True):
    """One team on the test part. verdict: predictable, not yet, unpredictable."""

    name: str
    count: int
    rate: float
    mean_score: float
    auc: Interval | None
    ece: float | None
    verdict: str


class Group(Struct, frozen=True):
    """The teams of one verdict together."""

    verdict: str
    teams: int
    alerts: int
    share: float


class Teams(Struct, frozen=True):
    """Every team with a judged alert, those with most alerts first, and the test by which they are grouped."""

    teams: list[Team]
    groups: list[Group]
    test: str


class Importance(Struct, frozen=True):
    """A feature's share of all gain in the trees, and what it means."""

    feature: str
    share: float
    meaning: str


class Drift(Struct, frozen=True):
    """Population stability index between the model's reference and the test part, beside what chance would give.

    `drifted` is None where `n`, the alerts of the test part, are too few to tell.
    """

    feature: str
    psi: float
    threshold: float
    drifted: bool | None
    shown_only: bool  # time of day, or what grows with the history's age
    n: int | None = None


class AgeWeek(Struct, frozen=True):
    """The model in its n-th week after training; figures are None where it has too few alerts, or of one outcome."""

    week: int
    count: int
    rate: float
    auc: float | None
    ece: float | None
    suppressed_target: float | None


class Ageing(Struct, frozen=True):
    """Quality by week after training, and how often to train in view of it.

    `held`: whether the gain over the best baseline lasted; None where there were too few weeks with alerts to test it.
    """

    weeks: list[AgeWeek]
    advice: str
    held: bool | None = None


class Floods(Struct, frozen=True):
    """The model with flood alerts judged too, beside it without."""

    flood_alerts: int
    flood_labelled: int
    auc_without: float
    auc_with: float | None
    ece_without: float
    ece_with: float | None


class Check(Struct, frozen=True):
    """One condition of the gate, or one canary, and what was found.

    `passed` is None where it could not be tested: `text` then says why. `n` is how many alerts it rests on, or would.
    """

    name: str
    passed: bool | None
    text: str
    n: int | None = None

    @property
    def result(self) -> str:
        """`passed`, `failed` or `not tested`."""
        return result_of(self.passed)


class Gate(Struct, frozen=True):
    """The gate: AUC above each of must_beat, and a gain in suppression that is surely above zero.

    `passed` is False where a condition failed, else None where one could not be tested.
    """

    passed: bool | None
    checks: list[Check]

    @property
    def result(self) -> str:
        """`passed`, `failed` or `not tested`."""
        return result_of(self.passed)


class Judgement(Struct, frozen=True, kw_only=True):
    """A whole judgement: every section of the report."""

    title: str
    model: str
    created: datetime
    command: str
    simulated: bool
    question: str
    problem: Problem
    problem_id: str
    split_at: datetime
    data: Data
    weeks: list[Week]
    target_detection: float
    scores: list[ScoreFigures]  # the model first
    gains: list[Gain]
    episodes: EpisodeFigures | None = None
    reliability: list[ReliabilityBin]
    curves: dict[str, list[CurvePoint]]  # by score: the model and the best baseline
    bands: list[Band]
    gate: Gate
    shortcut: Shortcut | None = None
    teams: Teams | None = None
    importance: list[Importance] | None = None
    drift: list[Drift] | None = None
    ageing: Ageing | None = None
    floods: Floods | None = None
    canaries: list[Check] | None = None
    notes: list[str] = []
