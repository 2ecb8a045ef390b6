"""Ladders behind the fence of the closer's room: workers end between any two steps, and nothing is done twice."""

import random
from typing import Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.closer.outcomes import OutcomesFold
from stream.core.observations import HOUR, hour_of
from stream.core.records import encode_record
from stream.core.rule_index import RuleIndex
from stream.core.rules import Placed
from stream.kafka.records import Part
from stream.metrics.closer import CloserMetrics
from stream.rule_state import Command, Standing
from tests.closer.judges import RULE, SALT, hourly
from tests.closer.memory_rule_state import MemoryRuleState
from tests.closer.rig import Crash, Worker, World
from tests.core.outcomes import PROBLEM, T0

INDEX = RuleIndex([Placed(RULE, "a.toml", 1)])


class Outcomes(World):
    """Two partitions of outcomes, and the rules' shared state."""

    def __init__(self) -> None:
        super().__init__(2)
        self.state = MemoryRuleState()

    def make_fold(self, part: Part, partitions: int) -> OutcomesFold:
        """The fold of a partition; the first owns the ladders."""
        return OutcomesFold(
            part,
            PROBLEM,
            lambda: INDEX,
            self.state,
            CloserMetrics(),
            SALT,
            part.partition == 0,
            lambda: {
                one.partition: parts
                for one, parts in self.store.peek([one for one in self.parts if one != part], "tallies:").items()
            },
            lambda: self.now,
        )


def run(seed: int, *, crashes: bool) -> Outcomes:
    """Twelve days of outcomes, an arming and a disarming."""
    world, rng, first = Outcomes(), random.Random(seed), hour_of(T0) + 1
    worker = Worker(world, world.parts)
    worker.idle()
    for hour in range(0, 24 * 12, 12):
        world.now = T0 + (hour + 13) * HOUR
        for number, one in enumerate(hourly(range(first + hour, first + hour + 12))):
            world.write(world.parts[number % 4 % 2], encode_record(one))
        if hour in (240, 264):
            verb: Literal["arm", "disarm"] = "arm" if hour == 240 else "disarm"
            world.state.send(Command(id=verb, verb=verb, rule=RULE.name, mode="pause", by="eva", at=world.now))
        for _ in range(2):
            try:
                if crashes and rng.random() < 0.3:
                    world.fence.crashes = rng.random() < 0.5
                    worker.step(rng.randint(1, 30))
                    (worker.idle if rng.random() < 0.5 else worker.commit)()
                    world.fence.crashes = False
                    worker = Worker(world, world.parts)
            except Crash:
                worker = Worker(world, world.parts)
            worker.finish()
    for _ in range(3):
        world.now += 61.0
        worker.finish()
    return world


def standing(world: Outcomes) -> Standing:
    """The rule's, without the bounds of days and the pace, which were made whenever a worker began."""
    return msgspec.structs.replace(world.state.standings()[RULE.name], bounds=[], daily=0.0)


@pytest.mark.slow
@settings(max_examples=6)
@given(seed=st.integers(0, 10_000))
def test_workers_that_end_anywhere_leave_the_same_standings_and_log(seed: int) -> None:
    """The rule is armed once and disarmed once, each has its result, and no observation counts twice or never."""
    calm, rough = run(seed, crashes=False), run(seed, crashes=True)
    assert [one.what for one in calm.state.log()] == ["disarmed", "armed", "loaded"]
    assert [one.what for one in rough.state.log()] == ["disarmed", "armed", "loaded"]
    assert standing(rough) == standing(calm)
    assert rough.state.standings()[RULE.name].verdict.proof.observations > 200
    for name in ("arm", "disarm"):
        result = rough.state.result(name)
        assert result is not None
        assert result.done
    assert rough.state.commands() == []
