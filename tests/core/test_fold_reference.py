"""The fold against one that is written the slow and plain way (`reference.py`)."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core import state
from stream.core.ledger import FLOOD, MAINTENANCE, OUTCOME_NAMES
from stream.core.problem import Problem
from tests.core.logs import DAY, LAW, PROBLEMS, START, Timed, effects, logs, run, tell
from tests.core.reference import Reference, decayed

TRIFLE = 1e-9


def read(level: Sequence[float], at: float) -> dict[str, object]:
    """What a state says at `at`, in the reference's terms."""
    days = (at - level[state.LANDMARK] * state.EPOCH) / DAY
    decay = [2.0 ** (-days / half_life) for half_life in state.HALF_LIVES_DAYS] + [1.0]
    counts = [level[1 + index] * decay[index % 4] for index in range(12)]
    valid = min(int(level[state.DECIDED + 3]), state.RING_BITS)
    ring = [int(level[state.RING]) >> bit & 1 for bit in range(valid)]
    times = [level[state.LAST_RAISED], level[state.LAST_DECIDED], level[state.LAST_ACTED], level[state.FIRST]]
    return {"counts": counts, "last": ring, "open": level[state.OPEN], "times": times}


def same(mine: dict[str, object], theirs: dict[str, object]) -> None:
    """Equal; decayed counts to 1e-9."""
    assert mine["counts"] == pytest.approx(theirs["counts"], rel=TRIFLE, abs=TRIFLE)
    assert {**mine, "counts": 0} == {**theirs, "counts": 0}


@pytest.mark.slow
@LAW
@given(st.sampled_from(PROBLEMS), logs(late=(0.0, 1.0, 300.0, 301.0, 3_900.0, DAY, 12 * DAY)))
def test_the_fold_is_the_plain_fold(problem: Problem, log: list[Timed]) -> None:
    """Rows, outcomes, effects, flags, episodes and states are those of a naive fold that sums over what happened."""
    reference, fold = Reference(problem), run(problem, log)
    for event, at in log:
        reference.step(event, at)
    told = tell(fold)
    rows = [np.frombuffer(effect[3]).tolist() for effect in told if effect[0] == "arrived"]
    decided = [effect for effect in told if effect[0] == "decided"]
    assert [(*one[1:3], OUTCOME_NAMES[one[3]], *one[4:6], *one[7:9]) for one in decided] == reference.outcomes
    assert effects(told) == reference.effects
    arrived = [effect for effect in told if effect[0] == "arrived"]
    assert [bool(effect[2] & FLOOD) for effect in arrived] == reference.floods
    assert [bool(effect[2] & MAINTENANCE) for effect in arrived] == reference.maintained
    assert [effect[4] for effect in arrived] == reference.episodes
    for row, theirs in zip(rows, reference.rows, strict=True):
        for index, level in enumerate(theirs):
            mine = row[1 + 19 * index : 20 + 19 * index]
            if level is None:
                assert all(math.isnan(value) for value in mine)
            else:
                same(read(mine, row[0]), level)
    for name, level_of_theirs in reference.levels.items():
        same(read(fold.levels["\0".join(name)], fold.time), level_of_theirs.read(fold.time))
    assert len(fold.levels) == len(reference.levels)


@LAW
@given(st.lists(st.tuples(st.floats(0, 700), st.booleans()), min_size=1, max_size=30))
def test_late_events_are_folded_at_their_own_decay(times: list[tuple[float, bool]]) -> None:
    """Raises and outcomes in any order, over several landmarks, count as a sum of 2^(-age / half-life) in the end."""
    level = state.new_state(START // state.EPOCH)
    for days, is_raise in times:
        at = START + days * DAY
        if at // state.EPOCH > level[state.LANDMARK]:
            state.move_landmark(level, at // state.EPOCH)
        if is_raise:
            state.add_raises([level], at, at // state.EPOCH)
        else:
            state.add_outcomes([level], at, at // state.EPOCH, actionable=True)
    end = START + 700 * DAY
    expected = [
        decayed([START + days * DAY for days, kind in times if kind is wanted], end) for wanted in (True, False)
    ]
    counts = read(level, end)["counts"]
    assert isinstance(counts, list)
    assert counts == pytest.approx([*expected[0], *expected[1], *expected[1]], rel=TRIFLE, abs=1e-30)
