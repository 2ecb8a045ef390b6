"""Decisions and proof together: what is counted was never touched, however the share steps down."""

import random
from collections import defaultdict

import pytest

from stream.core.decisions import Brakes, Situation, TeamActs, decide
from stream.core.ladder import Ladder
from stream.core.observations import HOUR, PROOF, OpenHours, add_outcome, hour_of, take_due
from stream.core.records import Outcome
from stream.core.rule_index import RuleIndex
from stream.core.rules import Placed
from stream.core.tallies import RuleTallies, matches
from tests.core.outcomes import DAY, MODEL, PROBLEM, T0, enriched, outcome
from tests.core.test_ladder import PROVEN, make_rule, paused

ARMED_AT = T0 + 20 * DAY
SALT = "salt"
RULE = make_rule(max_per_hour=1_000)
TEAMS = ("payments", "search")


class World:
    """Two teams with some alerts an hour, decided, and their outcomes: unknown where the rule acted."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.ladder: Ladder = paused()
        self.tallies = RuleTallies(RULE.version, {1: PROVEN})
        self.index = RuleIndex([Placed(RULE, "a.toml", 1)])
        self.hours = {team: OpenHours() for team in TEAMS}
        self.acts: dict[str, dict[str, TeamActs]] = {team: {} for team in TEAMS}
        self.touched: dict[tuple[str, int], int] = defaultdict(int)  # alerts acted on, by the hour of their episode
        self.first: dict[str, int] = {}
        self.waiting: list[tuple[float, Outcome]] = []
        self.counted: list[tuple[str, int, float]] = []
        self.shares: set[float] = set()
        self.late_acts = 0
        self.age = 0  # hours
        self.verdict = self.ladder.verdict({1: PROVEN}, ARMED_AT)  # as the room reads it: some hours old

    def pass_hour(self, at: float) -> None:
        """Raise and decide the alerts of an hour, then count what is due."""
        if self.age % 6 == 0:
            self.ladder.progress(self.tallies.starts, at)
            self.verdict = self.ladder.verdict(self.tallies.starts, at)
            self.shares.add(self.verdict.share)
        self.age += 1
        ready = {RULE.name: frozenset({MODEL})}
        situation = Situation(self.index, {RULE.name: self.verdict}, ready, Brakes(), SALT, oldest_seconds=60.0)
        for team in TEAMS:
            for number in range(self.random.choice([0, 1, 3])):
                self._raise(team, at + 10.0 * number, number, situation)
        self._count(at)

    def _raise(self, team: str, at: float, number: int, situation: Situation) -> None:
        hour = hour_of(at)
        back = self.random.choice([0, 0, 1, 2])  # an episode may have begun hours ago
        episode = f"{team}-{hour - back}-{number}"
        first = self.first.setdefault(episode, hour)
        alert = enriched(f"{team}-{hour}-{number}", at, team=team, episode=episode)
        found = decide(alert, situation, self.acts[team], at + 1.0)
        acted = found.decision == "pause"
        assert found.p_act == (1.0 - self.verdict.share if found.decision != "blocked" else 0.0)
        if acted:
            self.touched[team, first] += 1
            self.late_acts += first < hour
        name = "unknown" if acted else "noise"
        by = "paused_by_rule" if acted else "expiry"
        result = outcome(alert.alert.alert_id, at, name, team=team, episode=episode, by=by)  # type: ignore[arg-type]
        self.waiting.append((at + PROBLEM.due_seconds, result))

    def _count(self, at: float) -> None:
        ready = [one for due, one in self.waiting if due <= at]
        self.waiting = [one for one in self.waiting if one[0] > at]
        self.random.shuffle(ready)
        for one in ready:
            for rule, models in matches(self.index, one):
                add_outcome(self.hours[one.team], one, models, bool(rule.labels))
        for team in TEAMS:
            for found in take_due(self.hours[team], at, PROBLEM):
                before = self.tallies.starts[1].observations
                assert not self.tallies.observe(self.ladder, found, team, SALT)
                if found.model == PROOF and self.tallies.starts[1].observations > before:
                    self.counted.append((team, found.hour, found.acted))


@pytest.mark.slow
def test_what_is_counted_was_never_touched() -> None:
    """Over a month in which the share steps from 50 % down: no hour that the proof counts holds an alert that the
    rule paused, and the alerts of an episode share its arm."""
    world = World(seed=1)
    for hour in range(24 * 30):
        world.pass_hour(ARMED_AT + hour * HOUR)
    counted = {(team, hour) for team, hour, _ in world.counted}
    assert len(counted) == len(world.counted) > 200
    assert counted.isdisjoint(world.touched)
    assert min(hour for _, hour in counted) >= hour_of(ARMED_AT)
    assert {0.5, 0.2} <= world.shares
    assert world.late_acts > 20
    assert sum(world.touched.values()) > 500
    assert world.ladder.verdict(world.tallies.starts, ARMED_AT + 30 * DAY).proof.state == "proven"
