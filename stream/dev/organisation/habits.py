"""The truth of the simulation: the probability that a team acts on an alert.

It rests on what stands in the alert (rule, entity, env, severity), on the hour, on how often the same thing fired in
the hour before, and on the team's hidden leanings, which drift. Nothing that happens after the raise goes into it.
"""

import math
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence

from numpy.random import Generator

from stream.simulation.catalogue import HABITS, TEAMS, Drifts, Fix, Habit, Shift, Team
from stream.simulation.firings import Estate, Firing, rules_of
from stream.simulation.span import HOUR, Span

ENV = {"prod": 0.5, "staging": -0.6, "dev": -1.5}
SEVERITY = {"critical": 1.4, "high": 0.5, "medium": -0.3, "low": -1.0}
MOST_REPEATS = 3  # more make no difference
ON_CALL = "critical"  # is seen to at any hour
FLOOD_PROBABILITY = 0.004

Leanings = Mapping[tuple[str, str], float]


class Repeats:
    """Counts how often the same team, rule and entity fired within the hour before."""

    def __init__(self) -> None:
        self._recent: defaultdict[tuple[str, str, str], deque[float]] = defaultdict(deque)

    def before(self, firing: Firing) -> int:
        """The count before this firing, which is then remembered. Firings come in order of time."""
        recent = self._recent[firing.team.name, firing.rule.name, firing.entity.name]
        while recent and recent[0] < firing.at - HOUR:
            recent.popleft()
        recent.append(firing.at)
        return len(recent) - 1


class Habits:
    """What each team leans to: drawn for each of its rules and entities, and again for a shift that redraws."""

    def __init__(self, rng: Generator, span: Span, entities: Estate, drifts: Drifts) -> None:
        self._span = span
        self._drifts = drifts
        self._first = _leanings(rng, entities)
        self._redrawn = _leanings(rng, entities)

    def probability(self, firing: Firing, repeats: int) -> float:
        """The probability that the team acts on this firing, sooner or later."""
        if firing.visibility_only:
            return 0.0
        if firing.flood:
            return FLOOD_PROBABILITY
        return 1 / (1 + math.exp(-self._log_odds(firing, repeats)))

    def _log_odds(self, firing: Firing, repeats: int) -> float:
        habit = HABITS[firing.team.habit]
        share = self._span.share(firing.at)
        shifts = [shift for shift in self._drifts.shifts if shift.team == firing.team.name]
        redrawn = any(shift.redrawn and share >= shift.since for shift in shifts)
        leanings = self._redrawn if redrawn else self._first
        mended = _mended(firing, share, self._drifts.fixes)
        return (
            habit.base
            + (leanings[firing.team.name, firing.rule.name] if mended is None else mended)
            + leanings[firing.team.name, firing.entity.name]
            + habit.env * ENV[firing.entity.env]
            + habit.severity * SEVERITY.get(firing.severity or "", 0.0)
            + habit.hours * self._hours(firing)
            - habit.repeat * min(repeats, MOST_REPEATS)
            + sum(_shift(shift, share) for shift in shifts)
        )

    def _hours(self, firing: Firing) -> float:
        if self._span.working(firing.at, firing.team.zone):
            return 0.6
        return 0.0 if firing.severity == ON_CALL else -1.0


def _leanings(rng: Generator, entities: Estate) -> Leanings:
    return {key: value for team in TEAMS for key, value in _of_team(rng, team, HABITS[team.habit], entities).items()}


def _of_team(rng: Generator, team: Team, habit: Habit, entities: Estate) -> dict[tuple[str, str], float]:
    by_rule = {(team.name, rule.name): float(rng.normal(0, habit.rule_spread)) for rule in rules_of(team)}
    by_entity = {(team.name, each.name): float(rng.normal(0, habit.entity_spread)) for each in entities[team.name]}
    return by_rule | by_entity


def _shift(shift: Shift, share: float) -> float:
    """How far the shift has gone: none before it, all after it, evenly between."""
    if share < shift.since:
        return 0.0
    if share >= shift.until:
        return shift.by
    return shift.by * (share - shift.since) / (shift.until - shift.since)


def _mended(firing: Firing, share: float, fixes: Sequence[Fix]) -> float | None:
    """The leaning to a rule that is mended on the way; None for all others."""
    for fix in fixes:
        if (fix.team, fix.rule) == (firing.team.name, firing.rule.name):
            return fix.after if share >= fix.share else fix.before
    return None
