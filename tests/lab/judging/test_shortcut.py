"""The shortcut: a score that only repeats the last outcome is found, an honest one is not."""

import numpy as np
import pytest

from stream.core.features import table
from stream.lab.judging.shortcut import (
    LEAST_IN_BIN,
    LEAST_KNOWN,
    LEAST_UNLIKE,
    auc_within,
    dependence,
    feature_sets,
    is_rate,
    judge_shortcut,
)

RNG = np.random.default_rng(12)
RATE = RNG.random(4_000)
Y = (RNG.random(4_000) < RATE).astype(np.int8)
LAST = (RNG.random(4_000) < RATE).astype(np.int8)


def test_a_model_that_repeats_the_last_outcome_is_found() -> None:
    """It agrees with it always and ranks nothing beyond it."""
    found = judge_shortcut(Y, np.where(LAST == 1, 0.7, 0.3), LAST, 1)
    assert found.agreement == 1.0
    assert found.auc_differs == 0.0
    assert found.flagged


def test_a_model_of_the_rate_is_not_flagged() -> None:
    """Scores that are the true rate do where the outcome differs what they themselves promise."""
    found = judge_shortcut(Y, RATE, LAST, 1)
    assert not found.flagged
    assert found.auc_differs is not None
    assert found.expected_differs is not None
    assert found.auc_differs == pytest.approx(found.expected_differs.value, abs=0.03)


def test_outcomes_that_promise_more_are_flagged() -> None:
    """Where the scores are the wrong way round just where outcomes differ, that is below what they promise."""
    p = np.where(Y == LAST, RATE, np.where(Y == 1, 0.3 * RATE, 1.0 - 0.3 * RATE))
    assert judge_shortcut(Y, p, LAST, 1).flagged


@pytest.mark.parametrize("unlike", [LEAST_UNLIKE - 1, LEAST_UNLIKE])
def test_too_few_surprises_are_no_test(unlike: int) -> None:
    """With one alert less than the named number unlike the last one, whether it only repeats it is not tested."""
    rows = np.concatenate([np.flatnonzero(Y == LAST)[:400], np.flatnonzero(Y != LAST)[:unlike]])
    found = judge_shortcut(Y[rows], RATE[rows], LAST[rows], 1)
    assert found.differs_count == unlike
    assert (found.auc_differs is None, found.flagged is None) == (unlike < LEAST_UNLIKE,) * 2


@pytest.mark.parametrize("count", [LEAST_KNOWN - 1, LEAST_KNOWN])
def test_ranking_within_the_last_outcome_takes_enough_alerts(count: int) -> None:
    """A score that says the last outcome alone is flagged from the named number of alerts on."""
    found = judge_shortcut(Y[:count], np.where(LAST[:count] == 1, 0.7, 0.3), LAST[:count], 1)
    assert (found.auc_within is None) == (count < LEAST_KNOWN)


def test_without_a_last_outcome_nothing_is_said() -> None:
    """Alerts with no last outcome are left out; with none at all nothing was tested, which is no fault and no pass."""
    found = judge_shortcut(Y[:9], RATE[:9], np.full(9, -1, dtype=np.int8), 1)
    assert (found.known, found.auc_same, found.expected_differs, found.flagged) == (0, None, None, None)


def test_the_ranking_within_by_hand() -> None:
    """Last outcome 0: one pair, right; 1: two pairs, one right."""
    y, last = np.array([0, 1, 0, 0, 1], dtype=np.int8), np.array([0, 0, 1, 1, 1], dtype=np.int8)
    assert auc_within(y, np.array([0.1, 0.2, 0.5, 0.9, 0.7]), last) == pytest.approx(2 / 3)


def test_the_features_of_each_ablation() -> None:
    """History and the rest share out the table; the last outcomes are found by name."""
    chosen = list(table([], ["rule"]).values())
    sets = feature_sets(chosen)
    assert (sets["without history"] ^ sets["history only"]).all()
    gone = {feature.name for feature, kept in zip(chosen, sets["without the last outcomes"], strict=True) if not kept}
    assert gone == {f"{level}.last_{n}" for level in ("team_rule", "team_rule_entity") for n in (1, 8)}


def test_dependence_on_the_rate() -> None:
    """A score that is the rate depends on it as the identity; without the feature there is nothing to draw."""
    chosen = [table([], [])[name] for name in ("hour_sin", "team.rate_7d")]
    matrix = np.stack([RATE, RATE], axis=1).astype(np.float32)
    found = dependence(matrix, chosen, lambda rows: rows[:, 1].astype(np.float64), "team.rate_7d")
    assert [(one.low, one.high) for one in found] == [(n / 10, (n + 1) / 10) for n in range(10)]
    assert sum(one.count for one in found) == len(RATE)
    assert all(one.score == pytest.approx(one.rate) for one in found)
    assert dependence(matrix[:, :1], chosen[:1], lambda rows: rows[:, 0].astype(np.float64), "team.rate_7d") == []


def test_a_tenth_with_too_few_alerts_has_no_score() -> None:
    """One alert below the named number there is only a count; what is not known is in no tenth."""
    rates = np.array([0.05] * LEAST_IN_BIN + [0.95] * (LEAST_IN_BIN - 1) + [np.nan] * 7, dtype=np.float32)
    chosen = [table([], [])["team.rate_7d"]]
    found = dependence(rates[:, None], chosen, lambda rows: rows[:, 0].astype(np.float64), "team.rate_7d")
    assert [one.count for one in found] == [LEAST_IN_BIN, *[0] * 8, LEAST_IN_BIN - 1]
    assert found[0].score == pytest.approx(0.05)
    assert (found[-1].rate, found[-1].score) == (None, None)


def test_rates_are_found_by_what_they_are() -> None:
    """Rates of action of every level, priors and their sums are rates; ratios of load, times and counts are not."""
    chosen = table(["symptom"], ["rule"])
    found = {name for name, feature in chosen.items() if is_rate(feature)}
    assert {"team.rate_1d", "team_rule_label.symptom.rate_7d", "prior.rule", "additive", "team_rule.shrunk"} <= found
    assert not {"shifts", "team.raised_ratio", "hour_sin", "team.open", "team_rule.last_1"} & found
