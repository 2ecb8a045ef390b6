"""Canaries are silent on a fair log, and each finds the leak that it is for."""

import numpy as np
import pytest
from msgspec.structs import replace

from stream.core import state
from stream.core.errors import LabError
from stream.core.fold import Fold
from stream.core.frame import Matrix
from stream.lab.judging.metrics import auc
from stream.lab.learning import canaries
from stream.lab.learning.canaries import cut, leaking, next_of_team_rule, null_deviation, order, paired_deviation
from stream.lab.replaying import Replayed
from stream.lab.split import Window, earlier_and_later
from stream.progress import no_progress
from tests.lab.learning.windows import window_of

Made = tuple[Window, list[str]]


def with_oracle(remake: canaries.Remake) -> canaries.Remake:
    """The same features, the first of them replaced by the alert's own outcome."""

    def oracle(replayed: Replayed, steps: int, alerts: int) -> Matrix:
        matrix = remake(replayed, steps, alerts)
        matrix[:, 0] = replayed.outcome[:alerts]
        return matrix

    return oracle


@pytest.mark.slow
def test_a_fair_training_passes_all(window: Made) -> None:
    """Four checks, each passed with something to say, the same each time."""
    made, keys = window
    checks = canaries.run(made, keys, 7, no_progress)
    assert [check.passed for check in checks] == [True] * 4
    assert not any("too few" in check.text for check in checks)
    assert checks == canaries.run(made, keys, 7, no_progress)


def test_too_few_alerts_are_not_tested(small: Replayed) -> None:
    """Where the later part is too small to tell, the two fits are not made, and neither check counts as passed."""
    made, keys = window_of(small, 0.6)
    checks = {check.name: check for check in canaries.run(made, keys, 7, no_progress)}
    for name in ("shuffled labels", "labels of the next alert"):
        assert checks[name].passed is None
        assert checks[name].n == 102
        assert checks[name].text.startswith("too few alerts to tell: 102 after the earlier 80% of the window")
    assert {checks[name].passed for name in ("time order", "cut-off future")} == {True}


def test_a_log_that_can_not_be_cut_is_not_tested(window: Made) -> None:
    """Where none of the first alerts can be learnt from, the cut has no place, and says so."""
    made, keys = window
    names = [feature.name for feature in made.features]
    found = cut(replace(made, usable=np.zeros_like(made.usable)), names, canaries.remaker(keys, made.features))
    assert (found.passed, found.n) == (None, 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_shuffled_labels_are_not_learnt(window: Made, seed: int) -> None:
    """Whatever the shuffle, the AUC lies in its interval; with an oracle column it does not."""
    made, keys = window
    remake = canaries.remaker(keys, made.features)
    assert canaries.shuffled(made, remake, seed).passed
    assert not canaries.shuffled(made, with_oracle(remake), seed).passed


def test_a_column_equal_to_the_label_is_caught(window: Made) -> None:
    """A planted leak changes when the log is cut off, and it alone."""
    made, keys = window
    names, fair = [feature.name for feature in made.features], canaries.remaker(keys, made.features)
    planted = with_oracle(fair)
    leak = replace(made, matrix=planted(made.replayed, made.end.step, made.end.alert))
    assert leaking(leak.matrix, names, made.replayed, planted, made.usable) == names[:1]
    assert not cut(leak, names, planted).passed
    assert cut(made, names, fair).passed


def test_a_column_that_counts_the_whole_log_is_caught(window: Made) -> None:
    """No outcome, only how many alerts there will be: it sees the future too."""
    made, keys = window
    fair = canaries.remaker(keys, made.features)

    def counting(replayed: Replayed, steps: int, alerts: int) -> Matrix:
        matrix = fair(replayed, steps, alerts)
        matrix[:, 3] = len(replayed.alerts)
        return matrix

    matrix = counting(made.replayed, made.end.step, made.end.alert)
    names = [feature.name for feature in made.features]
    assert leaking(matrix, names, made.replayed, counting, made.usable) == names[3:4]


@pytest.mark.parametrize("field", [state.DECIDED + 3, state.ACTED + 3])
def test_a_history_that_counts_too_much_is_caught(window: Made, field: int) -> None:
    """One more in every alert's team than was known at its raise."""
    made, _ = window
    rows = np.array(made.replayed.rows)
    assert order(made.replayed, made.usable).passed
    rows[:, 1 + field] += 1.0
    assert not order(replace(made.replayed, rows=rows), made.usable).passed


def test_histories_are_all_that_was_known(larger: Replayed) -> None:
    """Where nothing is forgotten the audit's counts are the fold's to the last one: one outcome less is found too."""
    made, _ = window_of(larger)
    sequence = larger.sequence[larger.sequence != ~0]
    assert not order(replace(larger, sequence=sequence), made.usable).passed
    assert Fold(larger.problem).level_count * state.WIDTH + 1 == larger.rows.shape[1]


@pytest.mark.slow
def test_labels_of_the_next_alert_that_help_are_caught(window: Made) -> None:
    """Rows moved by one against their labels: then the next alert's label is the true one."""
    made, _ = window
    replayed = made.replayed
    places = np.arange(len(made.matrix))
    _, following = next_of_team_rule(replayed, places)
    rows, _ = next_of_team_rule(replayed, places)
    matrix = made.matrix.copy()
    earlier, later = earlier_and_later(made)
    matrix[:, 0] = np.random.default_rng(1).normal(size=len(matrix))
    matrix[rows, 0] = replayed.outcome[following]
    judged = np.flatnonzero(later)
    matrix[judged, 0] = replayed.outcome[judged]
    assert canaries.shifted(made, 7).passed
    assert not canaries.shifted(replace(made, matrix=matrix), 7).passed
    assert earlier.any()


def test_the_next_alert_is_of_the_same_team_and_rule(larger: Replayed) -> None:
    """And the next of them, among those that are asked about."""
    rows, following = next_of_team_rule(larger, np.arange(0, 200, 2))
    assert len(rows) > 50
    for place, other in zip(rows.tolist(), following.tolist(), strict=True):
        mine = (larger.alerts[place].team, larger.alerts[place].rule)
        same = [i for i in range(place + 2, 200, 2) if (larger.alerts[i].team, larger.alerts[i].rule) == mine]
        assert same[0] == other


@pytest.mark.slow
def test_intervals_are_as_wide_as_chance(larger: Replayed) -> None:
    """The deviations are those of draws: of scores that know nothing, and of two scores on the same alerts."""
    rng = np.random.default_rng(3)
    y = (np.arange(300) < 100).astype(np.int8)
    drawn = [auc(y, rng.random(300)) for _ in range(2_000)]
    assert np.std(drawn) == pytest.approx(null_deviation(y), rel=0.1)
    gains, told = [], []
    for _ in range(1_000):
        shared = rng.normal(size=300) + y
        first, second = (shared + rng.normal(size=300) for _ in "ab")
        gains.append(auc(y, first) - auc(y, second))
        told.append(paired_deviation(y, first, second))
    assert np.std(gains) == pytest.approx(np.mean(told), rel=0.1)


@pytest.mark.slow
def test_a_leak_fails_the_training(window: Made) -> None:
    """One sentence that names the canary and what it found."""
    made, keys = window
    rows = np.array(made.replayed.rows)
    rows[:, 1 + state.DECIDED + 3] += 1.0
    with pytest.raises(LabError, match="canary 'time order' found a leak: of 500 alerts 500 have"):
        canaries.run(replace(made, replayed=replace(made.replayed, rows=rows)), keys, 7, no_progress)
