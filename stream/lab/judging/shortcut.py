"""Whether the model only repeats the last action, by four tests: agreement, AUC, ablations, dependence."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from msgspec.structs import replace

from stream.core.errors import LabError
from stream.core.features import TITLE_FEATURES, Feature
from stream.core.frame import Array, Labels, Mask, Matrix
from stream.lab.judging import metrics
from stream.lab.judging.report_schema import Ablation, DependenceBin, Importance, Interval, Shortcut
from stream.lab.learning import calibration
from stream.lab.learning.fit import fit_window
from stream.lab.learning.plan import Plan
from stream.lab.split import Window
from stream.lab.weights import effective_count, weighted_mean
from stream.progress import Progress, no_progress

AGREES_FROM = 0.5
SIMULATED = 200
BELOW = 0.05
WITHIN = 0.55  # an AUC among alerts with the same last outcome below it: the score says little but that outcome
LEAST_KNOWN = 50  # alerts with a last outcome, to say how often the score agrees with it and ranks within it
LEAST_UNLIKE = 20  # alerts that came out unlike it, to say whether the score only repeats it
LEAST_IN_BIN = 30  # alerts with a rate in a tenth of its scale, to draw the score there
USUAL_RATE = "team_rule.shrunk"
_BINS, _ROWS = 10, 2_000
Predict = Callable[[Matrix], Array]


def judge_shortcut(y: Labels, p: Array, last: Labels, seed: int, weights: Array | None = None) -> Shortcut:
    """The section as far as scores alone allow.

    `last` is the last outcome of team and rule: 1, 0, or -1 for none; all arrays are [N]. Flagged where
    it ranks worse than it promises; None where too few outcomes differ from the last one to decide. Flagged as well: a
    score that ranks little among alerts with the same last outcome (where enough have one), and much better over all.
    """
    known = last >= 0
    y, p, last = y[known], p[known], last[known]
    same, w = y == last, None if weights is None else weights[known]
    unlike = int(np.count_nonzero(~same))
    enough = effective_count(unlike, None if w is None else w[~same]) >= LEAST_UNLIKE
    differs, expected = _auc(y, p, w, ~same) if enough else None, expected_differs(p, last, seed, w)
    enough = effective_count(len(y), w) >= LEAST_KNOWN
    within, overall = auc_within(y, p, last, w) if enough else None, _auc(y, p, w)
    flagged = None if differs is None or expected is None else differs < expected.value - BELOW
    if within is not None and overall is not None and within < WITHIN and overall - within > BELOW:
        flagged = True
    return Shortcut(
        known=len(y),
        agreement=weighted_mean((p >= AGREES_FROM) == (last == 1), w) if len(y) else 0.0,
        agreement_threshold=AGREES_FROM,
        differs_count=unlike,
        auc_same=_auc(y, p, w, same),
        auc_differs=differs,
        expected_differs=expected,
        flagged=flagged,
        ablations=[],
        dependence=[],
        dependence_of="",
        auc_within=within,
    )


def expected_differs(p: Array, last: Labels, seed: int, weights: Array | None = None) -> Interval | None:
    """AUC where the outcome differs from the last one, if outcomes were drawn from the scores themselves.

    The mean of 200 draws and their 95 % interval; None where no draw has both outcomes there.
    """
    rng, found = np.random.default_rng(seed), []
    for _ in range(SIMULATED if len(p) else 0):
        drawn = (rng.random(len(p)) < p).astype(np.int8)
        value = _auc(drawn, p, weights, drawn != last)
        if value is not None:
            found.append(value)
    if not found:
        return None
    low, high = np.quantile(found, [0.025, 0.975])
    value = float(np.mean(found))
    return Interval(value, min(float(low), value), max(float(high), value))


def auc_within(y: Labels, p: Array, last: Labels, weights: Array | None = None) -> float | None:
    """Share of pairs ranked right among pairs with the same last outcome; None where there are none."""
    right, pairs = 0.0, 0.0
    for outcome in (0, 1):
        chosen = last == outcome
        value = _auc(y, p, weights, chosen)
        if value is not None:
            w = np.ones(len(y)) if weights is None else weights
            count = float(w[chosen & (y == 1)].sum()) * float(w[chosen & (y == 0)].sum())
            right, pairs = right + value * count, pairs + count
    return right / pairs if pairs else None


def ablations(
    window: Window,
    test: tuple[Matrix, Labels],
    baselines: Mapping[str, Array],
    seed: int,
    plan: Plan,
    progress: Progress = no_progress,
    weights: Array | None = None,
) -> list[Ablation]:
    """The model trained again on fewer features, each judged on the test part's float32[N, F], outcomes and weights.

    Trials are not repeated. A set that is empty, or holds all features, is left out; so are all of a model that was
    adopted, and of an estimator that can't learn from fewer features.
    """
    if plan.estimator is not None and plan.estimator.adopted is not None:
        return []
    made = []
    for name, keep in feature_sets(window.features).items():
        chosen = [feature for feature, kept in zip(window.features, keep, strict=True) if kept]
        smaller = replace(window, matrix=np.ascontiguousarray(window.matrix[:, keep]), features=chosen)
        try:
            fitted = fit_window(smaller, baselines, seed, progress, replace(plan, trials=0))
        except LabError:
            if plan.estimator is None:
                raise
            continue  # such as one that names columns
        y, matrix = test[1], np.ascontiguousarray(test[0][:, keep])
        p = calibration.apply(fitted.calibration, fitted.model.logits(matrix))
        detection = window.replayed.problem.target.detection
        w = weights
        figures = metrics.auc(y, p, w), metrics.suppressed_at(y, p, detection, w), metrics.ece(y, p, weights=w)
        made.append(Ablation(name, len(chosen), *figures))
    return made


def feature_sets(chosen: Sequence[Feature]) -> dict[str, Mask]:
    """The columns of each ablation, bool[F] by name."""
    history = np.array([feature.group == "history" for feature in chosen], dtype=np.bool_)
    lasts = np.array([".last_" in feature.name for feature in chosen], dtype=np.bool_)
    titles = np.array([feature.name in TITLE_FEATURES for feature in chosen], dtype=np.bool_)
    sets = {"without history": ~history, "history only": history, "without the last outcomes": ~lasts}
    sets["without the titles"] = ~titles
    return {name: keep for name, keep in sets.items() if keep.any() and not keep.all()}


def is_rate(feature: Feature) -> bool:
    """Whether a feature is a rate of action, between 0 and 1, that may only raise the score."""
    return feature.unit == "ratio" and feature.monotone == 1


def weightiest_rate(chosen: Sequence[Feature], importance: Sequence[Importance] | None) -> str:
    """The rate of action by which the trees gain most; `USUAL_RATE` of what has no trees. Empty without any."""
    rates = {feature.name: feature for feature in chosen if is_rate(feature)}
    names = [USUAL_RATE, *rates] if importance is None else [one.feature for one in importance]
    return next((name for name in names if name in rates), "")


def dependence(matrix: Matrix, chosen: Sequence[Feature], predict: Predict, of: str) -> list[DependenceBin]:
    """Partial dependence (Friedman, 2001) on a rate: the mean score if all alerts had it, by tenths of its scale.

    At the mean rate of each tenth's alerts, over at most 2,000 rows from all over float32[N, F]. A tenth with fewer
    than `LEAST_IN_BIN` alerts has no score; alerts without a known rate are in none. Empty without the feature.
    """
    column = next((place for place, feature in enumerate(chosen) if feature.name == of), None)
    if column is None or not len(matrix):
        return []
    rows = matrix[np.linspace(0, len(matrix) - 1, min(_ROWS, len(matrix))).astype(int)]
    values = matrix[:, column].astype(np.float64)
    values = values[~np.isnan(values)]
    tenths = np.clip(np.floor(values * _BINS), 0, _BINS - 1).astype(int)
    found = []
    for tenth in range(_BINS):
        within = values[tenths == tenth]
        ends = tenth / _BINS, (tenth + 1) / _BINS
        if len(within) < LEAST_IN_BIN:
            found.append(DependenceBin(*ends, len(within)))
            continue
        moved = rows.copy()
        moved[:, column] = within.mean()
        found.append(DependenceBin(*ends, len(within), float(within.mean()), float(predict(moved).mean())))
    return found


def _auc(y: Labels, p: Array, weights: Array | None, among: Mask | None = None) -> float | None:
    if among is not None:
        y, p, weights = y[among], p[among], None if weights is None else weights[among]
    value = metrics.auc(y, p, weights)
    return None if math.isnan(value) else value
