"""The history state of one level: exponentially decayed counts, in a flat array of 19 float64.

Counts are kept by forward decay (Cormode et al., "Forward Decay", ICDE 2009): an event at time t adds
2^((t - L) / h) for a landmark L, and a count read at time t is the sum times 2^(-(t - L) / h). So an update is a
plain addition, a late event is folded at its own decay whatever came before, and reading is one multiplication, done
in numpy for whole batches. Landmarks move in epochs of 256 days, so that the sums stay within float64.
"""

import math
import sys
from array import array
from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

State: TypeAlias = "array[float]"
Weights = tuple[float, float, float]

DAY = 86_400.0
HALF_LIVES_DAYS = (1.0, 7.0, 30.0)
EPOCH_DAYS = 256.0
EPOCH = EPOCH_DAYS * DAY
GC_THRESHOLDS = (100_000, 50, 1_000)  # states make no cycles; with the defaults a third of the CPU looked for some
NEVER = -math.inf
RING_BITS = 32
_RING_END = float(1 << RING_BITS)

# The layout. Each of the three counts: half-lives 1 d, 7 d, 30 d, then without decay.
LANDMARK = 0  # epoch number: L = LANDMARK * EPOCH
RAISED = 1
DECIDED = 5
ACTED = 9  # decided as actionable
RING = 13  # the last outcomes, newest in bit 0, 1 = actionable; valid bits: min(count without decay, RING_BITS)
OPEN = 14  # alerts raised and not yet decided
LAST_RAISED = 15
LAST_DECIDED = 16
LAST_ACTED = 17
FIRST = 18  # the first raise
EPISODE = 18  # of team+rule+entity instead: the first raise of the episode that runs, see episodes.py
WIDTH = 19

RECORD_BYTES = 8 * WIDTH
_FRESH = array("d", [0.0] * LAST_RAISED + [NEVER] * (WIDTH - LAST_RAISED))
_SWAPPED = sys.byteorder == "big"


def new_state(epoch: float) -> State:
    """A level that nothing has happened in."""
    state = _FRESH[:]
    state[LANDMARK] = epoch
    return state


def pack_state(state: State) -> bytes:
    """The record of a state: 19 little-endian float64, 152 bytes."""
    if _SWAPPED:
        state = state[:]
        state.byteswap()
    return state.tobytes()


def unpack_state(record: bytes) -> State:
    """The inverse of `pack_state`."""
    state = array("d", record)
    if len(state) != WIDTH:
        raise ValueError(f"a state's record has {RECORD_BYTES} bytes, this one {len(record)}")
    if _SWAPPED:
        state.byteswap()
    return state


def weights(at: float, epoch: float) -> Weights:
    """What one event at `at` adds to the decayed counts of a state whose landmark is `epoch`.

    >>> weights(86_400.0, 0.0)[0]
    2.0
    """
    days = (at - epoch * EPOCH) / DAY
    return math.exp2(days), math.exp2(days / 7.0), math.exp2(days / 30.0)


def decay_factors(landmark: float | NDArray[np.float64], at: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """What stored counts are multiplied by when they are read at `at`, seconds since 1970: float64[..., 4].

    The last axis is the layout's: half-lives 1 d, 7 d, 30 d, and no decay. `landmark` and `at` are of one shape.

    >>> decay_factors(0.0, 7 * 86_400.0)[1:].round(3).tolist()
    [0.5, 0.851, 1.0]
    """
    days = np.asarray((at - landmark * EPOCH) / DAY)
    factors = np.ones((*days.shape, 4))
    for window, half_life in enumerate(HALF_LIVES_DAYS):
        factors[..., window] = np.exp2(-days / half_life)
    return factors


def move_landmark(state: State, epoch: float) -> None:
    """Bring a state to a later epoch; what is too old to matter becomes zero."""
    days = (epoch - state[LANDMARK]) * EPOCH_DAYS
    factors = [math.exp2(-days / half_life) for half_life in HALF_LIVES_DAYS]
    for count in (RAISED, DECIDED, ACTED):
        for index, factor in enumerate(factors):
            state[count + index] *= factor
    state[LANDMARK] = epoch


def add_raises(levels: Iterable[State], at: float, epoch: float) -> None:
    """Count a raise at `at`, which lies in `epoch`, in each state at its own landmark."""
    usual = weights(at, epoch)
    for state in levels:
        day, week, month = usual if state[0] == epoch else weights(at, state[0])
        state[1] += day
        state[2] += week
        state[3] += month
        state[4] += 1.0
        state[14] += 1.0
        last = state[15]
        if at > last:
            state[15] = at
            if last == NEVER:
                state[18] = at
        elif at < state[18]:
            state[18] = at


def add_outcomes(levels: Iterable[State], at: float, epoch: float, actionable: bool) -> None:
    """Count an outcome known at `at`, which lies in `epoch`, in each state at its own landmark; see `close_one`."""
    usual = weights(at, epoch)
    for state in levels:
        day, week, month = usual if state[0] == epoch else weights(at, state[0])
        state[5] += day
        state[6] += week
        state[7] += month
        state[8] += 1.0
        if at > state[16]:
            state[16] = at
        if state[14] > 0.0:
            state[14] -= 1.0
        ring = state[13] * 2.0  # the bits shifted by one, exactly: floats hold whole numbers to 2^53
        if ring >= _RING_END:
            ring -= _RING_END
        if actionable:
            state[9] += day
            state[10] += week
            state[11] += month
            state[12] += 1.0
            ring += 1.0
            if at > state[17]:
                state[17] = at
        state[13] = ring


def close_one(levels: Iterable[State]) -> None:
    """One open alert less in each; a level that started anew has none to lose."""
    for state in levels:
        opened = state[14]
        if opened > 0.0:
            state[14] = opened - 1.0


def last_touched(state: State) -> float:
    """The latest event time folded into the state."""
    return state[15] if state[15] > state[16] else state[16]


def last_outcome(state: State) -> int:
    """1 or 0 as the last outcome was actionable or noise, -1 where there is none."""
    return int(state[13]) & 1 if state[8] else -1
