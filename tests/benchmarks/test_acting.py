"""Ninety days of acting and training again, simulated: what a hold-out keeps, and what is lost without one.

The limits stand in `benchmarks.acting_worlds`; they were stated before these seeds were run.
"""

import numpy as np
import pytest

from benchmarks.acting import section, summarised
from benchmarks.acting_worlds import (
    KEPT,
    LOST,
    PLAIN,
    WORLDS,
    Figures,
    calibration_error,
    is_lost,
    keeps_limits,
    learner,
    mean_of,
    measure_worlds,
)
from stream.core.drift import EFFECT_FLOOR
from stream.core.frame import Array, Labels, Matrix
from stream.simulation import acting
from stream.simulation.acting import UNKNOWN, Policy, make_alerts, run

FLOOR, NOISE = "5 % from the first day, weighed", "no hold-out, paused is noise"
BELIEVED, HELD_OUT_BELIEVED = "no rule acts, all believe", "hold-out, weighed, all believe"
SEEDS = (301, 302, 303)
Worlds = dict[str, Figures]


@pytest.fixture(scope="module")
def one() -> Worlds:
    """Four worlds of one organisation; some five seconds of a core."""
    return measure_worlds(SEEDS[0], names=(KEPT, LOST, NOISE))


@pytest.fixture(scope="module")
def means() -> Worlds:
    """Seven worlds, the means of three organisations; half a minute of a core."""
    names = (KEPT, FLOOR, LOST, NOISE, BELIEVED, HELD_OUT_BELIEVED)
    found = [measure_worlds(seed, names=names) for seed in SEEDS]
    return {name: mean_of([worlds[name] for worlds in found]) for name in (PLAIN, *names)}


def always(probability: float) -> acting.Learn:
    """A model that gives every alert the same score."""

    def learn(matrix: Matrix, y: Labels, p_act: Array) -> acting.Predict:
        return lambda rows: np.full(len(rows), probability)

    return learn


@pytest.mark.slow
def test_the_lab_judges_all_alerts_where_some_are_held_out(one: Worlds) -> None:
    """With a hold-out the rate as judged is near that of all alerts, without one far above it; where what was paused
    counts as noise, the lab sees a nearly perfect model, while much of what needs people is kept from them."""
    held_out, lost, noise = one[KEPT], one[LOST], one[NOISE]
    assert abs(held_out.judged_rate / held_out.rate - 1.0) < 0.25
    assert held_out.effective < held_out.labels
    assert lost.judged_rate > 1.5 * lost.rate
    assert noise.judged_error < 0.03 < 0.05 < noise.error
    assert noise.judged_auc > 0.9 > 0.88 > noise.auc
    assert noise.missed > 0.3


@pytest.mark.slow
def test_the_part_of_the_results_holds_every_world(one: Worlds) -> None:
    """A row in each table for each world, and the limits with how often they held."""
    every = {name: one.get(name, one[PLAIN]) for name in WORLDS}
    text = section(summarised({SEEDS[0]: every}))
    for name in WORLDS:
        assert text.count(f"| {name} |") == 2
    assert "of 1 seeds alone" in text


@pytest.mark.long
@pytest.mark.timeout(900)
def test_with_a_hold_out_scores_stay_calibrated_on_all_alerts(means: Worlds) -> None:
    """By what needed people, over all alerts, paused ones included: within the limits; what turned is noticed."""
    assert keeps_limits(means[KEPT], means[PLAIN])
    assert not is_lost(means[KEPT], means[PLAIN])
    assert means[KEPT].turned_score > 0.6 * means[KEPT].turned_need


@pytest.mark.long
@pytest.mark.timeout(900)
def test_without_a_hold_out_they_do_not(means: Worlds) -> None:
    """What is paused is not seen again: scores by team and rule are wrong, and the lab judges another world."""
    assert is_lost(means[LOST], means[PLAIN])
    assert not keeps_limits(means[LOST], means[PLAIN])
    assert means[LOST].auc < means[KEPT].auc
    assert means[LOST].missed > means[KEPT].missed
    assert means[NOISE].turned_score < 0.1 * means[NOISE].turned_need


@pytest.mark.long
@pytest.mark.timeout(900)
def test_weights_make_the_judged_rate_the_true_one(means: Worlds) -> None:
    """With 5 % held out, the plain rate of the labels is far above the rate of all alerts; the weighed one is near it,
    and says by the effective sample size that it rests on little."""
    found = means[FLOOR]
    assert abs(found.judged_rate - found.rate) < 0.3 * abs(found.label_rate - found.rate)
    assert found.label_rate > 1.5 * found.rate
    assert found.effective < 0.4 * found.labels


@pytest.mark.long
@pytest.mark.timeout(900)
def test_history_that_grows_by_the_hold_out_is_thinner_and_drifts(means: Worlds) -> None:
    """Strong evidence becomes some, and rates and counts of the history move by more than drift's effect floor."""
    plain, found = means[PLAIN], means[FLOOR]
    assert plain.evidence[acting.STRONG] > 0.8
    assert found.evidence[acting.STRONG] < 0.6 * plain.evidence[acting.STRONG]
    assert plain.drift["pair.decided_30d"] == pytest.approx(0.0)
    for name in ("team.rate_30d", "pair.rate_30d", "pair.decided_30d"):
        assert found.drift[name] > EFFECT_FLOOR
    assert found.drift["severity"] < EFFECT_FLOOR  # what stands in the alert does not move


@pytest.mark.long
@pytest.mark.timeout(900)
def test_people_who_believe_the_score_make_it_true(means: Worlds) -> None:
    """Where all act by the score, it sinks to nothing, looks perfect by its own labels, and no hold-out shows it."""
    for name in (BELIEVED, HELD_OUT_BELIEVED):
        found = means[name]
        assert found.turned_score < 0.2 * found.turned_need
        assert found.judged_rate < 0.8 * found.rate
        assert found.judged_auc > found.auc + 0.1


def test_worlds_differ_only_in_what_is_done() -> None:
    """The same seed fires the same alerts; storms come whole, and days follow each other."""
    alerts, again = make_alerts(3, 15.0), make_alerts(3, 15.0)
    for name in alerts.__struct_fields__:
        np.testing.assert_array_equal(getattr(alerts, name), getattr(again, name))
    assert bool((np.diff(alerts.hour) >= 0).all())
    _, sizes = np.unique(np.stack([alerts.hour, alerts.pair]), axis=1, return_counts=True)
    assert sizes.max() >= acting.STORM_SIZES[0]
    assert 0.0 < alerts.turned.mean() < 0.2


def test_what_a_rule_pauses_has_no_label_and_whole_hours_are_held_out() -> None:
    """With half held out, each team's hour is left alone as a whole or not at all, and labels are missing elsewhere."""
    alerts = make_alerts(5, 15.0)
    done = run(alerts, Policy(), always(0.05))
    matched = done.p_act > 0.0
    assert matched.any()
    np.testing.assert_array_equal(done.paused, matched & (done.label == UNKNOWN))
    assert bool((done.label[~matched] != UNKNOWN).all())
    arms: dict[tuple[int, int], bool] = {}
    for hour, team, paused in zip(alerts.hour[matched], alerts.team[matched], done.paused[matched], strict=True):
        assert arms.setdefault((hour, team), paused) == paused
    assert not done.paused[alerts.day < acting.BEFORE_DAYS].any()
    assert bool((np.diff(done.share[acting.BEFORE_DAYS :]) <= 0.0).all())  # it never rises


def test_nothing_is_held_out_without_a_hold_out() -> None:
    """All that matches is paused; where nobody acts nothing is."""
    alerts = make_alerts(5, 15.0)
    done, none = (run(alerts, policy, always(0.05)) for policy in (Policy(floor=0.0), Policy(acts=False)))
    np.testing.assert_array_equal(done.paused, done.p_act == 1.0)
    assert not none.paused.any()
    assert none.tripped_day is None


def test_calibration_error_is_that_of_bins() -> None:
    """Scores that are the needs have none, and scores that are off by a tenth have a tenth."""
    need = np.linspace(0.1, 0.9, 200)
    assert calibration_error(need, need) == pytest.approx(0.0)
    assert calibration_error(need - 0.1, need) == pytest.approx(0.1)


@pytest.mark.slow
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
