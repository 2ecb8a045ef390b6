"""The baselines say what their definition says, from what was known at the raise alone."""

import numpy as np
import pytest

from stream.core.problem import BASELINES
from stream.lab.judging.baselines import Baselines, score_baselines
from stream.lab.replaying import Replayed


def naive(small: Replayed, index: int) -> dict[str, float]:
    """The definition, over the outcomes that stand before the raise in the sequence."""
    place = int(np.flatnonzero(small.sequence == index)[0])
    known = [~step for step in small.sequence[:place].tolist() if step < 0 and small.counts[~step]]
    alert = small.alerts[index]
    team = [int(small.outcome[i]) for i in known if small.alerts[i].team == alert.team]
    rule = [int(small.outcome[i]) for i in known if small.alerts[i].rule == alert.rule]
    both = [
        int(small.outcome[i]) for i in known if (small.alerts[i].team, small.alerts[i].rule) == (alert.team, alert.rule)
    ]
    rate = float(np.mean([int(small.outcome[i]) for i in known])) if known else 0.5
    team_rate = (sum(team) + 10 * rate) / (len(team) + 10)
    return {
        "always_noise": rate,
        "team_rate": team_rate,
        "rule_rate": (sum(rule) + 10 * rate) / (len(rule) + 10),
        "team_rule_rate": (sum(both) + 10 * team_rate) / (len(both) + 10),
        "last_outcome": float(both[-1]) if both else rate,
    }


def test_baselines_are_their_definition(small: Replayed) -> None:
    """Every twentieth alert, against the definition written out."""
    scores = score_baselines(small)
    assert set(scores) == set(BASELINES)
    for index in range(0, len(small.alerts), 20):
        expected = naive(small, index)
        assert {name: scores[name][index] for name in BASELINES} == pytest.approx(expected)


def test_one_by_one_is_all_at_once() -> None:
    """Live use: told of outcomes as they come, asked at each raise."""
    knowing = Baselines()
    assert set(knowing.raised("t", "r").values()) == {0.5}
    for outcome in (1, 0, 1, 1):
        knowing.known("t", "r", outcome)
    knowing.known("u", "r", 0)
    assert knowing.raised("t", "r") == pytest.approx(
        {
            "always_noise": 0.6,
            "team_rate": (3 + 6) / 14,
            "rule_rate": (3 + 6) / 15,
            "team_rule_rate": (3 + 10 * 9 / 14) / 14,
            "last_outcome": 1.0,
        }
    )
    assert knowing.raised("new", "new")["last_outcome"] == pytest.approx(0.6)
