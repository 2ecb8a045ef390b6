"""Floods: a team's rule that is raised so much more than usual that its alerts are no sign of anything."""

import math
from datetime import date

from stream.core import state
from stream.core.problem import FloodRule, Problem

_LN2 = math.log(2.0)
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


def is_flood(rule: FloodRule, level: state.State, at: float) -> bool:
    """Whether a team's rule floods at `at`, from its raises before.

    With c1, c30 the raise counts of half-life 1 d and 30 d and A the level's age in days, the last day's rate is
    c1 ln2 / (1 - 2^-A), and the usual one, in which the last day hardly counts, is
    (c30 - c1) ln2 / (30 (1 - 2^(-A/30)) - (1 - 2^-A)): both are what a constant rate would give. A level
    younger than a day has no usual rate and does not flood.
    """
    age = (at - level[state.FIRST]) / state.DAY
    if age < 1.0:
        return False
    days = (at - level[0] * state.EPOCH) / state.DAY
    day_count, month_count = level[1] * math.exp2(-days), level[3] * math.exp2(-days / 30.0)
    filled = 1.0 - math.exp2(-age)
    rate = day_count * _LN2 / filled
    if rate < rule.per_day:
        return False
    usual = (month_count - day_count) * _LN2 / (30.0 * (1.0 - math.exp2(-age / 30.0)) - filled)
    return rate > rule.factor * max(usual, 0.0)


def flood_days(problem: Problem) -> set[tuple[str, str, float]]:
    """Team, rule and day of the floods that the problem file names; days from 1970-01-01, as `at // DAY` gives them."""
    return {(one.team, one.rule, float(one.day.toordinal() - _EPOCH_ORDINAL)) for one in problem.exclude.flood_days}
