"""Drift rings for what moved, not for chance, and never for the time of day."""

import numpy as np
import pytest
from scipy.stats import chi2

from stream.core.features import table
from stream.lab.judging.drifting import FLOOR, chance_threshold, judge_drift, psi, shown_only

KNOWN = table([], [])
CHOSEN = [KNOWN[name] for name in ("team.rate_7d", "team.open", "hour_sin", "team.decided_30d")]
RNG = np.random.default_rng(11)


def test_the_same_counts_have_no_index() -> None:
    """PSI(x, x) = 0, and by hand for a shift from 3:1 to 1:3 of many."""
    counts = np.array([3.0, 0.0, 7.0])
    assert psi(counts, counts) == 0.0
    assert psi(np.array([3e6, 1e6]), np.array([1e6, 3e6])) == pytest.approx(np.log(3.0), abs=1e-4)


def test_the_threshold_of_chance() -> None:
    """Two samples of 100, ten bins, five features: a fiftieth of the quantile at 0.99."""
    assert chance_threshold(100, 100, 10, 5) == pytest.approx(0.02 * chi2.ppf(0.99, 9))
    assert chance_threshold(100, 100, 1, 5) == 0.0


def test_what_moved_has_drifted() -> None:
    """A shifted rate and a feature no longer known have; the same distribution and shown-only features have not."""
    before = RNG.random((3_000, 4)).astype(np.float32)
    after = RNG.random((1_000, 4)).astype(np.float32)
    assert not any(drift.drifted for drift in judge_drift(before, after, CHOSEN))
    after[:, 0] += 0.5
    after[:, 1] = np.nan
    after[:, 2:] += 0.5
    found = {drift.feature: drift for drift in judge_drift(before, after, CHOSEN)}
    assert {name for name, drift in found.items() if drift.drifted} == {"team.rate_7d", "team.open"}
    assert {name for name, drift in found.items() if drift.shown_only} == {"hour_sin", "team.decided_30d"}
    assert all(drift.threshold >= FLOOR for drift in found.values())
    assert all(drift.psi > drift.threshold for drift in found.values())


def test_chance_alone_rings_rarely() -> None:
    """At a hundred rows each, where chance often gives more than 0.1, the corrected threshold is kept."""
    chosen = CHOSEN[:2]
    rung = 0
    for _ in range(100):
        parts = RNG.random((2, 100, 2)).astype(np.float32)
        rung += any(drift.drifted for drift in judge_drift(parts[0], parts[1], chosen))
    assert rung <= 15


def test_a_load_is_not_shown_only() -> None:
    """Rates and loads may ring."""
    assert [shown_only(feature) for feature in CHOSEN] == [False, False, True, True]
