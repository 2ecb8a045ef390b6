"""Metrics in arrays: what they show is what prometheus-client's own show of the same observations."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from stream.metrics.series import BatchHistogram, Grid, HistogramGrid

EDGES = (0.1, 0.5, 1, 10)


def samples(registry: CollectorRegistry) -> dict[str, float]:
    """What a page shows, by name and edge, without the times at which series began."""
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        sample.name + sample.labels.get("le", ""): sample.value
        for family in families
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


@given(st.lists(st.lists(st.integers(0, 88).map(lambda eighths: eighths / 8), max_size=9), max_size=4))
def test_a_batch_histogram_is_a_histogram(batches: list[list[float]]) -> None:
    """Whatever comes in which batches, buckets, count and sum are those of one observation after the other."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    batched = BatchHistogram("seconds", "Time", EDGES, ours)
    plain = Histogram("seconds", "Time", buckets=EDGES, registry=theirs)
    for batch in batches:
        batched.observe_many(np.array(batch, dtype=np.float64))
        for value in batch:
            plain.observe(value)
    assert samples(ours) == samples(theirs)


def test_blocks_open_once_and_close() -> None:
    """An open block keeps its counts, a closed one leaves the page, and one that is opened again begins at zero."""
    registry = CollectorRegistry()
    grid = Grid("counter", "seen", "Seen", ("model", "bin"), registry)
    grid.open(("a",), [("0",), ("1",)])
    grid.add(("a",), np.array([2, 3]))
    grid.open(("a",), [("0",)])
    assert registry.get_sample_value("seen_total", {"model": "a", "bin": "1"}) == 3
    grid.close(("a",))
    grid.close(("never",))
    assert registry.get_sample_value("seen_total", {"model": "a", "bin": "1"}) is None
    grid.open(("a",), [("0",)])
    assert registry.get_sample_value("seen_total", {"model": "a", "bin": "0"}) == 0


def test_a_histogram_grid_cumulates() -> None:
    """Counts by bucket become counts up to each edge, by the labels of the block."""
    registry = CollectorRegistry()
    grid = HistogramGrid("scores", "Scores", ("model", "role"), (0.5, 1.0), registry)
    grid.open(("a",), [("champion",)])
    grid.add(("a",), np.array([4, 2, 1]), np.array([3.5]))
    labels = {"model": "a", "role": "champion"}
    found = [registry.get_sample_value("scores_bucket", {**labels, "le": edge}) for edge in ("0.5", "1.0", "+Inf")]
    assert found == [4, 6, 7]
    assert registry.get_sample_value("scores_sum", labels) == 3.5
