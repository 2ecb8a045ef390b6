"""The figures by which scores are judged. `y` is 1 for actionable and 0 for noise, `p` the scores, both [N].

`weights`, float64[N], say how many alerts each row stands for; None is 1 for each.
"""

import math
from collections.abc import Mapping

import numpy as np

from stream.core.errors import LabError
from stream.core.frame import Array, Labels, Mask
from stream.lab.replaying import Replayed
from stream.lab.weights import label_weights, summarise_weights, weighted_mean
from stream.models.manifest import Figures, Metrics

MODEL = "model"  # the model's name among the scores; the baselines have their own
BINS = 10
Z_95, Z_80 = 1.959963984540054, 0.8416212335729143  # 97.5 % and 80 % quantiles of the standard normal
_LEAST = 1e-15  # a probability below it is taken as it, in the log loss
_TINY, _SLACK = 1e-12, 1e-9


def auc(y: Labels, p: Array, weights: Array | None = None) -> float:
    """Share of pairs (actionable, noise) that are ranked right; equal scores count half (Mann and Whitney, 1947).

    NaN where a class is missing.

    >>> auc(np.array([0, 0, 1, 1], dtype=np.int8), np.array([0.1, 0.4, 0.4, 0.8]))
    0.875
    """
    return RankedScores(y, p).auc(np.ones(len(y)) if weights is None else weights)


def ece(y: Labels, p: Array, bins: int = BINS, weights: Array | None = None) -> float:
    """Expected calibration error over bins of equal mass: mean |share of actionable - mean score|, by mass.

    Bins hold whole alerts, the first ones one more where the number does not divide. Alerts with equal scores may fall
    into two bins; each then counts as their common share of actionable, so that the figure does not depend on order.
    With weights, bins have equal weight, and a row on an edge is split.

    >>> ece(np.array([0, 1, 0, 1], dtype=np.int8), np.array([0.5, 0.5, 0.5, 0.5]))
    0.0
    """
    if weights is not None:
        return RankedScores(y, p).ece(weights, np.linspace(0.0, float(weights.sum()), bins + 1))
    return RankedScores(y, p).ece(np.ones(len(y)), equal_edges(len(y), bins))


def equal_edges(count: int, bins: int = BINS) -> Array:
    """The places that part `count` sorted rows into bins of equal size, float64[bins + 1]; they differ by one at most.

    >>> equal_edges(11, 4)
    array([ 0.,  3.,  6.,  9., 11.])
    """
    size, more = divmod(count, bins)
    return np.array([number * size + min(number, more) for number in range(bins + 1)], dtype=np.float64)


def brier(y: Labels, p: Array, weights: Array | None = None) -> float:
    """Mean squared difference of score and outcome (Brier, 1950).

    >>> brier(np.array([0, 1], dtype=np.int8), np.array([0.5, 1.0]))
    0.125
    """
    return weighted_mean((p - y) ** 2, weights)


def log_loss(y: Labels, p: Array, weights: Array | None = None) -> float:
    """Mean negative log likelihood, in nats.

    >>> round(log_loss(np.array([0, 1], dtype=np.int8), np.array([0.5, 0.5])), 4)
    0.6931
    """
    return weighted_mean(losses(y, p), weights)


def losses(y: Labels, p: Array) -> Array:
    """Each row's negative log likelihood in nats, float64[N]."""
    kept = np.clip(p, _LEAST, 1.0 - _LEAST)
    return np.asarray(-np.where(y == 1, np.log(kept), np.log1p(-kept)))


def threshold_for(y: Labels, p: Array, detection: float, weights: Array | None = None) -> float:
    """The highest threshold t at which at least `detection` of the actionable have p >= t. NaN without any.

    >>> threshold_for(np.array([1, 1, 1, 1, 0], dtype=np.int8), np.array([0.2, 0.4, 0.6, 0.8, 0.1]), 0.75)
    0.4
    """
    actionable = np.sort(p[y == 1])
    if not len(actionable):
        return math.nan
    if weights is not None:
        order = np.argsort(-p[y == 1], kind="stable")
        kept_weight = np.cumsum(weights[y == 1][order])
        return float(p[y == 1][order][np.searchsorted(kept_weight, detection * kept_weight[-1] - _SLACK)])
    kept = math.ceil(detection * len(actionable) - 1e-9)
    return float(actionable[len(actionable) - max(kept, 1)])


def suppressed_below(y: Labels, p: Array, threshold: float, weights: Array | None = None) -> float:
    """Share of the noise with a score strictly below the threshold. NaN without any noise."""
    return _share(p < threshold, y == 0, weights)


def detected_from(y: Labels, p: Array, threshold: float, weights: Array | None = None) -> float:
    """Share of the actionable with a score at or above the threshold. NaN without any."""
    return _share(p >= threshold, y == 1, weights)


def _share(of: Mask, among: Mask, weights: Array | None) -> float:
    if not among.any():
        return math.nan
    return weighted_mean(of[among], None if weights is None else weights[among])


def suppressed_at(y: Labels, p: Array, detection: float, weights: Array | None = None) -> float:
    """Share of the noise below the highest threshold that keeps `detection` of the actionable: a ranking figure.

    >>> suppressed_at(np.array([1, 1, 0, 0], dtype=np.int8), np.array([0.5, 0.9, 0.1, 0.6]), 0.95)
    0.5
    """
    return suppressed_below(y, p, threshold_for(y, p, detection, weights), weights)


class RankedScores:
    """One score's rows in rising order, for figures in which each row has a weight. Equal scores make one group.

    A weight says how often a row counts; with weights of 1 the figures are the plain ones. All arrays are float64[N].
    """

    def __init__(self, y: Labels, p: Array) -> None:
        self.order = np.argsort(p, kind="stable")
        self._scores, self._starts = np.unique(p[self.order], return_index=True)
        self._actionable = y[self.order].astype(np.float64)
        self._alone = len(self._starts) == len(p)

    def auc(self, weights: Array) -> float:
        """Share of pairs that are ranked right, see `auc`; NaN where a class has no weight."""
        return _Curve(*self._groups(weights[self.order])).auc()

    def ece(self, weights: Array, edges: Array | None = None) -> float:
        """Calibration error over bins of equal mass, see `ece`; `edges` are cumulated weights, ten equal by default."""
        return self._ece(*self._groups(weights[self.order]), edges)

    def suppressed(self, weights: Array, detection: float) -> float:
        """The share of noise suppressed at a detection; NaN where a class has no weight."""
        return _Curve(*self._groups(weights[self.order])).suppressed(detection)

    def figures(self, weights: Array, detections: tuple[float, ...]) -> list[float]:
        """AUC, average precision, ECE, and the noise suppressed at each detection; NaN where a class has no weight."""
        return self.figures_in_order(weights[self.order], detections)

    def figures_in_order(self, rows: Array, detections: tuple[float, ...]) -> list[float]:
        """`figures` of weights that stand in the score's order already."""
        mass, positive = self._groups(rows)
        curve = _Curve(mass, positive)
        if not curve.both:
            return [math.nan] * (3 + len(detections))
        suppressed = [curve.suppressed(detection) for detection in detections]
        return [curve.auc(), curve.average_precision(), self._ece(mass, positive), *suppressed]

    def bins(self, edges: Array) -> list[tuple[int, float, float]]:
        """Count, mean score and share of actionable of each bin that holds a row; equal scores share their outcomes."""
        mass, positive = self._groups(np.ones(len(self.order)))
        sizes = np.diff(edges)
        scores, acted = (_by_bin(part, mass, edges) for part in (mass * self._scores, positive))
        rows = zip(sizes.tolist(), scores.tolist(), acted.tolist(), strict=True)
        return [(int(size), score / size, share / size) for size, score, share in rows if size]

    def weighted_bins(self, weights: Array) -> list[tuple[float, float, float]]:
        """Of ten bins of equal weight: the effective number of rows, mean score and share of actionable."""
        ordered = weights[self.order]
        mass, positive = self._groups(ordered)
        squares, edges = self._grouped(ordered**2), np.linspace(0.0, float(weights.sum()), BINS + 1)
        squared, scores, acted = (_by_bin(part, mass, edges) for part in (squares, mass * self._scores, positive))
        size = float(weights.sum()) / BINS
        rows = zip(squared.tolist(), scores.tolist(), acted.tolist(), strict=True)
        return [(size**2 / square, score / size, share / size) for square, score, share in rows]

    def _ece(self, mass: Array, positive: Array, edges: Array | None = None) -> float:
        total = float(mass.sum())
        if edges is None:
            edges = np.linspace(0.0, total, BINS + 1)
        return float(np.abs(_by_bin(positive - mass * self._scores, mass, edges)).sum() / total)

    def _groups(self, rows: Array) -> tuple[Array, Array]:
        """Weights of all rows and of the actionable ones, by score."""
        return self._grouped(rows), self._grouped(rows * self._actionable)

    def _grouped(self, rows: Array) -> Array:
        return rows if self._alone else np.add.reduceat(rows, self._starts)


def _by_bin(values: Array, mass: Array, edges: Array) -> Array:
    """Sums of values (one a score) between edges of the cumulated mass; a score on an edge is split by its mass."""
    return np.diff(np.interp(edges, _cumulated(mass), _cumulated(values)))


def _cumulated(values: Array) -> Array:
    """Sums of all values before each, and of all: float64[N + 1]."""
    sums = np.zeros(len(values) + 1)
    np.cumsum(values, out=sums[1:])
    return sums


class _Curve:
    """The actionable and the noise at each score and below it, float64[scores]; without both, figures are NaN."""

    def __init__(self, mass: Array, positive: Array) -> None:
        self._positive, self._negative = positive, mass - positive
        self._positives, self._negatives = float(positive.sum()), float(self._negative.sum())
        self._lost = _cumulated(positive)[:-1]
        self._below = _cumulated(self._negative)[:-1]
        self.both = self._positives > 0 and self._negatives > 0

    def auc(self) -> float:
        if not self.both:
            return math.nan
        return _product(self._positive, self._below + self._negative / 2.0) / (self._positives * self._negatives)

    def average_precision(self) -> float:
        kept, wrong = self._positives - self._lost, self._negatives - self._below
        return _product(self._positive, kept / np.maximum(kept + wrong, _TINY)) / self._positives

    def suppressed(self, detection: float) -> float:
        """The share of noise below the highest score that keeps `detection` of the actionable."""
        if not self.both:
            return math.nan
        most = (1.0 - detection) * self._positives + _SLACK
        return float(self._below[int(np.searchsorted(self._lost, most, side="right")) - 1]) / self._negatives


def _product(one: Array, other: Array) -> float:
    """Their inner product without BLAS, whose threads take thirty times as long for it where cores are busy."""
    return float((one * other).sum())


def figures(y: Labels, p: Array, detection: float, threshold: float, weights: Array | None = None) -> Figures:
    """All figures of one score at a `threshold` that was fixed before these outcomes."""
    return Figures(
        auc=auc(y, p, weights),
        ece=ece(y, p, weights=weights),
        brier=brier(y, p, weights),
        log_loss=log_loss(y, p, weights),
        suppressed_at=suppressed_at(y, p, detection, weights),
        threshold=threshold,
        detection=detected_from(y, p, threshold, weights),
        suppressed=suppressed_below(y, p, threshold, weights),
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
    weights = label_weights(replayed, judged)
    check_classes(y, "test part")
    return Metrics(
        judged=len(y),
        label_rate=weighted_mean(y, weights),
        target_detection=detection,
        model=figures(y, scores, detection, thresholds[MODEL], weights),
        baselines={
            name: figures(y, p[judged], detection, thresholds[name], weights)
            for name, p in baselines.items()
            if name in thresholds
        },
        weights=summarise_weights(replayed, judged),
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
