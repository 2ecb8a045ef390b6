"""Every figure equals its definition, written out naively."""

import doctest
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stream.core.frame import Array, Labels
from stream.lab import export, reference
from stream.lab.judging import baselines, metrics
from stream.lab.judging.metrics import RankedScores
from stream.lab.learning import calibration

scored = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.7, 0.99, 1.0]) | st.floats(0, 1)),
    min_size=1,
    max_size=60,
)
ROWS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 8), st.integers(0, 3)), min_size=2, max_size=60)
Scored = list[tuple[int, float]]


def columns(pairs: Scored) -> tuple[Labels, Array]:
    """Labels and scores."""
    return np.array([y for y, _ in pairs], dtype=np.int8), np.array([p for _, p in pairs], dtype=np.float64)


@pytest.mark.parametrize("module", [metrics, baselines, calibration, export, reference])
def test_examples_in_docstrings_hold(module: object) -> None:
    """The doctests of the lab."""
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]  # a module


@given(scored)
def test_auc_is_the_share_of_pairs_ranked_right(pairs: Scored) -> None:
    """Against all pairs, ties counting half."""
    y, p = columns(pairs)
    good, bad = p[y == 1], p[y == 0]
    if not len(good) or not len(bad):
        assert math.isnan(metrics.auc(y, p))
        return
    wins = sum(2 * (a > b) + (a == b) for a in good for b in bad)
    assert metrics.auc(y, p) == pytest.approx(float(Fraction(int(wins), 2 * len(good) * len(bad))))


@given(scored, st.randoms())
def test_no_figure_depends_on_the_order_of_alerts(pairs: Scored, random: "np.random.Generator") -> None:
    """Shuffled, equal scores included, every figure stays."""
    shuffled = list(pairs)
    random.shuffle(shuffled)
    (y, p), (y2, p2) = columns(pairs), columns(shuffled)
    assert metrics.ece(y, p) == pytest.approx(metrics.ece(y2, p2))
    assert metrics.brier(y, p) == pytest.approx(metrics.brier(y2, p2))
    assert metrics.log_loss(y, p) == pytest.approx(metrics.log_loss(y2, p2))
    assert metrics.auc(y, p) == pytest.approx(metrics.auc(y2, p2), nan_ok=True)


@given(scored, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_suppression_is_at_the_highest_threshold_that_detects_enough(pairs: Scored, detection: float) -> None:
    """Every score is tried as the threshold; the highest that keeps enough is the one."""
    y, p = columns(pairs)
    assume(0 < y.sum() < len(y))
    enough = [t for t in p if np.mean(p[y == 1] >= t) >= detection - 1e-12]
    threshold = max(t for t in enough if t in p[y == 1])
    assert metrics.threshold_for(y, p, detection) == threshold
    assert metrics.suppressed_at(y, p, detection) == np.mean(p[y == 0] < threshold)
    assert metrics.detected_from(y, p, threshold) >= detection - 1e-12


@given(st.floats(0, 1), st.lists(st.integers(0, 1), min_size=1, max_size=40))
def test_calibration_of_one_score_is_its_distance_from_the_rate(score: float, labels: list[int]) -> None:
    """All scores equal: ECE is |rate - score|, whatever the bins."""
    y, p = columns([(label, score) for label in labels])
    assert metrics.ece(y, p) == pytest.approx(abs(y.mean() - score), abs=1e-12)


def test_calibration_of_distinct_scores_is_that_of_ten_equal_bins() -> None:
    """Against bins written out; without ties no sharing takes place."""
    rng = np.random.default_rng(0)
    p = rng.permutation(np.linspace(0.01, 0.99, 1_000))
    y = (rng.random(1_000) < p**2).astype(np.int8)
    order = np.argsort(p)
    bins = [order[start : start + 100] for start in range(0, 1_000, 100)]
    assert metrics.ece(y, p) == pytest.approx(np.mean([abs(y[part].mean() - p[part].mean()) for part in bins]))


@given(scored)
def test_ece_is_the_gap_of_each_bin_by_its_size(pairs: Scored) -> None:
    """Against a loop over the sorted alerts, cut into ten parts; alerts of one score count as their common rate."""
    y, p = columns(pairs)
    rate = {score: Fraction(int(y[p == score].sum()), int((p == score).sum())) for score in set(p.tolist())}
    ordered = sorted(p.tolist())
    gap, start = Fraction(0), 0
    for number in range(10):
        size = len(y) // 10 + (number < len(y) % 10)
        part = ordered[start : start + size]
        gap += abs(sum((rate[score] - Fraction(score) for score in part), Fraction(0)))
        start += size
    assert start == len(y)
    assert metrics.ece(y, p) == pytest.approx(float(gap / len(y)), abs=1e-12)


@given(ROWS)
def test_equal_weights_give_the_plain_figures(rows: list[tuple[int, int, int]]) -> None:
    """AUC and suppression of rows that all weigh 1 are those of the metrics, whatever the ties."""
    y = np.array([row[0] for row in rows], dtype=np.int8)
    p = np.array([row[1] / 8.0 for row in rows])
    found = RankedScores(y, p).figures(np.ones(len(y)), (0.9,))
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
    one = RankedScores(y, p).figures(weights.astype(np.float64), (0.95,))
    other = RankedScores(y[copies], p[copies]).figures(np.ones(len(copies)), (0.95,))
    assert one == pytest.approx(other, nan_ok=True)


def test_average_precision_by_hand() -> None:
    """Two of four actionable, ranked first and third: (1 + 2/3) / 2."""
    y, p = np.array([1, 0, 1, 0], dtype=np.int8), np.array([0.9, 0.8, 0.7, 0.6])
    assert RankedScores(y, p).figures(np.ones(4), ())[1] == pytest.approx((1 + 2 / 3) / 2)


def test_certain_and_wrong_is_finite() -> None:
    """A score of 0 or 1 that is wrong costs a lot, not infinity."""
    y, p = columns([(0, 1.0), (1, 0.0)])
    assert 30 < metrics.log_loss(y, p) < 40
    assert metrics.brier(y, p) == 1.0


def test_nothing_to_detect_or_suppress_is_nan() -> None:
    """One class only: no threshold, no share."""
    y, p = columns([(0, 0.5), (0, 0.6)])
    assert math.isnan(metrics.threshold_for(y, p, 0.95))
    assert math.isnan(metrics.detected_from(y, p, 0.5))
    assert math.isnan(metrics.suppressed_below(1 - y, p, 0.5))
