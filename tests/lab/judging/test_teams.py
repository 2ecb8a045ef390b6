"""Teams are grouped by the stated test."""

import numpy as np
import pytest

from stream.lab.judging.teams import (
    LEAST_FOR_ECE,
    LEAST_OF_A_CLASS,
    NOT_YET,
    PREDICTABLE,
    UNPREDICTABLE,
    delong,
    judge_teams,
)

RNG = np.random.default_rng(8)


def test_each_verdict() -> None:
    """Scores that tell, scores that say nothing on many alerts, and a team with a handful."""
    p = RNG.random(2_000)
    y = (RNG.random(2_000) < np.where(np.arange(2_000) < 1_000, p, 0.5)).astype(np.int8)
    names = ["told"] * 1_000 + ["coin"] * 996 + ["few"] * 4
    found = judge_teams(names, y, p)
    verdicts = {team.name: team.verdict for team in found.teams}
    assert verdicts == {"told": PREDICTABLE, "coin": UNPREDICTABLE, "few": NOT_YET}
    assert [team.count for team in found.teams] == [1_000, 996, 4]
    assert sum(group.share for group in found.groups) == pytest.approx(1.0)
    assert [group.alerts for group in found.groups] == [1_000, 4, 996]


def test_few_alerts_have_no_interval() -> None:
    """Four of an outcome are too few, and a calibration error takes a hundred alerts."""
    y = np.array([1] * 4 + [0] * 20, dtype=np.int8)
    assert delong(y, RNG.random(24)) is None
    assert judge_teams(["a"] * 24, y, RNG.random(24)).teams[0].ece is None


@pytest.mark.parametrize("count", [LEAST_OF_A_CLASS - 1, LEAST_OF_A_CLASS])
def test_a_verdict_takes_enough_of_each_outcome(count: int) -> None:
    """One alert of an outcome below the named number the best ranking is "not yet", from it on it is predictable."""
    y = np.array([0] * 40 + [1] * count, dtype=np.int8)
    (team,) = judge_teams(["a"] * len(y), y, np.arange(len(y)) / len(y)).teams
    assert (team.verdict, team.auc is None) == ((NOT_YET, True) if count < LEAST_OF_A_CLASS else (PREDICTABLE, False))


@pytest.mark.parametrize("count", [LEAST_FOR_ECE - 1, LEAST_FOR_ECE])
def test_a_calibration_error_takes_enough_alerts(count: int) -> None:
    """One alert below the named number a team has none."""
    y = np.array(([0, 1] * count)[:count], dtype=np.int8)
    assert (judge_teams(["a"] * count, y, np.full(count, 0.5)).teams[0].ece is None) is (count < LEAST_FOR_ECE)


def test_a_perfect_ranking_is_not_certain() -> None:
    """All pairs right: the upper bound is 1, the lower one below it."""
    y = np.array([0] * 5 + [1] * 5, dtype=np.int8)
    found = delong(y, np.arange(10.0))
    assert found is not None
    assert found.low is not None
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low < 1.0
