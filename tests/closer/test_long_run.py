"""Two hundred days of a rule, from its first load to its trip, while workers end and others go on."""

import heapq
import random
from collections.abc import Iterator

import pytest

from stream.core.events import moment
from stream.core.ladder import Verdict
from stream.core.observations import HOUR, hour_of
from stream.core.proof import draw
from stream.core.records import Outcome
from tests.closer.judges import RULE, SALT, Judges, change
from tests.core.outcomes import DAY, T0, outcome

DAYS, WORSE_FROM, EVERY = 200, 92, 4  # days; hours between alerts of a team
TEAMS = [f"team-{number}" for number in range(6)]


class World:
    """Alerts of six teams under one rule: what the rule does to them, and what people do, some hours later.

    Args:
        seed: of what happens.

    Attributes:
        acted: by day, how many alerts the rule paused or closed.
    """

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._coming: list[tuple[float, int, Outcome]] = []
        self._number = 0
        self.acted = [0] * DAYS

    def raise_alerts(self, hour: int, verdict: Verdict) -> None:
        """An alert of each team, of which the rule acts on what it does not leave alone."""
        day = hour // 24 - hour_of(T0) // 24
        risk = 0.01 if day < WORSE_FROM else 0.5
        for team in TEAMS:
            at = hour * HOUR + self._rng.uniform(0.0, 3_000.0)
            is_needed = self._rng.random() < risk
            alert = outcome(f"{team}-{hour}", at, "noise", team=team, episode=f"{team}-{hour}")
            acts = verdict.mode != "shadow" and hour >= verdict.regime_hour
            if acts and draw(SALT, RULE.name, team, hour) >= verdict.share:
                self.acted[min(day, DAYS - 1)] += 1
                self._touch(alert, at, verdict.mode, is_needed)
                continue
            decided = at + (self._rng.uniform(0.1, 20.0) if is_needed else 24.1) * HOUR
            self._come(change(alert, outcome="actionable" if is_needed else "noise"), decided)

    def outcomes(self, until: float) -> Iterator[Outcome]:
        """What becomes known by a moment, in order."""
        while self._coming and self._coming[0][0] <= until:
            yield heapq.heappop(self._coming)[2]

    def _touch(self, alert: Outcome, at: float, mode: str, is_needed: bool) -> None:
        by = "paused_by_rule" if mode == "pause" else "closed_by_rule"
        self._come(change(alert, outcome="unknown", by=by), at + 1.0)
        if is_needed:
            self._come(change(alert, outcome="actionable", by="correction"), at + self._rng.uniform(0.5, 8.0) * HOUR)

    def _come(self, one: Outcome, at: float) -> None:
        self._number += 1
        heapq.heappush(self._coming, (at, self._number, change(one, decided_at=moment(at))))


def run(seed: int) -> tuple[Judges, World]:
    """Two hundred days; somebody arms the rule to the next step as soon as it may take it."""
    judges, world, rng = Judges(RULE), World(seed), random.Random(seed + 1)
    first = hour_of(T0) // 24 * 24 + 24
    judges.now = (first - 20) * HOUR
    judges.wake()
    for hour in range(first, first + 24 * DAYS, EVERY):
        judges.now = hour * HOUR + 1.0
        judges.take(list(world.outcomes(judges.now)))
        judges.wake()
        standing = judges.standing(RULE.name)
        world.raise_alerts(hour, standing.verdict)
        if hour % 24 == 8 and standing.ladder.tripped is None:
            step = {"shadow": "pause", "pause": "close"}.get(standing.verdict.armed)
            if step is not None and standing.verdict.proof.state == "proven":
                judges.order("arm", RULE.name, step, f"{hour}")
        if rng.random() < 0.02:
            judges.crash(rng.randint(0, 1))
    return judges, world


@pytest.mark.slow
def test_a_rule_climbs_by_its_proofs_and_falls_when_its_risk_rises() -> None:
    """Proven, armed, the hold-out in its steps, a second proof, close; half is needed from day 92 on: it trips."""
    judges, world = run(7)
    lines = [one for one in judges.log() if one.what not in ("refused", "loaded")]
    day = {name: [(one.at - T0) / DAY for one in lines if one.what == name] for name in ("armed", "tripped", "share")}
    assert [one.what for one in lines if one.what in ("armed", "tripped")] == ["armed", "armed", "tripped"]
    assert "may pause" in lines[0].sentence
    assert 7.0 < day["armed"][0] < 14.0
    assert day["armed"][1] >= day["armed"][0] + 14.0
    shares = [one.sentence.split(" leaves ")[1].split(" %")[0] for one in lines if one.what == "share"]
    assert shares[:2] == ["20", "10"]
    assert WORSE_FROM < day["tripped"][0] < WORSE_FROM + 4.0
    fallen = int(day["tripped"][0]) + 1
    assert sum(world.acted[fallen:]) == 0
    assert sum(world.acted[: int(day["armed"][0])]) == 0
    assert min(world.acted[50:WORSE_FROM]) > 0
    standing = judges.standing(RULE.name)
    assert (standing.verdict.mode, standing.verdict.proof.state) == ("shadow", "failed")
