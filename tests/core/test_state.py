"""A level's state: its record, its landmark, its ring."""

import math
import struct
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core import state
from tests.core.logs import DAY, LAW, START

EPOCH = START // state.EPOCH
numbers = st.floats(allow_nan=False)


@LAW
@given(st.lists(numbers, min_size=state.WIDTH, max_size=state.WIDTH))
def test_unpacking_undoes_packing(numbers: list[float]) -> None:
    """Any 19 floats, infinities and signed zeros too, come back bit by bit from 152 bytes."""
    level = array("d", numbers)
    record = state.pack_state(level)
    assert len(record) == state.RECORD_BYTES == 152
    assert struct.pack("<19d", *numbers) == record
    assert state.unpack_state(record) == level


@pytest.mark.parametrize("size", [0, 151, 153])
def test_a_cut_record_is_not_a_state(size: int) -> None:
    """A record of another size is an error, not a state with something missing."""
    with pytest.raises(ValueError, match="bytes"):
        state.unpack_state(b"\0" * size)


def test_a_new_state_holds_nothing() -> None:
    """Zero counts, no times, no last outcome."""
    level = state.new_state(EPOCH)
    assert len(level) == state.WIDTH
    assert (level[state.LANDMARK], list(level[1:15]), list(level[15:])) == (EPOCH, [0.0] * 14, [-math.inf] * 4)
    assert state.last_outcome(level) == -1
    assert state.last_touched(level) == state.NEVER


@pytest.mark.parametrize("days", [0.0, 1.0, 255.999])
def test_weights_stay_finite_within_an_epoch(days: float) -> None:
    """2^(days / half-life) from the landmark on; the largest is 2^256, which a float holds a quintillion of."""
    one_day, week, month = state.weights(EPOCH * state.EPOCH + days * DAY, EPOCH)
    assert (one_day, week, month) == pytest.approx((2**days, 2 ** (days / 7), 2 ** (days / 30)), rel=1e-12)
    assert one_day * 1e18 < math.inf


@LAW
@given(st.lists(st.floats(0, 256, exclude_max=True), min_size=1, max_size=20), st.integers(1, 5))
def test_moving_the_landmark_changes_no_reading(days: list[float], epochs: int) -> None:
    """What a state says at a time is the same before and after its landmark moves, to rounding."""
    level = state.new_state(0.0)
    for day in days:
        state.add_raises([level], day * DAY, 0.0)
    at = epochs * state.EPOCH_DAYS + 3.0
    before = [level[1 + index] * 2.0 ** (-at / half_life) for index, half_life in enumerate(state.HALF_LIVES_DAYS)]
    state.move_landmark(level, float(epochs))
    after = [level[1 + index] * 2.0 ** (-3.0 / half_life) for index, half_life in enumerate(state.HALF_LIVES_DAYS)]
    assert after == pytest.approx(before, rel=1e-12, abs=1e-300)
    assert (level[4], level[0]) == (len(days), epochs)


def test_what_is_ages_old_becomes_zero() -> None:
    """A landmark moved by a thousand years leaves zeros and no error, and counts without decay stay."""
    level = state.new_state(0.0)
    state.add_raises([level], DAY, 0.0)
    state.move_landmark(level, 1_426.0)
    assert list(level[1:5]) == [0.0, 0.0, 0.0, 1.0]


@LAW
@given(st.lists(st.booleans(), max_size=80))
def test_the_ring_holds_the_last_outcomes(outcomes: list[bool]) -> None:
    """After any outcomes the ring holds the newest 32, the newest in bit 0, and stays exact as a float."""
    level = state.new_state(EPOCH)
    for outcome in outcomes:
        state.add_outcomes([level], START, EPOCH, outcome)
    ring = int(level[state.RING])
    newest_first = outcomes[::-1][: state.RING_BITS]
    assert [ring >> bit & 1 == 1 for bit in range(len(newest_first))] == newest_first
    assert ring >> len(newest_first) == 0
    assert float(ring) == level[state.RING]
    assert state.last_outcome(level) == (int(outcomes[-1]) if outcomes else -1)
    assert (level[8], level[12]) == (len(outcomes), sum(outcomes))


def test_times_are_the_latest_and_first_is_the_earliest() -> None:
    """In whatever order events come, last times only grow and the first raise only falls."""
    level = state.new_state(EPOCH)
    for at in (5.0, 9.0, 2.0):
        state.add_raises([level], START + at, EPOCH)
        state.add_outcomes([level], START + 10 * at, EPOCH, actionable=at != 9.0)
    assert list(level[15:]) == [START + 9, START + 90, START + 50, START + 2]
    assert state.last_touched(level) == START + 90


def test_open_never_falls_below_none() -> None:
    """A level that began anew has no open alert to lose."""
    level = state.new_state(EPOCH)
    state.add_raises([level], START, EPOCH)
    for _ in range(2):
        state.close_one([level])
        assert level[state.OPEN] == 0.0
