"""Calibration: none, or Platt's sigmoid (Platt, 1999), whichever has the lower log loss on rows unseen by the trees."""

import numpy as np

from stream.core.features import Array
from stream.lab.judging.metrics import Labels, log_loss
from stream.models.manifest import Calibration

_GAIN = 0.001  # nats by which Platt must be better: below it a static split is noise
_STEPS = 50
_LEAST_A = 0.1


def apply(calibration: Calibration, logits: Array) -> Array:
    """Probabilities, float64[N].

    >>> apply(Calibration("platt", 2.0, 0.0), np.array([0.0]))
    array([0.5])
    """
    return np.asarray(1.0 / (1.0 + np.exp(-(calibration.a * logits + calibration.b))))


def choose(y: Labels, logits: Array) -> Calibration:
    """Fit on the earlier half of the rows, compare on the later; rows in order of time."""
    half = len(y) // 2
    plain, tried = Calibration(), fit_platt(y[:half], logits[:half])
    gain = log_loss(y[half:], apply(plain, logits[half:])) - log_loss(y[half:], apply(tried, logits[half:]))
    if gain < _GAIN:
        return plain
    fitted = fit_platt(y, logits)
    return fitted if fitted.a >= _LEAST_A else plain


def fit_platt(y: Labels, logits: Array) -> Calibration:
    """Least log loss of sigmoid(a logit + b), by Newton's method."""
    columns = np.column_stack([logits, np.ones(len(logits))])
    found = np.array([1.0, 0.0])
    for _ in range(_STEPS):
        p = 1.0 / (1.0 + np.exp(-np.clip(columns @ found, -35.0, 35.0)))
        curvature = (columns * (p * (1.0 - p))[:, None]).T @ columns + 1e-6 * np.eye(2)
        step = np.linalg.solve(curvature, columns.T @ (y - p))
        found = found + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-9:
            break
    return Calibration("platt", float(found[0]), float(found[1]))
