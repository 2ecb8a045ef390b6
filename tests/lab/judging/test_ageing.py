"""Ageing: figures by week, and the advice by its rule."""

import numpy as np

from stream.core.frame import Array
from stream.lab.judging.ageing import LEAST, WEEK, judge_ageing
from stream.lab.judging.report_schema import Ageing

RNG = np.random.default_rng(6)
TRUE = RNG.random(2_400)
Y = (RNG.random(2_400) < TRUE).astype(np.int8)
AT = np.arange(2_400) * 6 * WEEK / 2_400
BASE = np.full(2_400, 0.5)


def aged(p: Array) -> Ageing:
    """Six weeks of 400 alerts, beside a baseline that says 0.5."""
    return judge_ageing(AT, Y, p, ("team_rate", BASE), 0.95)


def test_a_model_that_stays_good() -> None:
    """Weeks are numbered from 1, and no week takes the gain away."""
    found = aged(TRUE)
    assert [week.week for week in found.weeks] == [1, 2, 3, 4, 5, 6]
    assert sum(week.count for week in found.weeks) == 2_400
    assert found.advice.startswith("In no two weeks running of the 6")
    assert found.held is True


def test_a_model_that_rots() -> None:
    """From the fourth week on its scores are the wrong way round: train every three weeks."""
    assert (
        "vanishes in week 4 after training: train again every 3 weeks"
        in aged(np.where(AT < 3 * WEEK, TRUE, 1.0 - TRUE)).advice
    )


def test_a_model_that_never_was_good() -> None:
    """No gain from the first week: training more often is no cure."""
    assert "won't help" in aged(BASE).advice
    assert aged(BASE).held is False


def test_one_week_is_no_test() -> None:
    """With alerts enough in one week only, the rule of two weeks in a row was not tested, good as the week may be."""
    within = WEEK > AT
    found = judge_ageing(AT[within], Y[within], TRUE[within], ("team_rate", BASE[within]), 0.95)
    assert found.held is None
    assert found.advice == (
        "How the model ages was not tested: 1 of 1 weeks after training has at least 50 judged alerts, 2 are needed."
    )


def test_too_few_to_say() -> None:
    """A week of one alert less than the named number has its count and no figure; at the number it has them all."""
    for count in (LEAST - 1, LEAST):
        found = judge_ageing(AT[:count], Y[:count], TRUE[:count], ("team_rate", BASE[:count]), 0.95)
        (week,) = found.weeks
        figures = (week.auc, week.ece, week.suppressed_target)
        assert week.count == count
        assert [figure is None for figure in figures] == [count < LEAST] * 3
    few = LEAST - 1
    found = judge_ageing(AT[:few], Y[:few], BASE[:few], ("team_rate", BASE[:few]), 0.95)
    assert found.advice.startswith("How the model ages was not tested: 0 of 1 weeks")
    assert found.held is None
