"""The ledger: what is remembered of each alert, and of actions that overtook theirs. Keyed by (team, alert_id).

The room's timers stand in it too, under the team "", which no alert has.
"""

from typing import Any

import msgspec
from msgspec import Struct

from stream.core import limits
from stream.core.events import Raised

OPEN, NOISE, ACTIONABLE, UNKNOWN = -1, 0, 1, 2  # Alert.outcome
OUTCOME_NAMES = {NOISE: "noise", ACTIONABLE: "actionable", UNKNOWN: "unknown"}

FLOOD, VISIBILITY_ONLY, LATE, HELD_OUT, MAINTENANCE, LABELS_CUT = 1, 2, 4, 8, 16, 32  # Alert.flags
UNJUDGED = FLOOD | VISIBILITY_ONLY | MAINTENANCE  # update only the levels that hold their rule, and are never judged
FLAG_NAMES = (
    (FLOOD, "flood"),
    (VISIBILITY_ONLY, "visibility_only"),
    (LATE, "late"),
    (HELD_OUT, "held_out"),
    (MAINTENANCE, "maintenance"),
    (LABELS_CUT, "labels_cut"),
)

NOISE_SEEN, AUTOMATION_NOISE_SEEN, MUTED = 1, 2, 4  # Alert.marks: what an expiry depends on


class Context(Struct, array_like=True, frozen=True, gc=False):  # gc=False: it is part of no cycle, nor are the others
    """What of an alert is kept while its outcome may still change, and goes into its outcome record."""

    severity: str | None
    source: str | None
    labels: dict[str, str]


class Alert(Struct, array_like=True, tag="a", gc=False):
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
    marks: int = 0
    actions: list[int] = []  # crc32 of the action ids seen
    score: Any = None  # the scorer's, opaque to the fold: what was published first
    due: float = 0.0  # once time has passed it nothing decides: raise + horizon + grace, or when it came, if later
    episode: float | None = None  # the first raise of its episode; None: it is the first itself
    context: Context | None = None  # while open, paused or closed by a rule


class HeldAction(Struct, array_like=True, gc=False):
    """An action whose alert is not known yet, with the record it came in, should it have to fail."""

    at: float
    kind: str
    action_id: str
    offset: int
    value: bytes
    agent: str | None = None


class Held(Struct, array_like=True, tag="h", gc=False):
    """The actions that overtook one alert, in the order they came."""

    due: float
    actions: list[HeldAction]


class Timer(Struct, array_like=True, tag="t", gc=False):
    """An event-time timer of the room. It fires when time passes `due` (seconds since 1970), and leaves the ledger.

    `payload` is the room's, opaque to the fold; `version` says in which form it was written.
    """

    due: float
    version: int
    payload: bytes


Entry = Alert | Held | Timer
_MARKS_AT = 1 + Alert.__struct_fields__.index("marks")  # after the tag; version 3 has `noise_seen` there, a bool
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Entry] = msgspec.msgpack.Decoder(Entry)
pack_entry = _encoder.encode
unpack_entry = _decoder.decode


_NAMES_OF = [[name for bit, name in FLAG_NAMES if flags & bit] for flags in range(1 << len(FLAG_NAMES))]


def flag_names(flags: int) -> list[str]:
    """The flags' names, as records carry them: shared, never changed."""
    return _NAMES_OF[flags]


def unpack_earlier(record: bytes) -> Entry:
    """A ledger entry as this fold version or the one before packed it: what a rebuild reads of the old history.

    Raises:
        msgspec.ValidationError: it is neither, or one of version 3's cohorts.
    """
    fields = msgspec.msgpack.decode(record)
    if isinstance(fields, list) and len(fields) > _MARKS_AT and isinstance(fields[_MARKS_AT], bool):
        fields[_MARKS_AT] = NOISE_SEEN if fields[_MARKS_AT] else 0
    return msgspec.convert(fields, Entry)  # type: ignore[no-any-return]  # a union is no type to mypy


def context_of(event: Raised) -> Context | None:
    """What is kept of an alert, in at most `CONTEXT_BYTES` of UTF-8; None where there is nothing to keep.

    Severity and source always fit. Labels are taken in the order of their names; one that no longer fits is left out,
    and then the labels are another dictionary than the event's.
    """
    severity, source, labels = event.severity, event.source, event.labels
    text = "".join([severity or "", source or "", *labels, *labels.values()])
    if 4 * len(text) <= limits.CONTEXT_BYTES or len(text.encode()) <= limits.CONTEXT_BYTES:  # 4 bytes at most each
        return Context(severity, source, labels) if text or labels else None
    left = limits.CONTEXT_BYTES - _bytes(severity) - _bytes(source)
    kept = {}
    for name, value in sorted(labels.items()):
        taken = _bytes(name) + _bytes(value)
        if taken <= left:
            kept[name] = value
            left -= taken
    return Context(severity, source, kept)


def _bytes(text: str | None) -> int:
    return len(text.encode()) if text else 0
