"""Whether the model only repeats the last action, by four tests: agreement, AUC, ablations, dependence."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from msgspec.structs import replace

from stream.core.features import Feature
from stream.core.frame import Array, Labels, Mask, Matrix
from stream.lab.judging import metrics
from stream.lab.judging.report_schema import Ablation, DependenceBin, Interval, Shortcut
from stream.lab.learning import calibration
from stream.lab.learning.fit import fit_window
from stream.lab.learning.plan import Plan
from stream.lab.split import Window
from stream.progress import Progress, no_progress

AGREES_FROM = 0.5
SIMULATED = 200
BELOW = 0.05
WITHIN = 0.55  # an AUC among alerts with the same last outcome below it: the score says little but that outcome
LEAST_KNOWN = 50  # alerts with a last outcome, to say how often the score agrees with it and ranks within it
LEAST_UNLIKE = 20  # alerts that came out unlike it, to say whether the score only repeats it
LEAST_IN_BIN = 30  # alerts with a rate in a tenth of its scale, to draw the score there
_BINS, _ROWS = 10, 2_000
Predict = Callable[[Matrix], Array]


def judge_shortcut(y: Labels, p: Array, last: Labels, seed: int) -> Shortcut:
    """The section as far as scores alone allow.

    `last` is the last outcome of team and rule: 1, 0, or -1 for none; all arrays are [N]. Flagged where
    it ranks worse than it promises; None where too few outcomes differ from the last one to decide. Flagged as well: a
    score that ranks little among alerts with the same last outcome (where enough have one), and much better over all.
    """
    known = last >= 0
    y, p, last = y[known], p[known], last[known]
    same = y == last
    unlike = int(np.count_nonzero(~same))
    differs, expected = _auc(y[~same], p[~same]) if unlike >= LEAST_UNLIKE else None, expected_differs(p, last, seed)
    within, overall = auc_within(y, p, last) if len(y) >= LEAST_KNOWN else None, _auc(y, p)
    flagged = None if differs is None or expected is None else differs < expected.value - BELOW
    if within is not None and overall is not None and within < WITHIN and overall - within > BELOW:
        flagged = True
    return Shortcut(
        known=len(y),
        agreement=float(np.mean((p >= AGREES_FROM) == (last == 1))) if len(y) else 0.0,
        agreement_threshold=AGREES_FROM,
        differs_count=unlike,
        auc_same=_auc(y[same], p[same]),
        auc_differs=differs,
        expected_differs=expected,
        flagged=flagged,
        ablations=[],
        dependence=[],
        dependence_of="",
        auc_within=within,
    )


def expected_differs(p: Array, last: Labels, seed: int) -> Interval | None:
    """AUC where the outcome differs from the last one, if outcomes were drawn from the scores themselves.

    The mean of 200 draws and their 95 % interval; None where no draw has both outcomes there.
    """
    rng, found = np.random.default_rng(seed), []
    for _ in range(SIMULATED if len(p) else 0):
        drawn = (rng.random(len(p)) < p).astype(np.int8)
        value = _auc(drawn[drawn != last], p[drawn != last])
        if value is not None:
            found.append(value)
    if not found:
        return None
    low, high = np.quantile(found, [0.025, 0.975])
    value = float(np.mean(found))
    return Interval(value, min(float(low), value), max(float(high), value))


def auc_within(y: Labels, p: Array, last: Labels) -> float | None:
    """Share of pairs ranked right among pairs with the same last outcome; None where there are none."""
    right, pairs = 0.0, 0
    for outcome in (0, 1):
        chosen = last == outcome
        value = _auc(y[chosen], p[chosen])
        if value is not None:
            count = int(y[chosen].sum()) * int((y[chosen] == 0).sum())
            right, pairs = right + value * count, pairs + count
    return right / pairs if pairs else None


def ablations(
    window: Window,
    test: tuple[Matrix, Labels],
    baselines: Mapping[str, Array],
    seed: int,
    plan: Plan,
    progress: Progress = no_progress,
) -> list[Ablation]:
    """The model trained again on fewer features, each judged on the test part's float32[N, F] and outcomes.

    Trials are not repeated. A set that is empty, or holds all features, is left out.
    """
    made = []
    for name, keep in feature_sets(window.features).items():
        chosen = [feature for feature, kept in zip(window.features, keep, strict=True) if kept]
        smaller = replace(window, matrix=np.ascontiguousarray(window.matrix[:, keep]), features=chosen)
        fitted = fit_window(smaller, baselines, seed, progress, replace(plan, trials=0))
        y, matrix = test[1], np.ascontiguousarray(test[0][:, keep])
        p = calibration.apply(fitted.calibration, fitted.trees.logits(matrix))
        detection = window.replayed.problem.target.detection
        figures = metrics.auc(y, p), metrics.suppressed_at(y, p, detection), metrics.ece(y, p)
        made.append(Ablation(name, len(chosen), *figures))
    return made


def feature_sets(chosen: Sequence[Feature]) -> dict[str, Mask]:
    """The columns of each ablation, bool[F] by name."""
    history = np.array([feature.group == "history" for feature in chosen], dtype=np.bool_)
    lasts = np.array([".last_" in feature.name for feature in chosen], dtype=np.bool_)
    sets = {"without history": ~history, "history only": history, "without the last outcomes": ~lasts}
    return {name: keep for name, keep in sets.items() if keep.any() and not keep.all()}


def is_rate(feature: Feature) -> bool:
    """Whether a feature is a rate of action, between 0 and 1, that may only raise the score."""
    return feature.unit == "ratio" and feature.monotone == 1


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


def _auc(y: Labels, p: Array) -> float | None:
    value = metrics.auc(y, p)
    return None if math.isnan(value) else value
