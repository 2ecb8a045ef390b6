"""Drift between a model's reference and later alerts, as the recording rules in Prometheus compute it."""

from collections.abc import Sequence

import numpy as np

from stream.core import drift
from stream.core.features import Feature
from stream.core.frame import Array, Matrix
from stream.lab.judging.report_schema import Drift
from stream.lab.weights import effective_size
from stream.models.reference import Spread, Watched, chance

WEEK = 7.0 * 86_400.0


def judge_drift(
    reference: Watched, at: Array, matrix: Matrix, chosen: Sequence[Feature], weights: Array | None = None
) -> list[Drift]:
    """The drift of every watched feature, the most drifted first; empty where alerts or reference are.

    Args:
        reference: the model's.
        at: when the alerts were raised, seconds since 1970, float64[n].
        matrix: their features, float32[n, F].
        chosen: the F features.
        weights: how many alerts each stands for, float64[n]. As the reference holds every alert, acted on or not, only
            what was picked by its label is weighed. `n` is then the effective number, since n weighted alerts tell
            less than n others.
    """
    if not len(at) or not reference.rows:
        return []
    weekly = float(at.max() - at.min()) >= WEEK
    ringing = sum(one.name in reference.spreads and one.watch == "ring" for one in chosen)
    found = [
        _drift(feature, reference.spreads[feature.name], matrix[:, column], reference.rows, ringing, weekly, weights)
        for column, feature in enumerate(chosen)
        if feature.name in reference.spreads
    ]
    return sorted(found, key=lambda one: (-one.psi, one.feature))


def counted(values: Array, spread: Spread, weights: Array | None = None) -> Array:
    """How many values fall in each of the spread's bins, the last one for what is not known: float64[B].

    With weights these are shares of the effective number of values.
    """
    known = ~np.isnan(values)
    places = np.searchsorted(np.array(spread.edges), values[known], side="left")
    if weights is not None:
        by = weights * (effective_size(weights) / weights.sum())
        counts = np.bincount(places, weights=by[known], minlength=len(spread.edges) + 1)
        return np.append(counts, by[~known].sum())
    counts = np.bincount(places, minlength=len(spread.edges) + 1).astype(np.float64)
    return np.append(counts, len(values) - len(places))


def _drift(
    feature: Feature,
    spread: Spread,
    column: Matrix,
    rows: int,
    ringing: int,
    weekly: bool,
    weights: Array | None,
) -> Drift:
    counts = counted(column.astype(np.float64), spread, weights)
    size = len(column) if weights is None else max(round(effective_size(weights)), 1)
    shares = [*spread.shares, spread.missing]
    index = drift.psi(counts, shares, rows)
    effect = spread.design_effect_7d if weekly else spread.design_effect
    threshold = chance(spread, ringing, effect or 1.0) * (1.0 / size + 1.0 / rows)
    shown = feature.watch == "show" or effect is None
    few = size < drift.ROWS_LEAST
    return Drift(
        feature=feature.name,
        psi=index,
        threshold=max(threshold, drift.EFFECT_FLOOR),
        drifted=None if few and not shown else drift.is_significant(index, threshold, size) and not shown,
        shown_only=shown,
        n=size,
    )
