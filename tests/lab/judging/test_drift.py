"""Drift rings for what moved, not for chance, and never for the time of day."""

import numpy as np
import pytest
from msgspec.structs import replace

from stream.core import drift
from stream.core.features import table
from stream.core.frame import Array, Matrix
from stream.lab.judging.drift import WEEK, judge_drift
from stream.lab.reference import spread
from stream.models.reference import Watched

KNOWN = table([], [])
CHOSEN = [KNOWN[name] for name in ("team.rate_7d", "team.open", "hour_sin", "team.decided_30d")]
RNG = np.random.default_rng(11)


def reference_of(matrix: Matrix, effect: float | None = 1.0, weekly: float | None = 1.0) -> Watched:
    """A reference of these rows, with design effects."""
    spreads = {
        feature.name: replace(
            spread(matrix[:, column].astype(np.float64)), design_effect=effect, design_effect_7d=weekly
        )
        for column, feature in enumerate(CHOSEN[: matrix.shape[1]])
    }
    return Watched(len(matrix), 0.5, spreads)


def times(count: int, seconds: float) -> Array:
    """Alerts spread evenly over so many seconds."""
    return np.linspace(0.0, seconds, count)


def test_what_moved_has_drifted() -> None:
    """A shifted rate and a feature no longer known have; the same distribution and shown-only features have not."""
    before = RNG.random((3_000, 4)).astype(np.float32)
    after = RNG.random((1_000, 4)).astype(np.float32)
    reference, at = reference_of(before), times(1_000, WEEK)
    assert not any(one.drifted for one in judge_drift(reference, at, after, CHOSEN))
    after[:, 0] += 0.5
    after[:, 1] = np.nan
    after[:, 2:] += 0.5
    found = {one.feature: one for one in judge_drift(reference, at, after, CHOSEN)}
    assert {name for name, one in found.items() if one.drifted} == {"team.rate_7d", "team.open"}
    assert {name for name, one in found.items() if one.shown_only} == {"hour_sin", "team.decided_30d"}
    assert all(one.psi > one.threshold >= drift.EFFECT_FLOOR for one in found.values())


def test_chance_alone_rings_rarely() -> None:
    """At a hundred rows each, where chance often gives more than 0.1, the corrected threshold is kept."""
    chosen, rung = CHOSEN[:2], 0
    for _ in range(100):
        parts = RNG.random((2, 100, 2)).astype(np.float32)
        rung += any(one.drifted for one in judge_drift(reference_of(parts[0]), times(100, WEEK), parts[1], chosen))
    assert rung <= 10


@pytest.mark.parametrize(("seconds", "effect"), [(WEEK / 2, 3.0), (WEEK, 5.0)])
def test_clustering_is_that_of_the_span(seconds: float, effect: float) -> None:
    """Less than a week of alerts is held to a day's design effect, more to a week's."""
    parts = RNG.random((2, 200, 1)).astype(np.float32)
    (found,) = judge_drift(reference_of(parts[0], 3.0, 5.0), times(200, seconds), parts[1], CHOSEN[:1])
    assert found.threshold == drift.chance_threshold(200, 200, 11, 1, effect)


def test_without_a_design_effect_drift_is_only_shown() -> None:
    """A reference from before clustering was measured has no threshold to believe."""
    before = RNG.random((500, 1)).astype(np.float32)
    (found,) = judge_drift(reference_of(before, None, None), times(500, WEEK), before + 5.0, CHOSEN[:1])
    assert (found.shown_only, found.drifted) == (True, False)
    assert found.psi > found.threshold


def test_nothing_against_nothing() -> None:
    """No alerts, or no reference: no drift."""
    rows = RNG.random((5, 4)).astype(np.float32)
    assert judge_drift(Watched(), times(5, 1.0), rows, CHOSEN) == []
    assert judge_drift(reference_of(rows), np.empty(0), rows[:0], CHOSEN) == []
