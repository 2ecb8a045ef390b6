"""Decomposition, reliability, curves and bands, by hand and by law."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.scoring import Thresholds
from stream.lab.judging.metrics import Z_95, brier
from stream.lab.judging.score_figures import (
    bands_of,
    compare,
    curve,
    decompose,
    episode_figures,
    reliability_bins,
    wilson,
)


@pytest.mark.slow
def test_a_storm_counts_once() -> None:
    """Figures on first alerts are those of the same alerts without the storm, however long it was."""
    random = np.random.default_rng(3)
    p = random.random(60)
    y = (random.random(60) < p).astype(np.int8)
    at = np.arange(60, dtype=np.float64) * 20_000.0
    storm = np.full(500, 7)
    order = np.insert(np.arange(60), 8, storm)
    scores, fixed = {"model": p, "team_rate": random.random(60)}, {"model": 0.4, "team_rate": 0.5}
    plain = compare(y, at, scores, fixed, 0.95, 7)
    first = episode_figures(
        y[order], at[order], order, {name: one[order] for name, one in scores.items()}, fixed, 0.95, 7
    )
    assert first is not None
    assert (first.alerts, first.rate) == (60, y.mean())
    assert (first.scores, first.gains) == (plain.figures, plain.gains)


def test_first_alerts_of_one_class_have_no_figures() -> None:
    """Where no episode's first alert was acted on there is nothing to rank, and no figure is made up."""
    y, p = np.array([0, 1, 0, 0], dtype=np.int8), np.array([0.1, 0.2, 0.3, 0.4])
    assert episode_figures(y, np.arange(4, dtype=np.float64), np.array([0, 0, 1, 1]), {"model": p}, {}, 0.95, 7) is None


def test_the_decomposition_adds_up() -> None:
    """With one score a bin nothing is hidden: Brier = reliability - resolution + uncertainty."""
    p = np.repeat(np.arange(10) / 10.0, 20)
    y = (np.random.default_rng(2).random(200) < p).astype(np.int8)
    reliability, resolution, uncertainty = decompose(y, p)
    assert reliability - resolution + uncertainty == pytest.approx(brier(y, p))


def test_one_score_for_all_has_no_resolution() -> None:
    """Who says 0.5 of all, half of them actionable, is reliable and resolves nothing."""
    y = np.array([0, 1] * 10, dtype=np.int8)
    assert decompose(y, np.full(20, 0.5)) == pytest.approx((0.0, 0.0, 0.25))


def test_bins_hold_all_alerts() -> None:
    """Ten bins, their counts adding up, their rates within their intervals."""
    p = np.linspace(0.0, 1.0, 103)
    made = reliability_bins((p > 0.4).astype(np.int8), p)
    assert sum(one.count for one in made) == 103
    assert len(made) == 10
    for one in made:
        assert one.rate.low is not None
        assert one.rate.high is not None
        assert 0.0 <= one.rate.low <= one.rate.value <= one.rate.high <= 1.0


def test_wilson_by_hand() -> None:
    """None of ten: the upper bound is z² / (n + z²)."""
    found = wilson(0.0, 10)
    assert found.low == 0.0
    assert found.high == pytest.approx(3.8415 / 13.8415, abs=1e-4)


@given(st.integers(1, 3_000), st.data())
def test_wilson_is_the_closed_form(count: int, data: st.DataObject) -> None:
    """For any whole number of actionable, both bounds are those of Wilson's formula, written out."""
    rate = data.draw(st.integers(0, count)) / count
    square = Z_95**2 / count
    middle = (rate + square / 2) / (1 + square)
    wide = Z_95 / (1 + square) * math.sqrt(rate * (1 - rate) / count + square / (4 * count))
    found = wilson(rate, count)
    assert found.value == rate
    assert found.low == pytest.approx(max(middle - wide, 0.0), abs=1e-9)
    assert found.high == pytest.approx(min(middle + wide, 1.0), abs=1e-9)


def test_a_share_of_split_ties_is_within_its_interval() -> None:
    """Equal scores in two bins give a share of no whole number of alerts; its bounds move by less than one alert."""
    found, below, above = wilson(0.255, 10), wilson(0.2, 10), wilson(0.3, 10)
    assert found.low is not None
    assert found.high is not None
    assert below.low is not None
    assert above.high is not None
    assert below.low <= found.low <= 0.255 <= found.high <= above.high


def test_a_curve_falls_and_rises() -> None:
    """With the threshold, detection falls from 1 and suppression rises from 0."""
    y, p = np.array([0, 0, 1, 1], dtype=np.int8), np.array([0.1, 0.6, 0.5, 0.9])
    points = [(point.threshold, point.detection, point.suppressed) for point in curve(y, p)]
    assert points == [(0.1, 1.0, 0.0), (0.5, 1.0, 0.5), (0.6, 0.5, 0.5), (0.9, 0.5, 1.0)]


def test_bands_share_out_all_alerts() -> None:
    """An edge belongs to the band above it; an empty band has no rate."""
    y, p = np.array([0, 1, 1, 1], dtype=np.int8), np.array([0.1, 0.5, 0.7, 1.0])
    bands = bands_of(y, p, Thresholds(likely_noise=0.2, likely_actionable=0.5))
    assert [(band.share, band.rate) for band in bands] == [(0.25, 0.0), (0.0, None), (0.75, 1.0)]
