"""How far what is observed lies from what training saw, and what chance alone would give. DRIFT.md derives it.

Counts are by bin, what is not known (NaN) in a bin of its own at the end. The recording rules in Prometheus are the
same arithmetic over summed counters.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

EFFECT_FLOOR = 0.1  # a smaller index is no drift worth a person's time, however sure
ALPHA = 0.01  # of a false ring, by model, window and evaluation, over all watched features together
ROWS_LEAST = 100  # in fewer, bins hold too little to say anything
_HALF = 0.5  # added to each bin's count, so that no share is zero


def psi(observed: Sequence[float] | Array, shares: Sequence[float] | Array, rows: float) -> float:
    """Population stability index: the sum over bins of (o - r) ln(o / r), of smoothed shares.

    Args:
        observed: counts of each of B bins, the last for what is not known.
        shares: of the same bins in the reference, of sum 1.
        rows: how many rows the reference holds.

    >>> psi([10.0, 10.0, 0.0], [0.5, 0.5, 0.0], 20)
    0.0
    >>> round(psi([20.0, 80.0, 0.0], [0.5, 0.5, 0.0], 1000), 3)
    0.415
    """
    return float(psi_each(np.asarray(observed, dtype=np.float64), shares, rows))


def psi_each(observed: Array, shares: Sequence[float] | Array, rows: float) -> Array:
    """The same of many windows at once: float64[..., B] to float64[...]."""
    o, r = _smoothed(observed, shares, rows)
    return np.asarray(((o - r) * np.log(o / r)).sum(axis=-1))


def jensen_shannon(observed: Sequence[float] | Array, shares: Sequence[float] | Array, rows: float) -> float:
    """Jensen-Shannon divergence to base 2, from 0 (the same) to 1 (nothing in common), smoothed as `psi` is.

    >>> round(jensen_shannon([20.0, 80.0, 0.0], [0.5, 0.5, 0.0], 1000), 3)
    0.073
    """
    o, r = _smoothed(observed, shares, rows)
    middle = (o + r) / 2.0
    return max(0.0, float(((o * np.log2(o / middle)) + (r * np.log2(r / middle))).sum() / 2.0))


def chi2_quantile(probability: float, df: float) -> float:
    """Quantile of chi-squared by Wilson and Hilferty (1931).

    For probabilities from 0.9 to 0.9999: within 8 % of the true one at 1 degree of freedom, 5 % at 2 and 2.5 % from 5
    on. From 0.999 on it is never below it, so a threshold errs on the quiet side.

    Raises:
        ValueError: the probability is not between 0 and 1, or df not above 0.

    >>> round(chi2_quantile(0.95, 9), 2)
    16.9
    """
    if not (0.0 < probability < 1.0 and df > 0.0):
        raise ValueError(f"chi2_quantile({probability}, {df}): give a probability between 0 and 1, and df above 0")
    spread = 2.0 / (9.0 * df)
    root = 1.0 - spread + NormalDist().inv_cdf(probability) * math.sqrt(spread)
    return float(df * max(root, 0.0) ** 3)


def chance(bins: int, watched: int, design_effect: float = 1.0, alpha: float = ALPHA) -> float:
    """What (1/n + 1/m) is multiplied with: the design effect times the quantile that none of `watched` features
    passes by chance, but with probability `alpha` (Bonferroni). Zero for fewer than two bins: nothing can drift.

    >>> round(chance(11, 1), 1)
    23.2
    >>> round(chance(11, 50, design_effect=2.0), 1)
    68.2
    """
    if bins < 2:
        return 0.0
    return max(design_effect, 1.0) * chi2_quantile(1.0 - alpha / max(watched, 1), bins - 1)


def chance_threshold(
    n: float, m: float, bins: int, watched: int, design_effect: float = 1.0, alpha: float = ALPHA
) -> float:
    """What an index of n observed rows against m in the reference stays below by chance; infinite where either is 0.

    >>> round(chance_threshold(400, 12_000, bins=11, watched=50), 3)
    0.088
    """
    if n <= 0.0 or m <= 0.0:
        return math.inf
    return chance(bins, watched, design_effect, alpha) * (1.0 / n + 1.0 / m)


def is_significant(index: float, threshold: float, n: float) -> bool:
    """Whether an index is drift worth an alert: enough rows, above what chance gives, and above the effect floor.

    >>> is_significant(0.15, 0.09, 400), is_significant(0.15, 0.2, 400)
    (True, False)
    >>> is_significant(0.09, 0.01, 4000), is_significant(3.0, 0.5, 60)
    (False, False)
    """
    return n >= ROWS_LEAST and index > threshold and index > EFFECT_FLOOR


def _smoothed(observed: Sequence[float] | Array, shares: Sequence[float] | Array, rows: float) -> tuple[Array, Array]:
    o, r = np.asarray(observed, dtype=np.float64), np.asarray(shares, dtype=np.float64) * rows
    return (o + _HALF) / (o.sum(axis=-1, keepdims=True) + _HALF * len(r)), (r + _HALF) / (rows + _HALF * len(r))
