"""What live alerts look like: features, scores and categories of a batch, in the bins of the model's reference."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from stream.core.frame import Array, Inputs, Matrix
from stream.metrics.scorer import SCORE_EDGES, DriftMetrics
from stream.models.reference import BINS, FAULTS, SCORE, Spread, chances
from stream.models.model import Model
from stream.series import Grid, Labels, le_of

Counts = NDArray[np.int64]
_EDGES = np.array(SCORE_EDGES)
_CELLS = 4_000_000  # comparisons made at once, so that many features of many alerts fit in memory
_BINS = [*map(str, range(BINS)), "missing"]
EDGE_LABELS: list[Labels] = [(le_of(edge),) for edge in SCORE_EDGES]
FULL_EDGES = len(SCORE_EDGES) + 1


def bin_counts(matrix: Matrix, edges: NDArray[np.float32]) -> Counts:
    """How many of float32[N, F] fall in each bin of each feature: int64[F, 11], the missing last.

    `edges` are float32[F, 9], each row rising and filled up with +inf. A value falls in the first bin whose edge is
    not below it; infinities fall in the first or last bin.
    """
    columns = np.ascontiguousarray(matrix.T)
    features, count = columns.shape
    above = np.zeros((features, BINS - 1), dtype=np.int64)
    step = max(1, _CELLS // max(1, features * (BINS - 1)))
    for start in range(0, count, step):
        beyond = columns[:, None, start : start + step] > edges[:, :, None]
        above += beyond.view(np.uint8).sum(2, dtype=np.uint32)
    missing = np.isnan(columns).view(np.uint8).sum(1, dtype=np.uint32).astype(np.int64)
    counts = np.empty((features, BINS + 1), dtype=np.int64)
    counts[:, 0] = count - missing - above[:, 0]
    counts[:, 1:-2] = above[:, :-1] - above[:, 1:]
    counts[:, -2] = above[:, -1]
    counts[:, -1] = missing
    return counts


def edges_of(spreads: Sequence[Spread]) -> NDArray[np.float32]:
    """Edges for `bin_counts`: float32[F, 9]. Rounded down: a float32 lies above one as above the exact edge."""
    exact = np.full((len(spreads), BINS - 1), np.inf)
    for row, spread in zip(exact, spreads, strict=True):
        row[: len(spread.edges)] = spread.edges
    with np.errstate(over="ignore"):
        rounded = exact.astype(np.float32)
        return np.where(rounded > exact, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def score_counts(probabilities: Array) -> tuple[Counts, Array]:
    """Scores by bucket, int64[28], and their sums up to each edge, float64[27]; a score at an edge lies below it."""
    places = np.searchsorted(_EDGES, probabilities)
    counts = np.bincount(places, minlength=FULL_EDGES)
    sums = np.bincount(places, weights=probabilities, minlength=FULL_EDGES)
    return counts.astype(np.int64), np.cumsum(sums)[:-1].astype(np.float64)


class Observed:
    """One model's series of what it sees, which this opens at zero, with its reference beside them."""

    def __init__(self, model: Model, metrics: DriftMetrics) -> None:
        self._metrics, self._key = metrics, (model.version,)
        self._features = model.manifest.features
        self._keys = list(model.manifest.priors.tables)
        watched = model.reference
        self._columns = [at for at, feature in enumerate(model.table) if feature.name in watched.spreads]
        self._all = len(self._columns) == len(model.table)
        names = [model.table[column].name for column in self._columns]
        self._scored = SCORE in watched.spreads
        names += [SCORE] * self._scored
        spreads = [watched.spreads[name] for name in names]
        self._edges = edges_of(spreads)
        self._there = np.array([_exists(spread) for spread in spreads], dtype=bool).reshape(len(spreads), BINS + 1)
        self._open(model, names, spreads)

    def fits(self, model: Model) -> bool:
        """Whether its columns and priors are these: an unsigned store may have another model under the same name."""
        return model.manifest.features == self._features and list(model.manifest.priors.tables) == self._keys

    def count(self, inputs: Inputs, probabilities: Array) -> None:
        """Add a batch: what the model read of it and said, float64[N]."""
        parts = [inputs.matrix if self._all else inputs.matrix[:, self._columns]]
        if self._scored:
            parts.append(probabilities.astype(np.float32)[:, None])
        counts = bin_counts(np.concatenate(parts, axis=1), self._edges)
        seen = np.array([np.count_nonzero(inputs.known[key]) for key in self._keys], dtype=np.int64)
        self._metrics.observations.add(self._key, counts[self._there])
        if self._keys:
            self._metrics.categories.add(self._key, np.stack([seen, len(probabilities) - seen], axis=1).ravel())

    def _open(self, model: Model, names: Sequence[str], spreads: Sequence[Spread]) -> None:
        metrics, key, watched = self._metrics, self._key, model.reference
        bins = [(name, bin_) for name, there in zip(names, self._there, strict=True) for bin_ in _named(there)]
        shares = [share for spread in spreads for share in (*spread.shares, spread.missing)]
        metrics.observations.open(key, bins)
        _show(metrics.shares, key, bins, shares)
        _show(metrics.rows, key, [()], [watched.rows])
        if watched.label_rate is not None:
            _show(metrics.label_rate, key, [()], [watched.label_rate])
        about = {feature.name: (feature.group, feature.watch) for feature in model.table} | {SCORE: (SCORE, "ring")}
        ringing = sum(about[name][1] == "ring" for name in names)
        told = [
            (name, *one)
            for name, spread in zip(names, spreads, strict=True)
            for one in chances(spread, ringing).items()
        ]
        _show(metrics.chance, key, [(name, window) for name, window, _ in told], [value for *_, value in told])
        _show(metrics.info, key, [(name, *about[name]) for name in names], [1.0] * len(names))
        counts = Counter(watched.faults.values())
        _show(metrics.unwatched, key, [(fault,) for fault in FAULTS], [counts[fault] for fault in FAULTS])
        metrics.categories.open(key, [(name, seen) for name in self._keys for seen in ("yes", "no")])
        unseen = {name: share for name, share in watched.unseen.items() if name in self._keys}
        _show(metrics.unseen, key, [(name,) for name in unseen], list(unseen.values()))
        edges = [model.thresholds.likely_noise, model.thresholds.likely_actionable]
        _show(metrics.thresholds, key, [("likely_noise",), ("likely_actionable",)], edges)


def _exists(spread: Spread) -> list[bool]:
    """Which of the eleven bins a spread has."""
    return [bin_ < len(spread.shares) for bin_ in range(BINS)] + [True]


def _named(there: NDArray[np.bool_]) -> Iterator[str]:
    return (name for name, exists in zip(_BINS, there.tolist(), strict=True) if exists)


def _show(grid: Grid, key: Labels, rest: Sequence[Labels], values: Sequence[float]) -> None:
    grid.open(key, rest)
    grid.set(key, values)
