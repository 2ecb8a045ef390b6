"""Ninety days of acting and training again, simulated: what a hold-out keeps, and what is lost without one.

The limits stand in `benchmarks.acting`; they were stated before this seed was run.
"""

import numpy as np
import pytest

from benchmarks.acting import (
    PLAIN,
    Figures,
    calibration_error,
    is_lost,
    keeps_limits,
    learner,
    measure_worlds,
    section,
    summarised,
)
from benchmarks.acting import WORLDS as ALL_WORLDS
from stream.core.drift import EFFECT_FLOOR
from stream.core.frame import Array, Labels, Matrix
from stream.simulation import acting
from stream.simulation.acting import UNKNOWN, Policy, make_alerts, run

HELD_OUT, UNWEIGHED, FLOOR = (
    "hold-out, weighed",
    "5 % from the first day, not weighed",
    "5 % from the first day, weighed",
)
LOST, NOISE = "no hold-out", "no hold-out, paused is noise"
BELIEVED, HELD_OUT_BELIEVED = "no rule acts, all believe", "hold-out, weighed, all believe"
SEED = 104


@pytest.fixture(scope="module")
def worlds() -> dict[str, Figures]:
    """The same alerts in eight worlds; some ten seconds of a core."""
    return measure_worlds(SEED, names=(HELD_OUT, UNWEIGHED, FLOOR, LOST, NOISE, BELIEVED, HELD_OUT_BELIEVED))


def always(probability: float) -> acting.Learn:
    """A model that gives every alert the same score."""

    def learn(matrix: Matrix, y: Labels, p_act: Array) -> acting.Predict:
        return lambda rows: np.full(len(rows), probability)

    return learn


@pytest.mark.slow
def test_with_a_hold_out_scores_stay_calibrated_on_all_alerts(worlds: dict[str, Figures]) -> None:
    """By what needed people, over all alerts, paused ones included: within the limits; the judged rate is the true."""
    assert keeps_limits(worlds[HELD_OUT], worlds[PLAIN])
    assert not is_lost(worlds[HELD_OUT], worlds[PLAIN])
    assert worlds[HELD_OUT].turned_score > 0.5 * worlds[HELD_OUT].turned_need


@pytest.mark.slow
def test_without_a_hold_out_they_do_not(worlds: dict[str, Figures]) -> None:
    """What is paused is never seen again: pairs that turned are scored too low, and the lab judges another world."""
    assert is_lost(worlds[LOST], worlds[PLAIN])
    assert not keeps_limits(worlds[LOST], worlds[PLAIN])
    assert worlds[LOST].auc < worlds[HELD_OUT].auc


@pytest.mark.slow
def test_a_pause_that_counts_as_noise_proves_itself_right(worlds: dict[str, Figures]) -> None:
    """The lab then sees a nearly perfect model, while half of what needs people is kept from them."""
    found = worlds[NOISE]
    assert found.judged_error < 0.02 < 0.05 < found.error
    assert found.judged_auc > 0.9 > 0.85 > found.auc
    assert found.turned_score < 0.02 < 0.1 < found.turned_need
    assert found.missed > 0.3


@pytest.mark.slow
def test_weights_make_the_judged_rate_the_true_one(worlds: dict[str, Figures]) -> None:
    """With 5 % held out, the plain rate of the labels is far above the rate of all alerts; the weighed one is near it,
    and says by the effective sample size that it rests on little."""
    weighed, plain = worlds[FLOOR], worlds[UNWEIGHED]
    assert abs(weighed.judged_rate - weighed.rate) < 0.5 * abs(plain.judged_rate - plain.rate)
    assert plain.judged_rate > 1.5 * plain.rate
    assert weighed.effective < 0.4 * weighed.labels


@pytest.mark.slow
def test_history_that_grows_by_the_hold_out_is_thinner_and_drifts(worlds: dict[str, Figures]) -> None:
    """Strong evidence becomes some, and rates and counts of the history move by more than drift's effect floor."""
    plain, found = worlds[PLAIN], worlds[FLOOR]
    assert plain.evidence[acting.STRONG] > 0.8
    assert found.evidence[acting.STRONG] < 0.6 * plain.evidence[acting.STRONG]
    assert plain.drift["pair.decided_30d"] == 0.0
    for name in ("team.rate_30d", "pair.rate_30d", "pair.decided_30d"):
        assert found.drift[name] > EFFECT_FLOOR
    assert found.drift["severity"] < EFFECT_FLOOR  # what stands in the alert does not move


@pytest.mark.slow
def test_people_who_believe_the_score_make_it_true(worlds: dict[str, Figures]) -> None:
    """Where all act by the score, it sinks to nothing, looks perfect by its own labels, and no hold-out shows it."""
    for name in (BELIEVED, HELD_OUT_BELIEVED):
        found = worlds[name]
        assert found.turned_score < 0.02 < 0.1 < found.turned_need
        assert found.judged_rate < 0.8 * found.rate
        assert found.judged_auc > found.auc + 0.1


@pytest.mark.slow
def test_the_part_of_the_results_holds_every_world(worlds: dict[str, Figures]) -> None:
    """A row in each table for each world, and the limits with how often they held."""
    every = {name: worlds.get(name, worlds[PLAIN]) for name in ALL_WORLDS}
    text = section(summarised({SEED: every}))
    for name in ALL_WORLDS:
        assert text.count(f"| {name} |") == 2
    assert "held in 1 of 1 seeds" in text


def test_worlds_differ_only_in_what_is_done() -> None:
    """The same seed fires the same alerts; storms come whole, and days follow each other."""
    alerts, again = make_alerts(3, 40.0), make_alerts(3, 40.0)
    for name in alerts.__struct_fields__:
        np.testing.assert_array_equal(getattr(alerts, name), getattr(again, name))
    assert bool((np.diff(alerts.hour) >= 0).all())
    _, sizes = np.unique(np.stack([alerts.hour, alerts.pair]), axis=1, return_counts=True)
    assert sizes.max() >= acting.STORM_SIZES[0]
    assert 0.0 < alerts.turned.mean() < 0.2


def test_what_a_rule_pauses_has_no_label_and_whole_hours_are_held_out() -> None:
    """With half held out, each team's hour is left alone as a whole or not at all, and labels are missing elsewhere."""
    alerts = make_alerts(5, 40.0)
    done = run(alerts, Policy(), always(0.05))
    matched = done.p_act > 0.0
    assert matched.any()
    np.testing.assert_array_equal(done.paused, matched & (done.label == UNKNOWN))
    assert bool((done.label[~matched] != UNKNOWN).all())
    arms = {}
    for hour, team, paused in zip(alerts.hour[matched], alerts.team[matched], done.paused[matched], strict=True):
        assert arms.setdefault((hour, team), paused) == paused
    assert not done.paused[alerts.day < acting.BEFORE_DAYS].any()
    assert bool((np.diff(done.share[acting.BEFORE_DAYS :]) <= 0.0).all())  # it never rises


def test_nothing_is_held_out_without_a_hold_out() -> None:
    """All that matches is paused; where nobody acts nothing is."""
    alerts = make_alerts(5, 40.0)
    done, none = (run(alerts, policy, always(0.05)) for policy in (Policy(floor=0.0), Policy(acts=False)))
    np.testing.assert_array_equal(done.paused, done.p_act == 1.0)
    assert not none.paused.any()
    assert none.tripped_day is None


def test_calibration_error_is_that_of_bins() -> None:
    """Scores that are the needs have none, and scores that are off by a tenth have a tenth."""
    need = np.linspace(0.1, 0.9, 200)
    assert calibration_error(need, need) == pytest.approx(0.0)
    assert calibration_error(need - 0.1, need) == pytest.approx(0.1)


def test_the_learner_is_the_labs_and_weighs() -> None:
    """Half of the quiet alerts held out of ten: weights bring the mean score to the rate of all alerts."""
    rng = np.random.default_rng(1)
    quiet = rng.random(4_000) < 0.5
    y = (rng.random(4_000) < np.where(quiet, 0.05, 0.5)).astype(np.int8)
    kept = ~quiet | (rng.random(4_000) < 0.1)
    noise = np.zeros((4_000, 1), dtype=np.float32)  # nothing to tell alerts apart by
    p_act = np.where(quiet, 0.9, 0.0)
    weighed, plain = (learner(on)(noise[kept], y[kept], p_act[kept])(noise[:1])[0] for on in (True, False))
    assert weighed == pytest.approx(y.mean(), abs=0.04)
    assert plain > y.mean() + 0.1
