"""Drift's arithmetic: laws of the indices, and a threshold that chance passes as seldom as stated."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import gammaincinv

from stream.core import drift
from stream.core.frame import Array

ROWS = st.integers(1, 100_000)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Array, Array]:
    """Two counts over the same bins, neither of nothing."""
    bins = draw(st.integers(2, 12))
    counts = st.lists(st.integers(0, 10_000), min_size=bins, max_size=bins).filter(any)
    return np.array(draw(counts), dtype=np.float64), np.array(draw(counts), dtype=np.float64)


@given(pairs(), ROWS)
def test_the_same_is_no_drift(pair: tuple[Array, Array], rows: int) -> None:
    """PSI(x, x) = 0 and so is Jensen-Shannon, whatever x."""
    counts = pair[0]
    shares = counts / counts.sum()
    assert drift.psi(shares * rows, shares, rows) == pytest.approx(0.0, abs=1e-12)
    assert drift.jensen_shannon(shares * rows, shares, rows) == pytest.approx(0.0, abs=1e-12)


@given(pairs())
def test_indices_are_symmetric_finite_and_bounded(pair: tuple[Array, Array]) -> None:
    """Swapping what is observed and the reference changes nothing; empty bins make nothing infinite."""
    one, other = pair
    there = one, other / other.sum(), other.sum()
    back = other, one / one.sum(), one.sum()
    assert 0.0 <= drift.psi(*there) == pytest.approx(drift.psi(*back), rel=1e-9, abs=1e-12)
    assert 0.0 <= drift.jensen_shannon(*there) == pytest.approx(drift.jensen_shannon(*back), rel=1e-9, abs=1e-9)
    assert drift.jensen_shannon(*there) <= 1.0
    assert math.isfinite(drift.psi(*there))


def test_nothing_observed_is_finite() -> None:
    """No row at all gives an index, and one that never rings."""
    index = drift.psi([0.0, 0.0, 0.0], [0.5, 0.5, 0.0], 1000)
    assert math.isfinite(index)
    assert not drift.is_significant(index, drift.chance_threshold(0, 1000, 3, 1), 0)


@given(ROWS, ROWS, st.integers(2, 12), st.integers(1, 60), st.floats(1.0, 50.0))
def test_more_data_lowers_the_threshold(n: int, m: int, bins: int, watched: int, effect: float) -> None:
    """More rows on either side lower it; more features, more bins and a larger design effect raise it."""
    threshold = drift.chance_threshold(n, m, bins, watched, effect)
    assert drift.chance_threshold(n + 1, m, bins, watched, effect) < threshold
    assert drift.chance_threshold(n, m + 1, bins, watched, effect) < threshold
    assert drift.chance_threshold(n, m, bins, watched + 1, effect) > threshold
    assert drift.chance_threshold(n, m, bins + 1, watched, effect) > threshold
    assert drift.chance_threshold(n, m, bins, watched, effect * 2) == pytest.approx(2 * threshold)


@pytest.mark.parametrize(("df", "within"), [(1, 0.08), (2, 0.05), (5, 0.025), (9, 0.015), (11, 0.012), (100, 0.002)])
def test_quantile_is_as_exact_as_stated(df: int, within: float) -> None:
    """Against scipy, from 0.9 to 0.9999; in the far tail never below the truth."""
    for probability in (0.9, 0.95, 0.99, 0.999, 0.9998, 0.9999):
        exact = 2.0 * float(gammaincinv(df / 2.0, probability))
        assert drift.chi2_quantile(probability, df) == pytest.approx(exact, rel=within)
        assert probability < 0.999 or drift.chi2_quantile(probability, df) >= exact


@pytest.mark.parametrize(("probability", "df"), [(0.0, 3.0), (1.0, 3.0), (0.5, 0.0), (math.nan, 3.0)])
def test_quantile_refuses_nonsense(probability: float, df: float) -> None:
    """Probabilities that are none, and no degree of freedom."""
    with pytest.raises(ValueError, match="give a probability"):
        drift.chi2_quantile(probability, df)


def test_one_bin_and_no_rows() -> None:
    """What has a single bin can't drift, and nothing is certain from no rows."""
    assert drift.chance(1, 40) == 0.0
    assert drift.chance_threshold(0, 100, 5, 1) == math.inf
    assert drift.chance_threshold(100, 0, 5, 1) == math.inf


@pytest.mark.parametrize(("n", "m"), [(400, 12_000), (2_800, 12_000), (100, 100)])
def test_chance_passes_as_seldom_as_stated(n: int, m: int) -> None:
    """Independent rows of one spread over ten bins pass the 5 % threshold at most 6 times in 100, and 3 at least."""
    rng, shares = np.random.default_rng(11), np.full(10, 0.1)
    passed = 0
    for _ in range(4_000):
        reference = rng.multinomial(m, shares)
        index = drift.psi(rng.multinomial(n, shares).astype(float), reference / m, m)
        passed += index > drift.chance_threshold(n, m, 10, 1, alpha=0.05)
    assert 0.03 < passed / 4_000 < 0.06
