"""The bootstrap by day: the weighted figures are the plain ones, and intervals hold what they are of."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.core.frame import Array
from stream.lab.judging import metrics
from stream.lab.judging.bootstrap import DAY, LEAST_DAYS, Sorted, days_of, draw, interval
from stream.lab.judging.metrics import Labels

ROWS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 8), st.integers(0, 3)), min_size=2, max_size=60)


def sample(days: int, seed: int = 3, each: int = 30) -> tuple[Labels, Array, Array]:
    """Outcomes drawn from their scores, and the times of the raises."""
    rng = np.random.default_rng(seed)
    p = rng.random(days * each)
    return (rng.random(len(p)) < p).astype(np.int8), p, np.arange(len(p)) * DAY / each


@given(ROWS)
def test_equal_weights_give_the_plain_figures(rows: list[tuple[int, int, int]]) -> None:
    """AUC and suppression of rows that all weigh 1 are those of the metrics, whatever the ties."""
    y = np.array([row[0] for row in rows], dtype=np.int8)
    p = np.array([row[1] / 8.0 for row in rows])
    found = Sorted(y, p).figures(np.ones(len(y)), (0.9,))
    if y.min() == y.max():
        assert all(math.isnan(value) for value in found)
        return
    assert found[0] == pytest.approx(metrics.auc(y, p))
    assert found[3] == pytest.approx(metrics.suppressed_at(y, p, 0.9))
    if len(y) % metrics.BINS == 0:
        assert found[2] == pytest.approx(metrics.ece(y, p))


@given(ROWS)
def test_a_weight_is_so_many_copies(rows: list[tuple[int, int, int]]) -> None:
    """A row of weight 3 counts as three rows of weight 1, in every figure."""
    y = np.array([row[0] for row in rows], dtype=np.int8)
    p = np.array([row[1] / 8.0 for row in rows])
    weights = np.array([row[2] for row in rows])
    copies = np.repeat(np.arange(len(y)), weights)
    if not len(copies):
        return
    one = Sorted(y, p).figures(weights.astype(np.float64), (0.95,))
    other = Sorted(y[copies], p[copies]).figures(np.ones(len(copies)), (0.95,))
    assert one == pytest.approx(other, nan_ok=True)


def test_average_precision_by_hand() -> None:
    """Two of four actionable, ranked first and third: (1 + 2/3) / 2."""
    y, p = np.array([1, 0, 1, 0], dtype=np.int8), np.array([0.9, 0.8, 0.7, 0.6])
    assert Sorted(y, p).figures(np.ones(4), ())[1] == pytest.approx((1 + 2 / 3) / 2)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1_000))
def test_an_interval_holds_its_value(seed: int) -> None:
    """Every figure lies within its own interval, and that is not a point."""
    y, p, at = sample(14, seed)
    drawn = draw(y, p, days_of(at, seed, draws=50), 0.95, 0.2)
    for name in drawn.values:
        found = drawn.interval(name)
        assert found.low is not None
        assert found.high is not None
        assert found.low <= found.value <= found.high
        assert found.low < found.high


def test_draws_are_seeded_and_by_day() -> None:
    """The same seed draws the same days, as many as there are, and their means are of whole days."""
    _, p, at = sample(12)
    days = days_of(at, 5, draws=20)
    assert np.array_equal(days.counts, days_of(at, 5, draws=20).counts)
    assert (days.counts.sum(axis=1) == 12).all()
    assert days.mean(p)[0] == pytest.approx(np.average(p, weights=days.counts[0][days.day]))


def test_few_days_give_no_interval() -> None:
    """Below the least number of days there is a value, and no bounds."""
    y, p, at = sample(LEAST_DAYS - 1)
    drawn = draw(y, p, days_of(at, 1), 0.95, 0.2)
    assert drawn.interval("auc").value == metrics.auc(y, p)
    assert drawn.interval("auc").low is None
    assert drawn.gain(drawn, "auc").high is None


def test_a_gain_over_itself_is_nothing() -> None:
    """Paired draws of one score cancel out exactly."""
    y, p, at = sample(14)
    drawn = draw(y, p, days_of(at, 1, draws=50), 0.95, 0.2)
    gain = drawn.gain(drawn, "suppressed_fixed")
    assert (gain.value, gain.low, gain.high) == (0.0, 0.0, 0.0)


def test_draws_without_the_figure_are_left_out() -> None:
    """NaN draws do not make NaN bounds."""
    found = interval(0.5, np.array([math.nan, 0.4, 0.6]), True)
    assert found.low == pytest.approx(0.405)
