"""Bootstrap intervals over days of raising: alerts of a day resemble each other, so whole days are drawn.

Where there are too few days, a caller may ask for hours: better than nothing, and narrower than the truth.

Each draw takes as many days as there are, with replacement; a row then weighs as often as its day was drawn. The draws
are seeded and the same for all scores, so that gains are paired. Intervals are the draws' 2.5 % and 97.5 % quantiles,
widened to hold the value where a figure is biased under resampling, as the calibration error is.
"""

import math

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from stream.core.frame import Array, Labels
from stream.lab.judging import metrics
from stream.lab.judging.metrics import RankedScores, losses
from stream.lab.judging.report_schema import Interval

DRAWS = 1_000
LEAST_DAYS = 10  # with fewer there is no interval
HOUR, DAY = 3_600.0, 86_400.0
_TINY = 1e-12


class Days(Struct, frozen=True, eq=False):
    """The day (or hour) of each row, int64[N] from 0 to D - 1, and how often each draw takes each, float64[B, D].

    `weights`, float64[N], are of the rows; None where each is 1.
    """

    day: NDArray[np.int64]
    counts: Array
    weights: Array | None = None

    @property
    def enough(self) -> bool:
        """Whether there are enough days for intervals."""
        return bool(self.counts.shape[1] >= LEAST_DAYS)

    def share(self, of: NDArray[np.bool_], among: NDArray[np.bool_]) -> Array:
        """Share of `of` among `among` (both bool[N]) in each draw, float64[B]; NaN where there is none."""
        return self._ratio((of & among).astype(np.float64), among.astype(np.float64))

    def mean(self, values: Array) -> Array:
        """Mean of the values, float64[N], in each draw: float64[B]."""
        return self._ratio(values, np.ones(len(values)))

    def _ratio(self, above: Array, below: Array) -> Array:
        days = self.counts.shape[1]
        if self.weights is not None:
            above, below = above * self.weights, below * self.weights
        sums = [self.counts @ np.bincount(self.day, weights=part, minlength=days) for part in (above, below)]
        return np.where(sums[1] > 0, sums[0] / np.maximum(sums[1], _TINY), np.nan)


def days_of(at: Array, seed: int, draws: int = DRAWS, seconds: float = DAY, weights: Array | None = None) -> Days:
    """Draws of days (UTC), or of stretches of `seconds`, in which alerts were raised; `at` is in seconds since 1970."""
    names, day = np.unique(np.floor(at / seconds), return_inverse=True)
    count = len(names)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1.0 / count), size=draws)
    return Days(day.astype(np.int64), drawn.astype(np.float64), weights)


def interval(value: float, draws: Array, enough: bool) -> Interval:
    """A value and the 95 % interval of its draws, float64[B]; draws without the figure (NaN) are left out."""
    known = draws[np.isfinite(draws)]
    if not enough or not len(known) or not math.isfinite(value):
        return Interval(value)
    low, high = np.quantile(known, [0.025, 0.975])
    return Interval(value, min(float(low), value), max(float(high), value))


class BootstrapFigures(Struct, frozen=True, eq=False):
    """One score's figures, and each of them in every draw, float64[B], by name; empty where days are too few."""

    values: dict[str, float]
    draws: dict[str, Array]

    def interval(self, name: str) -> Interval:
        """A figure with its interval."""
        return interval(self.values[name], self.draws.get(name, np.empty(0)), name in self.draws)

    def gain(self, other: "BootstrapFigures", name: str) -> Interval:
        """The paired gain in a figure over another score on the same rows and draws."""
        value = self.values[name] - other.values[name]
        if name not in self.draws:
            return Interval(value)
        return interval(value, self.draws[name] - other.draws[name], True)


def draw(y: Labels, p: Array, days: Days, detection: float, threshold: float | None) -> BootstrapFigures:
    """All figures of a score with their draws; `threshold` is the one that was fixed before, if there is one."""
    ranked, w = RankedScores(y, p), days.weights
    detections = (detection, 0.99)
    average = ranked.figures(np.ones(len(y)) if w is None else w, detections)[1]
    names = ["auc", "pr_auc", "ece", "suppressed_target", "suppressed_99"]
    plain = (
        metrics.auc(y, p, w),
        average,
        metrics.ece(y, p, weights=w),
        *(metrics.suppressed_at(y, p, share, w) for share in detections),
    )
    values = dict(zip(names, plain, strict=True))
    values |= {"brier": metrics.brier(y, p, w), "log_loss": metrics.log_loss(y, p, w)}
    if threshold is not None:
        values["suppressed_fixed"] = metrics.suppressed_below(y, p, threshold, w)
        values["detection_fixed"] = metrics.detected_from(y, p, threshold, w)
    if not days.enough:
        return BootstrapFigures(values, {})
    day, by = days.day[ranked.order], 1.0 if w is None else w[ranked.order]
    columns = np.array([ranked.figures_in_order(row[day] * by, detections) for row in days.counts]).T
    draws = dict(zip(names, columns, strict=True))
    draws["brier"] = days.mean((p - y) ** 2)
    draws["log_loss"] = days.mean(losses(y, p))
    if threshold is not None:
        draws["suppressed_fixed"] = days.share(p < threshold, y == 0)
        draws["detection_fixed"] = days.share(p >= threshold, y == 1)
    return BootstrapFigures(values, draws)


def gain_at_equal_detection(y: Labels, model: BootstrapFigures, other: Array, days: Days) -> Interval:
    """The noise a model suppresses at its fixed threshold, less what another score (float64[N]) could at best.

    In each draw the other score has the highest threshold that keeps as many of the actionable as the model really
    kept there: hindsight, which the model has not. A model that keeps more than was asked for is not held against one
    that keeps less.
    """
    ranked, by = RankedScores(y, other), 1.0 if days.weights is None else days.weights
    rows = zip(days.counts, model.draws.get("detection_fixed", np.empty(0)), strict=False)
    reached = np.array([ranked.suppressed(row[days.day] * by, float(kept)) for row, kept in rows])
    value = metrics.suppressed_at(y, other, model.values["detection_fixed"], days.weights)
    ours = model.draws.get("suppressed_fixed", np.empty(0))
    return interval(model.values["suppressed_fixed"] - value, ours - reached, days.enough)
