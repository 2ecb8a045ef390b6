"""Calibration: none, Platt's sigmoid (Platt, 1999), or an isotonic map, by log loss on rows unseen by the trees.

The isotonic map is piecewise linear over the logit: shares of actionable in blocks of equal mass, made to rise by
pooling adjacent violators (Ayer et al., 1955), joined by lines no steeper than float32 can follow. The shares are
smoothed by one alert of each outcome a pooled block, so `scipy.optimize.isotonic_regression`, which pools the shares as
they are, would pool other blocks, and its shares could fall once smoothed.
"""

import numpy as np

from stream.core.frame import Array, Labels
from stream.lab.judging.metrics import log_loss
from stream.lab.learning.plan import CalibrationChoice
from stream.lab.weights import effective_size
from stream.models.manifest import Calibration

_GAIN = 0.001  # nats by which a richer map must be better: below it a static split is noise
_STEPS = 50
_LEAST_A = 0.1
_BLOCKS, _LEAST_BLOCK = 20, 25
_STEEPEST = 2.0  # of the isotonic map, probability per logit: eight times the sigmoid's steepest


def apply(calibration: Calibration, logits: Array) -> Array:
    """Probabilities, float64[N].

    >>> apply(Calibration("platt", 2.0, 0.0), np.array([0.0]))
    array([0.5])
    """
    if calibration.kind == "isotonic":
        return np.interp(logits, calibration.x, calibration.y)
    return np.asarray(1.0 / (1.0 + np.exp(-(calibration.a * logits + calibration.b))))


def choose(y: Labels, logits: Array, how: CalibrationChoice = "auto", weights: Array | None = None) -> Calibration:
    """Fit the one asked for; auto fits on the earlier half, compares on the later; rows in order of time.

    A richer map (none, then Platt, then isotonic) is taken only where it gains a thousandth of a nat. `weights` are how
    many alerts each row stands for.
    """
    if how != "auto":
        return _fit(how, y, logits, weights)
    half = len(y) // 2
    before, after = (None, None) if weights is None else (weights[:half], weights[half:])
    chosen, least = Calibration(), log_loss(y[half:], apply(Calibration(), logits[half:]), after)
    for kind in ("platt", "isotonic"):
        tried = _fit(kind, y[:half], logits[:half], before)
        loss = log_loss(y[half:], apply(tried, logits[half:]), after)
        if tried.kind == kind and least - loss >= _GAIN:
            chosen, least = _fit(kind, y, logits, weights), loss
    return chosen


def _fit(kind: str, y: Labels, logits: Array, weights: Array | None) -> Calibration:
    """None where a map of this kind would turn the order round, or be flat."""
    if kind == "none":
        return Calibration()
    fitted = fit_platt(y, logits, weights) if kind == "platt" else fit_isotonic(y, logits, weights)
    return fitted if kind == "isotonic" or fitted.a >= _LEAST_A else Calibration()


def fit_platt(y: Labels, logits: Array, weights: Array | None = None) -> Calibration:
    """Least log loss of sigmoid(a logit + b), by Newton's method."""
    w = None if weights is None else weights / weights.mean()
    columns = np.column_stack([logits, np.ones(len(logits))])
    found = np.array([1.0, 0.0])
    for _ in range(_STEPS):
        p = 1.0 / (1.0 + np.exp(-np.clip(columns @ found, -35.0, 35.0)))
        slope, miss = p * (1.0 - p), y - p
        if w is not None:
            slope, miss = slope * w, miss * w
        curvature = (columns * slope[:, None]).T @ columns + 1e-6 * np.eye(2)
        step = np.linalg.solve(curvature, columns.T @ miss)
        found = found + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-9:
            break
    return Calibration("platt", float(found[0]), float(found[1]))


def fit_isotonic(y: Labels, logits: Array, weights: Array | None = None) -> Calibration:
    """A rising piecewise-linear map of the logit; no calibration where fewer than two points are left.

    With weights, each block counts as its effective number of rows.
    """
    order = np.argsort(logits, kind="stable")
    blocks = np.array_split(order, max(min(_BLOCKS, len(order) // _LEAST_BLOCK), 1))
    pooled: list[tuple[float, float, float]] = []  # rows, actionable, sum of logits
    for block in blocks:
        if weights is None:
            pooled.append((float(len(block)), float(y[block].sum()), float(logits[block].sum())))
        else:
            by = weights[block] * (effective_size(weights[block]) / weights[block].sum())
            pooled.append((float(by.sum()), float((by * y[block]).sum()), float((by * logits[block]).sum())))
        while len(pooled) > 1 and _rate(pooled[-2]) >= _rate(pooled[-1]):
            last, before = pooled.pop(), pooled.pop()
            pooled.append((before[0] + last[0], before[1] + last[1], before[2] + last[2]))
    points: list[tuple[float, float]] = []
    for entry in pooled:
        x, rate = entry[2] / max(entry[0], 1.0), _rate(entry)
        if not points or x - points[-1][0] > (rate - points[-1][1]) / _STEEPEST:
            points.append((x, rate))
    if len(points) < 2:
        return Calibration()
    return Calibration("isotonic", x=[x for x, _ in points], y=[rate for _, rate in points])


def _rate(entry: tuple[float, float, float]) -> float:
    return (entry[1] + 1.0) / (entry[0] + 2.0)
