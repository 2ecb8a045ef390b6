"""Drift between the training window and the test part, beside what chance alone would give."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import chi2

from stream.core.features import Array, Feature, Matrix
from stream.lab.judging.findings import Drift
from stream.lab.reference import spread
from stream.models.reference import Spread

FLOOR = 0.1  # a smaller index is no drift, however sure
CHANCE = 0.05  # that any one feature of the whole table is called drifted without being it
_HALF = 0.5  # added to each bin's count, so that none is empty


def judge_drift(training: Matrix, test: Matrix, chosen: Sequence[Feature]) -> list[Drift]:
    """Every feature of float32[n, F] and float32[m, F], the most drifted first."""
    found = [
        _drift(feature, training[:, column].astype(np.float64), test[:, column].astype(np.float64), len(chosen))
        for column, feature in enumerate(chosen)
    ]
    return sorted(found, key=lambda drift: (-drift.psi, drift.feature))


def counted(values: Array, reference: Spread) -> Array:
    """How many values fall in each of the reference's bins, the last one for what is not known: float64[K + 1]."""
    known = values[~np.isnan(values)]
    places = np.searchsorted(np.array(reference.edges), known, side="left")
    counts = np.bincount(places, minlength=len(reference.edges) + 1).astype(np.float64)
    return np.append(counts, len(values) - len(known))


def psi(before: Array, after: Array) -> float:
    """Population stability index of two counts over the same bins; half a row is added to each bin.

    >>> psi(np.array([10.0, 10.0]), np.array([10.0, 10.0]))
    0.0
    """
    shares = [(counts + _HALF) / (counts + _HALF).sum() for counts in (before, after)]
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())


def chance_threshold(before: int, after: int, bins: int, features: int) -> float:
    """What chance stays below: (1/n + 1/m) times the quantile of chi-squared with bins - 1 degrees of freedom.

    Corrected for the number of features (Bonferroni).
    """
    if bins < 2:
        return 0.0
    return (1.0 / before + 1.0 / after) * float(chi2.ppf(1.0 - CHANCE / features, bins - 1))


def shown_only(feature: Feature) -> bool:
    """Time of day, or what grows with the history's age: no reason to ring."""
    return feature.watch == "show"


def _drift(feature: Feature, before: Array, after: Array, features: int) -> Drift:
    reference = spread(before)
    counts = counted(before, reference), counted(after, reference)
    used = (counts[0] + counts[1]) > 0
    index = psi(counts[0][used], counts[1][used])
    threshold = max(chance_threshold(len(before), len(after), int(used.sum()), features), FLOOR)
    shown = shown_only(feature)
    return Drift(
        feature=feature.name, psi=index, threshold=threshold, drifted=index > threshold and not shown, shown_only=shown
    )
