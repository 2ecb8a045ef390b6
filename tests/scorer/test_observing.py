"""Live values fall in the bins that the lab's reference was made with."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from stream.metrics.scorer import SCORE_EDGES
from stream.models.reference import Spread
from stream.scorer.metrics.drift import bin_counts, edges_of, score_counts
from tests.core.logs import LAW

singles = st.floats(width=32) | st.sampled_from([0.0, -0.0, 1.0, np.inf, -np.inf, np.nan, 0.10000000149011612])
edges = st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.just(0.1), min_size=1, max_size=9, unique=True)


def strip_control_characters(values: list[float], rising: list[float]) -> list[int]:
    """Bins by the rule's words, one value after another."""
    counts = [0] * 11
    for value in values:
        counts[10 if np.isnan(value) else sum(edge < value for edge in rising)] += 1
    return counts


@LAW
@given(st.lists(st.tuples(singles, singles), max_size=40), edges, edges)
@example([], [0.1], [-3.402823364973241e38])
def test_a_value_falls_in_the_first_bin_whose_edge_is_not_below_it(
    values: list[tuple[float, float]], one: list[float], other: list[float]
) -> None:
    """For any float32, edges in float64, NaN and infinities, whole columns at once as one by one."""
    rising = [sorted(one), sorted(other)]
    matrix = np.array(values, dtype=np.float32).reshape(-1, 2)
    counts = bin_counts(matrix, edges_of([Spread(found, [], 0.0) for found in rising]))
    columns = [matrix[:, column].astype(np.float64).tolist() for column in range(2)]
    assert counts.tolist() == [
        strip_control_characters(values, found) for values, found in zip(columns, rising, strict=True)
    ]


def test_many_alerts_and_features_are_counted_piece_by_piece() -> None:
    """More comparisons than are made at once give the same counts."""
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(5_000, 200)).astype(np.float32)
    found = edges_of([Spread([-0.5, 0.0, 0.5], [], 0.0)] * 200)
    counts = bin_counts(matrix, found)
    assert (counts.sum(axis=1) == 5_000).all()
    assert counts[7, :4].tolist() == np.bincount(np.searchsorted([-0.5, 0.0, 0.5], matrix[:, 7]), minlength=4).tolist()


@LAW
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_scores_are_summed_up_to_each_edge(values: list[float]) -> None:
    """A score at an edge lies below it; the last sum is that of all."""
    counts, sums = score_counts(np.array(values))
    for place, edge in enumerate(SCORE_EDGES):
        below = [value for value in values if value <= edge]
        assert counts[: place + 1].sum() == len(below)
        assert np.isclose(sums[place], sum(below))
    assert counts[-1] == 0
