"""The figures by which scores are judged. `y` is 1 for actionable and 0 for noise, `p` the scores, both [N]."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from stream.core.errors import LabError
from stream.core.frame import Array
from stream.lab.replaying import Replayed
from stream.lab.window import Mask
from stream.models.manifest import Figures, Metrics

Labels = NDArray[np.int8]
MODEL = "model"  # the model's name among the scores; the baselines have their own
BINS = 10
_LEAST = 1e-15  # a probability below it is taken as it, in the log loss


def auc(y: Labels, p: Array) -> float:
    """Share of pairs (actionable, noise) that are ranked right; equal scores count half (Mann and Whitney, 1947).

    NaN where a class is missing.

    >>> auc(np.array([0, 0, 1, 1], dtype=np.int8), np.array([0.1, 0.4, 0.4, 0.8]))
    0.875
    """
    positives = int(y.sum())
    negatives = len(y) - positives
    if not positives or not negatives:
        return math.nan
    _, group, sizes = np.unique(p, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(sizes) - (sizes - 1) / 2.0  # equal scores share their ranks' mean
    rank_sum = float(mean_rank[group][y == 1].sum())
    return (rank_sum - positives * (positives + 1) / 2.0) / (positives * negatives)


def ece(y: Labels, p: Array, bins: int = BINS) -> float:
    """Expected calibration error over bins of equal mass: mean |share of actionable - mean score|, by mass.

    Alerts with equal scores may fall into two bins; each then counts as their common share of actionable, so that the
    figure does not depend on their order.

    >>> ece(np.array([0, 1, 0, 1], dtype=np.int8), np.array([0.5, 0.5, 0.5, 0.5]))
    0.0
    """
    _, group, sizes = np.unique(p, return_inverse=True, return_counts=True)
    shared = (np.bincount(group, weights=y) / sizes)[group]
    order = np.argsort(p, kind="stable")
    parts = (part for part in np.array_split(order, bins) if len(part))
    return float(sum(abs(shared[part].sum() - p[part].sum()) for part in parts) / len(y))


def brier(y: Labels, p: Array) -> float:
    """Mean squared difference of score and outcome (Brier, 1950).

    >>> brier(np.array([0, 1], dtype=np.int8), np.array([0.5, 1.0]))
    0.125
    """
    return float(np.mean((p - y) ** 2))


def log_loss(y: Labels, p: Array) -> float:
    """Mean negative log likelihood, in nats.

    >>> round(log_loss(np.array([0, 1], dtype=np.int8), np.array([0.5, 0.5])), 4)
    0.6931
    """
    kept = np.clip(p, _LEAST, 1.0 - _LEAST)
    return float(-np.mean(np.where(y == 1, np.log(kept), np.log1p(-kept))))


def threshold_for(y: Labels, p: Array, detection: float) -> float:
    """The highest threshold t at which at least `detection` of the actionable have p >= t. NaN without any.

    >>> threshold_for(np.array([1, 1, 1, 1, 0], dtype=np.int8), np.array([0.2, 0.4, 0.6, 0.8, 0.1]), 0.75)
    0.4
    """
    actionable = np.sort(p[y == 1])
    if not len(actionable):
        return math.nan
    kept = math.ceil(detection * len(actionable) - 1e-9)
    return float(actionable[len(actionable) - max(kept, 1)])


def suppressed_below(y: Labels, p: Array, threshold: float) -> float:
    """Share of the noise with a score strictly below the threshold. NaN without any noise."""
    noise = p[y == 0]
    return float(np.mean(noise < threshold)) if len(noise) else math.nan


def detected_from(y: Labels, p: Array, threshold: float) -> float:
    """Share of the actionable with a score at or above the threshold. NaN without any."""
    actionable = p[y == 1]
    return float(np.mean(actionable >= threshold)) if len(actionable) else math.nan


def suppressed_at(y: Labels, p: Array, detection: float) -> float:
    """Share of the noise below the highest threshold that keeps `detection` of the actionable: a ranking figure.

    >>> suppressed_at(np.array([1, 1, 0, 0], dtype=np.int8), np.array([0.5, 0.9, 0.1, 0.6]), 0.95)
    0.5
    """
    return suppressed_below(y, p, threshold_for(y, p, detection))


def figures(y: Labels, p: Array, detection: float, threshold: float) -> Figures:
    """All figures of one score at a `threshold` that was fixed before these outcomes."""
    return Figures(
        auc=auc(y, p),
        ece=ece(y, p),
        brier=brier(y, p),
        log_loss=log_loss(y, p),
        suppressed_at=suppressed_at(y, p, detection),
        threshold=threshold,
        detection=detected_from(y, p, threshold),
        suppressed=suppressed_below(y, p, threshold),
    )


def model_metrics(
    replayed: Replayed,
    judged: Mask,
    scores: Array,
    baselines: Mapping[str, Array],
    thresholds: Mapping[str, float],
) -> Metrics:
    """The figures of the model and of every baseline that has a threshold.

    `scores` are the model's of the J judged alerts, float64[J]; each baseline's are of all alerts, float64[N].

    Raises:
        LabError: nothing to judge, or one class only.
    """
    y, detection = replayed.outcome[judged], replayed.problem.target.detection
    check_classes(y, "test part")
    return Metrics(
        judged=len(y),
        label_rate=float(y.mean()),
        target_detection=detection,
        model=figures(y, scores, detection, thresholds[MODEL]),
        baselines={
            name: figures(y, p[judged], detection, thresholds[name])
            for name, p in baselines.items()
            if name in thresholds
        },
    )


def check_classes(y: Labels, part: str) -> None:
    """Check that a part of the log has alerts of both outcomes.

    Raises:
        LabError: it has not.
    """
    if not len(y):
        raise LabError(
            f"the {part} is empty: no alert in it has an outcome and had its horizon and grace pass within the log"
        )
    if y.min() == y.max():
        only = "actionable" if y[0] else "noise"
        raise LabError(f"all {len(y)} alerts of the {part} are {only}: with one class only there is nothing to learn")
