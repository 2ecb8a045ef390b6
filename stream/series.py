"""Series that are counted in arrays: whole batches at once, and all of a model's there at zero from the start.

prometheus-client's own counters take a lock and a dictionary per observation and add a `_created` series to each.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

Labels = tuple[str, ...]
Numbers = NDArray[np.int64] | NDArray[np.float64]
_FAMILIES = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}


class _Block(Struct):
    """The series of one key, in the order of their values."""

    labels: list[Labels]
    values: NDArray[np.float64]
    sums: NDArray[np.float64]  # of histograms only


class Grid(Collector):
    """A counter or gauge whose series come in blocks, one a key; a key is the first label values.

    Args:
        kind: counter or gauge.
        name: without the suffix that counters get.
        text: what it is.
        labels: names; those of the key first.
        registry: where it is shown.
    """

    def __init__(
        self,
        kind: Literal["counter", "gauge"],
        name: str,
        text: str,
        labels: Sequence[str],
        registry: CollectorRegistry,
    ) -> None:
        self._kind, self._name, self._text, self._labels = kind, name, text, tuple(labels)
        self._blocks: dict[Labels, _Block] = {}
        registry.register(self)

    def open(self, key: Labels, rest: Sequence[Labels]) -> None:
        """Let a key's series be there, at zero, with these further label values; those that are there stay."""
        if key not in self._blocks:
            self._blocks[key] = _Block([key + one for one in rest], np.zeros(len(rest)), np.empty(0))

    def close(self, key: Labels) -> None:
        """Let a key's series go."""
        self._blocks.pop(key, None)

    def add(self, key: Labels, values: Numbers) -> None:
        """Add to every series of a key, in the order in which it was opened."""
        self._blocks[key].values += values

    def set(self, key: Labels, values: Sequence[float] | Numbers) -> None:
        """Set every series of a key."""
        self._blocks[key].values[:] = values

    def collect(self) -> Iterable[Metric]:
        """The family in Prometheus' terms."""
        family: Any = _FAMILIES[self._kind](self._name, self._text, labels=self._labels)
        for block in list(self._blocks.values()):
            for labels, value in zip(block.labels, block.values.tolist(), strict=True):
                family.add_metric(labels, value)
        yield family


class HistogramGrid(Collector):
    """Histograms that come in blocks, one a key, all with the same edges; see `Grid`."""

    def __init__(
        self, name: str, text: str, labels: Sequence[str], edges: Sequence[float], registry: CollectorRegistry
    ) -> None:
        self._name, self._text, self._labels = name, text, tuple(labels)
        self._edges = [*map(le_of, edges), "+Inf"]
        self._blocks: dict[Labels, _Block] = {}
        registry.register(self)

    def open(self, key: Labels, rest: Sequence[Labels]) -> None:
        """Let a key's histograms be there, empty, with these further label values; those that are there stay."""
        if key not in self._blocks:
            shape = len(rest), len(self._edges)
            self._blocks[key] = _Block([key + one for one in rest], np.zeros(shape), np.zeros(len(rest)))

    def close(self, key: Labels) -> None:
        """Let a key's histograms go."""
        self._blocks.pop(key, None)

    def add(self, key: Labels, counts: Numbers, sums: Numbers) -> None:
        """Add counts by bucket, [H, edges + 1], and sums, [H], to a key's H histograms."""
        block = self._blocks[key]
        block.values += counts.reshape(block.values.shape)
        block.sums += sums.reshape(block.sums.shape)

    def collect(self) -> Iterable[Metric]:
        """The family in Prometheus' terms."""
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        for block in list(self._blocks.values()):
            for labels, counts, total in self._rows(block):
                family.add_metric(labels, buckets=list(zip(self._edges, counts, strict=True)), sum_value=total)
        yield family

    def _rows(self, block: _Block) -> Iterator[tuple[Labels, list[float], float]]:
        cumulated = np.cumsum(block.values, axis=1).tolist()
        return zip(block.labels, cumulated, block.sums.tolist(), strict=True)


class BatchHistogram(HistogramGrid):
    """A histogram that takes many observations at once, without labels."""

    def __init__(self, name: str, text: str, buckets: Sequence[float], registry: CollectorRegistry) -> None:
        super().__init__(name, text, (), buckets, registry)
        self._at = np.array(buckets, dtype=np.float64)
        self.open((), [()])

    def observe_many(self, values: NDArray[np.float64]) -> None:
        """Count every value into its bucket."""
        counts = np.bincount(np.searchsorted(self._at, values), minlength=len(self._at) + 1)
        self.add((), counts, np.array([values.sum()]))


def le_of(edge: float) -> str:
    """An edge as the label `le` holds it.

    >>> le_of(1)
    '1.0'
    """
    return str(float(edge))
