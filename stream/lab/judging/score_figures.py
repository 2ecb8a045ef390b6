"""The figures of scores: beside one another, on first alerts, decomposition, reliability, curve, bands."""

from collections.abc import Mapping

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from stream.core.frame import Array, Labels
from stream.core.scoring import Thresholds
from stream.lab.judging import metrics
from stream.lab.judging.bootstrap import BootstrapFigures, Days, days_of, draw, gain_at_equal_detection
from stream.lab.judging.metrics import BINS, MODEL, RankedScores, equal_edges
from stream.lab.judging.report_schema import (
    Band,
    CurvePoint,
    EpisodeFigures,
    Fixed,
    Gain,
    Interval,
    ReliabilityBin,
    ScoreFigures,
)
from stream.lab.weights import weighted_mean

_POINTS = 200  # of a curve


class Compared(Struct, frozen=True, eq=False):
    """Scores on the same alerts, the model's first: bootstrap figures by name, and the model's gain over each other."""

    days: Days
    drawn: dict[str, BootstrapFigures]
    figures: list[ScoreFigures]
    gains: list[Gain]

    @property
    def model(self) -> BootstrapFigures:
        """The model's figures."""
        return self.drawn[MODEL]

    @property
    def others(self) -> dict[str, BootstrapFigures]:
        """The baselines' figures."""
        return {name: one for name, one in self.drawn.items() if name != MODEL}


def compare(
    y: Labels,
    at: Array,
    scores: Mapping[str, Array],
    fixed: Mapping[str, float],
    detection: float,
    seed: int,
    weights: Array | None = None,
) -> Compared:
    """The figures of the model and of other scores on the same alerts, drawn together.

    `at` (seconds since 1970) and each of `scores` are float64[N] beside `y`; `fixed` are thresholds fixed before.
    """
    days = days_of(at, seed, weights=weights)
    drawn = {name: draw(y, p, days, detection, fixed.get(name)) for name, p in scores.items()}
    return Compared(
        days,
        drawn,
        [score_figures(name, y, p, drawn[name], fixed.get(name), weights) for name, p in scores.items()],
        [_gain(y, drawn[MODEL], name, drawn[name], p, days) for name, p in scores.items() if name != MODEL],
    )


def episode_figures(
    y: Labels,
    at: Array,
    episode: NDArray[np.int64],
    scores: Mapping[str, Array],
    fixed: Mapping[str, float],
    detection: float,
    seed: int,
    weights: Array | None = None,
) -> EpisodeFigures | None:
    """The figures on the first alert of each episode, int64[N]; None where these are of one class only."""
    first = np.unique(episode, return_index=True)[1]
    first.sort()
    labels = y[first]
    if labels.min() == labels.max():
        return None
    sets, w = {name: p[first] for name, p in scores.items()}, None if weights is None else weights[first]
    compared = compare(labels, at[first], sets, fixed, detection, seed, w)
    rate = weighted_mean(labels, w)
    return EpisodeFigures(alerts=len(first), rate=rate, scores=compared.figures, gains=compared.gains)


def _gain(y: Labels, model: BootstrapFigures, name: str, other: BootstrapFigures, p: Array, days: Days) -> Gain:
    fixed = "detection_fixed" in model.values
    suppressed = gain_at_equal_detection(y, model, p, days) if fixed else None
    return Gain(over=name, auc=model.gain(other, "auc"), suppressed=suppressed)


def score_figures(
    name: str, y: Labels, p: Array, drawn: BootstrapFigures, threshold: float | None, weights: Array | None = None
) -> ScoreFigures:
    """All figures of a score with intervals; `threshold` was fixed before the test part."""
    reliability, resolution, uncertainty = decompose(y, p, weights)
    fixed = None
    if threshold is not None:
        fixed = Fixed(threshold, drawn.values["detection_fixed"], drawn.values["suppressed_fixed"])
    return ScoreFigures(
        name=name,
        auc=drawn.interval("auc"),
        pr_auc=drawn.interval("pr_auc"),
        brier=drawn.interval("brier"),
        reliability=reliability,
        resolution=resolution,
        uncertainty=uncertainty,
        log_loss=drawn.interval("log_loss"),
        ece=drawn.interval("ece"),
        suppressed_target=drawn.interval("suppressed_target"),
        suppressed_99=drawn.interval("suppressed_99"),
        fixed=fixed,
    )


def bins(y: Labels, p: Array) -> list[tuple[int, float, float]]:
    """Count, mean score and share of actionable of ten bins of equal mass by score, as the ECE has them."""
    return RankedScores(y, p).bins(equal_edges(len(y)))


def decompose(y: Labels, p: Array, weights: Array | None = None) -> tuple[float, float, float]:
    """Reliability, resolution and uncertainty of the Brier score over bins of equal mass (Murphy, 1973)."""
    base, made, total = weighted_mean(y, weights), bins(y, p), float(len(y))
    if weights is not None:
        made, total = [(1, mean, rate) for _, mean, rate in RankedScores(y, p).weighted_bins(weights)], float(BINS)
    reliability = sum(count * (mean - rate) ** 2 for count, mean, rate in made) / total
    resolution = sum(count * (rate - base) ** 2 for count, _, rate in made) / total
    return reliability, resolution, base * (1.0 - base)


def reliability_bins(y: Labels, p: Array, weights: Array | None = None) -> list[ReliabilityBin]:
    """Tenths of the alerts by score, each rate with its Wilson interval; with weights, counts are effective numbers."""
    if weights is not None:
        made = RankedScores(y, p).weighted_bins(weights)
        return [
            ReliabilityBin(max(round(size), 1), mean, wilson(rate, max(round(size), 1))) for size, mean, rate in made
        ]
    return [ReliabilityBin(count, mean, wilson(rate, count)) for count, mean, rate in bins(y, p)]


def wilson(rate: float, count: int) -> Interval:
    """A share of `count` alerts and its 95 % interval (Wilson, 1927), that of the nearest whole number of them.

    >>> found = wilson(0.5, 10)
    >>> round(found.low, 3), round(found.high, 3)
    (0.237, 0.763)
    """
    from scipy.stats import binomtest

    found = binomtest(round(rate * count), count).proportion_ci(method="wilson")
    return Interval(rate, min(float(found.low), rate), max(float(found.high), rate))


def curve(y: Labels, p: Array, weights: Array | None = None) -> list[CurvePoint]:
    """Points of detection and suppression at thresholds all over the score, rising."""
    if weights is not None:
        return _weighted_curve(y, p, weights)
    thresholds = np.unique(np.quantile(p, np.linspace(0.0, 1.0, _POINTS + 1), method="lower"))
    below = [
        np.searchsorted(np.sort(p[y == side]), thresholds, "left") / max(int((y == side).sum()), 1) for side in (0, 1)
    ]
    rows = zip(thresholds.tolist(), (1.0 - below[1]).tolist(), below[0].tolist(), strict=True)
    return [CurvePoint(*row) for row in rows]


def _weighted_curve(y: Labels, p: Array, weights: Array) -> list[CurvePoint]:
    order = np.argsort(p, kind="stable")
    mass = np.cumsum(weights[order]) / weights.sum()
    places = np.minimum(np.searchsorted(mass, np.linspace(0.0, 1.0, _POINTS + 1)), len(p) - 1)
    return [
        CurvePoint(one, metrics.detected_from(y, p, one, weights), metrics.suppressed_below(y, p, one, weights))
        for one in np.unique(p[order][places]).tolist()
    ]


def bands_of(y: Labels, p: Array, edges: Thresholds, weights: Array | None = None) -> list[Band]:
    """The three bands: their edges, share of alerts, share acted on."""
    borders = [0.0, edges.likely_noise, edges.likely_actionable, 1.0]
    made = []
    for place, name in enumerate(("likely_noise", "unsure", "likely_actionable")):
        low, high = borders[place], borders[place + 1]
        within = (p >= low) & ((p < high) | (place == 2))
        w = None if weights is None else weights[within]
        rate = weighted_mean(y[within], w) if within.any() else None
        made.append(Band(name, low, high, weighted_mean(within, weights), rate))
    return made
