"""The bootstrap by day: intervals hold what they are of."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.core.frame import Array, Labels
from stream.lab.judging import metrics
from stream.lab.judging.bootstrap import DAY, LEAST_DAYS, days_of, draw, interval


def sample(days: int, seed: int = 3, each: int = 30) -> tuple[Labels, Array, Array]:
    """Outcomes drawn from their scores, and the times of the raises."""
    rng = np.random.default_rng(seed)
    p = rng.random(days * each)
    return (rng.random(len(p)) < p).astype(np.int8), p, np.arange(len(p)) * DAY / each


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
