"""The reference of drift, made in training: the spread of features and scores; `models/reference.py` reads it."""

from collections.abc import Collection, Mapping, Sequence

import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from stream.core import drift
from stream.core.events import Raised
from stream.core.frame import Array, Matrix
from stream.lab.design_effects import Effects, Ints, effects, level_effects, level_of
from stream.models.reference import BINS, SCORE, Reference, Spread


class Origin(Struct, frozen=True, eq=False):
    """The origin of a reference's rows, from which design effects are measured.

    `at` is when each alert was raised, seconds since 1970; `labels` are the problem's history labels.
    """

    at: Array
    alerts: Sequence[Raised]
    labels: Sequence[str]
    unseen: dict[str, float]


def spread(values: Array) -> Spread:
    """The spread of values over bins of about equal mass; fewer bins where values repeat.

    >>> found = spread(np.array([0.0, 0.0, 0.0, 1.0]))
    >>> found.edges, found.shares, found.missing
    ([0.0], [0.75, 0.25], 0.0)
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return Spread([], [0.0], 1.0)
    edges = np.unique(np.quantile(known, np.arange(1, BINS) / BINS, method="lower"))
    edges = edges[edges < known.max()]
    counts = np.bincount(np.searchsorted(edges, known, side="left"), minlength=len(edges) + 1)
    shares = [float(count) / len(values) for count in counts]
    return Spread([float(edge) for edge in edges], shares, 1.0 - len(known) / len(values))


def bins_of(values: Array, edges: Sequence[float]) -> Ints:
    """The bin of each value; what is not known (NaN) has the last, len(edges) + 1.

    >>> bins_of(np.array([0.0, 0.5, np.nan]), [0.0])
    array([0, 1, 2])
    """
    found = np.searchsorted(np.array(edges, dtype=np.float64), values, side="left")
    return np.where(np.isnan(values), len(edges) + 1, found).astype(np.int64)


def make_reference(
    matrix: Matrix,
    names: list[str],
    scores: Array,
    label_rate: float,
    origin: Origin | None = None,
    ringing: Collection[str] = (),
) -> bytes:
    """reference.json of float32[n, F] and float64[n] scores; `ringing` are the features that may alert, by name.

    Without an origin, rows count as independent, and nothing rings.
    """
    columns = {name: matrix[:, column].astype(np.float64) for column, name in enumerate(names)}
    by_name = {name: spread(values) for name, values in columns.items()}
    score = spread(scores)
    if origin is not None:
        levels = level_effects(origin.alerts, origin.at, origin.labels)
        score = _clustered(score, scores, origin, None)
        by_name = {
            name: _clustered(found, columns[name], origin, levels.get(level_of(name, origin.labels) or ""))
            for name, found in by_name.items()
        }
    quantiles = chi2_quantiles({**by_name, SCORE: score}, {*ringing, SCORE})
    score = replace(score, chi2=quantiles.get(SCORE))
    by_name = {name: replace(found, chi2=quantiles.get(name)) for name, found in by_name.items()}
    reference = Reference(len(matrix), label_rate, score, by_name, origin.unseen if origin is not None else {})
    return msgspec.json.format(msgspec.json.encode(reference), indent=1) + b"\n"


def chi2_quantiles(spreads: Mapping[str, Spread], ringing: Collection[str]) -> dict[str, float]:
    """By feature, the quantile of chi-squared that none of the `ringing` ones passes by chance (Bonferroni).

    Features of one bin have none: they can't drift. Degrees of freedom are the bins less one; that of missing values
    is one of them.
    """
    from scipy.stats import chi2

    parted = {name: len(spread.shares) for name, spread in spreads.items() if spread.edges}
    share = drift.ALPHA / max(sum(name in ringing for name in parted), 1)
    return {name: round(float(chi2.isf(share, freedom)), 4) for name, freedom in parted.items()}


def _clustered(found: Spread, values: Array, origin: Origin, within: Array | None) -> Spread:
    measured: Effects = effects(bins_of(values, found.edges), len(found.shares) + 1, origin.at, within)
    return replace(found, design_effect=round(measured.day, 3), design_effect_7d=round(measured.week, 3))
