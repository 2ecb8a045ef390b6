"""The ledger: what is remembered of each alert, and of actions that overtook theirs. Keyed by (team, alert_id).

Cohorts stand in it too, under the team "", which no alert has.
"""

from typing import Any

import msgspec
from msgspec import Struct

OPEN, NOISE, ACTIONABLE, UNKNOWN = -1, 0, 1, 2  # Alert.outcome
OUTCOME_NAMES = {NOISE: "noise", ACTIONABLE: "actionable", UNKNOWN: "unknown"}

FLOOD, VISIBILITY_ONLY, LATE, HELD_OUT = 1, 2, 4, 8  # Alert.flags
NARROW = FLOOD | VISIBILITY_ONLY  # such alerts update only the levels that hold their rule, and are never judged
FLAG_NAMES = ((FLOOD, "flood"), (VISIBILITY_ONLY, "visibility_only"), (LATE, "late"), (HELD_OUT, "held_out"))


class Alert(Struct, array_like=True, tag="a", gc=False):  # gc=False: it is part of no cycle, nor are the others
    """One alert from its raise to the end of its ledger time. Times in seconds since 1970."""

    raised_at: float
    rule: str
    entity: str
    labels: tuple[str | None, ...]  # values of the problem's history labels, in its order
    flags: int = 0
    last_outcome: int = -1  # of its team and rule when raised: 1, 0, or -1 for none
    outcome: int = OPEN
    decided_at: float = 0.0
    by: str = ""
    noise_seen: bool = False
    actions: list[int] = []  # crc32 of the action ids seen
    score: Any = None  # the scorer's, opaque to the fold: what was published first
    due: float = 0.0  # once time has passed it nothing decides: raise + horizon + grace, or when it came, if later


class HeldAction(Struct, array_like=True, gc=False):
    """An action whose alert is not known yet, with the record it came in, should it have to fail."""

    at: float
    kind: str
    action_id: str
    offset: int
    value: bytes


class Held(Struct, array_like=True, tag="h", gc=False):
    """The actions that overtook one alert, in the order they came."""

    due: float
    actions: list[HeldAction]


class Cohort(Struct, array_like=True, tag="c", gc=False):
    """What is to be counted of some decided alerts once time passes `due`; then all of them have matured."""

    due: float
    kept: bytes  # the scorer's, opaque to the fold


Entry = Alert | Held | Cohort
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Entry] = msgspec.msgpack.Decoder(Entry)
pack_entry = _encoder.encode
unpack_entry = _decoder.decode


_NAMES_OF = [[name for bit, name in FLAG_NAMES if flags & bit] for flags in range(1 << len(FLAG_NAMES))]


def flag_names(flags: int) -> list[str]:
    """The flags' names, as records carry them: shared, never changed."""
    return _NAMES_OF[flags]
