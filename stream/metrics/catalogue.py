"""The types of a catalogue of metrics: each entry holds a metric's name, meaning and labels."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, Literal, TypeVar, overload

from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from stream.metrics.series import BatchHistogram, Grid, HistogramGrid

PREFIX = "noisegate_"
Kind = Literal["counter", "gauge", "histogram"]
M = TypeVar("M")


class Label(Struct, frozen=True):
    """One label of a metric; `values` where they are a closed set."""

    name: str
    values: tuple[str, ...] = ()


class Entry(Generic[M]):
    """One line of a catalogue. On an instance of the catalogue it is the metric itself.

    Args:
        kind: counter, gauge or histogram.
        name: without `noisegate_` and without the suffix that counters get.
        meaning: what is counted or measured, in base units; the help text of /metrics and the sentence in the docs.
        labels: in the order in which the metric takes their values.
        make: makes the metric on a registry.
    """

    def __init__(
        self, kind: Kind, name: str, meaning: str, labels: Sequence[Label], make: Callable[[CollectorRegistry], M]
    ) -> None:
        self.kind, self.name, self.meaning, self.labels, self.make = kind, name, meaning, tuple(labels), make
        self.attribute = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.attribute = name

    @overload
    def __get__(self, instance: None, owner: type) -> "Entry[M]": ...

    @overload
    def __get__(self, instance: "Catalogue", owner: type) -> M: ...

    def __get__(self, instance: "Catalogue | None", owner: type) -> "Entry[M] | M":
        if instance is None:
            return self
        made: M = instance.__dict__[self.attribute]
        return made

    @property
    def exposed(self) -> str:
        """The name on /metrics, of a histogram without the suffixes of its series."""
        return f"{PREFIX}{self.name}{'_total' if self.kind == 'counter' else ''}"


class Catalogue:
    """Metrics on one registry; subclasses list them as entries.

    Args:
        registry: what /metrics shows; one of its own unless given.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        disable_created_metrics()  # type: ignore[no-untyped-call]  # they double the series and nothing asks for them
        for entry in entries(type(self)):
            self.__dict__[entry.attribute] = entry.make(self.registry)


def entries(catalogue: type[Catalogue]) -> Iterator[Entry[Any]]:
    """The lines of a catalogue, in order."""
    return (entry for entry in vars(catalogue).values() if isinstance(entry, Entry))


def counter(name: str, meaning: str, *labels: Label) -> Entry[Counter]:
    """A counter; with one label whose values are known, all its series begin at zero."""

    def make(registry: CollectorRegistry) -> Counter:
        made = Counter(PREFIX + name, meaning, _names(labels), registry=registry)
        if len(labels) == 1:
            for value in labels[0].values:  # a counter that begins above zero hides its first step from `increase`
                made.labels(value)
        return made

    return Entry("counter", name, meaning, labels, make)


def gauge(name: str, meaning: str, *labels: Label) -> Entry[Gauge]:
    """A gauge."""
    return Entry("gauge", name, meaning, labels, lambda to: Gauge(PREFIX + name, meaning, _names(labels), registry=to))


def histogram(name: str, meaning: str, buckets: Sequence[float], *labels: Label) -> Entry[Histogram]:
    """A histogram that takes one observation at a time."""

    def make(registry: CollectorRegistry) -> Histogram:
        return Histogram(PREFIX + name, meaning, _names(labels), buckets=buckets, registry=registry)

    return Entry("histogram", name, meaning, labels, make)


def batch_histogram(name: str, meaning: str, buckets: Sequence[float]) -> Entry[BatchHistogram]:
    """A histogram that takes a batch of observations at once."""
    return Entry("histogram", name, meaning, (), lambda to: BatchHistogram(PREFIX + name, meaning, buckets, to))


def counters(name: str, meaning: str, *labels: Label) -> Entry[Grid]:
    """A counter whose series come in blocks; the labels of a block's key come first."""
    return _grid("counter", name, meaning, labels)


def gauges(name: str, meaning: str, *labels: Label) -> Entry[Grid]:
    """A gauge whose series come in blocks; the labels of a block's key come first."""
    return _grid("gauge", name, meaning, labels)


def histograms(name: str, meaning: str, edges: Sequence[float], *labels: Label) -> Entry[HistogramGrid]:
    """A histogram whose series come in blocks; the labels of a block's key come first."""

    def make(registry: CollectorRegistry) -> HistogramGrid:
        return HistogramGrid(PREFIX + name, meaning, _names(labels), edges, registry)

    return Entry("histogram", name, meaning, labels, make)


def _grid(kind: Literal["counter", "gauge"], name: str, meaning: str, labels: Sequence[Label]) -> Entry[Grid]:
    return Entry(kind, name, meaning, labels, lambda to: Grid(kind, PREFIX + name, meaning, _names(labels), to))


def _names(labels: Sequence[Label]) -> tuple[str, ...]:
    return tuple(label.name for label in labels)
