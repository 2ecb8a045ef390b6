"""The reference of metrics in the docs, made from the catalogues, so that a metric has one meaning."""

import inspect
from collections.abc import Iterator
from typing import Any

from stream.metrics.catalogue import Catalogue, Entry, Label, entries
from stream.metrics.closer import CloserMetrics
from stream.metrics.intake import IntakeMetrics
from stream.metrics.lane import LaneMetrics
from stream.metrics.relay import RelayMetrics
from stream.metrics.scorer import DriftMetrics, QualityMetrics, ScorerMetrics
from stream.metrics.triage import TriageMetrics

CATALOGUES: dict[str, type[Catalogue]] = {
    "Intake": IntakeMetrics,
    "Relay": RelayMetrics,
    "Triage": TriageMetrics,
    "Lane": LaneMetrics,
    "Scorer": ScorerMetrics,
    "Scorer: drift": DriftMetrics,
    "Scorer: quality": QualityMetrics,
    "Closer": CloserMetrics,
}
"""The sections, by heading."""
_HEAD = """# Metrics

`python -m stream.monitoring write` makes this page from the catalogues in [`stream/metrics`](../stream/metrics).

A process shows on /metrics what its room counts and, for a room on the lane, what the lane counts. Prometheus adds
`job` and `instance`. How figures are made of these metrics: [MONITORING.md](MONITORING.md).
"""


def page() -> str:
    """The page `docs/METRICS.md`, Markdown: one section a catalogue, one row a metric."""
    return "\n".join([_HEAD, *(line for title, each in CATALOGUES.items() for line in _section(title, each))])


def _section(title: str, catalogue: type[Catalogue]) -> Iterator[str]:
    yield from (f"## {title}", "", inspect.getdoc(catalogue) or "", "")
    yield from ("| metric | type | labels | meaning |", "|---|---|---|---|")
    yield from map(_row, entries(catalogue))
    yield ""


def _row(entry: Entry[Any]) -> str:
    labels = "; ".join(map(_label, entry.labels))
    return f"| `{entry.exposed}` | {entry.kind} | {labels} | {entry.meaning} |"


def _label(label: Label) -> str:
    values = ", ".join(f"`{value}`" for value in label.values)
    return f"`{label.name}`: {values}" if values else f"`{label.name}`"
