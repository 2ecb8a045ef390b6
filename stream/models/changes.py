"""The audit log of a model store: one file a change, who moved what and why. A rollback restores what it names."""

import getpass
import socket
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

import msgspec
from msgspec import Struct

from stream.models.pointers import CHAMPION, Pointer

CHANGES = "changes"  # the folder
CHANGE_BYTES = 256 * 1024
CHANGES_READ = 200  # the newest; older ones are kept, but not looked at

Verb = Literal["promote", "challenge", "rollback", "retire", "sign", "publish"]


class Change(Struct, frozen=True, kw_only=True):
    """One change. `pointer` is the one that moved, None for a verb that moves none; `version` what it was about."""

    at: datetime
    who: str
    verb: Verb
    version: str | None = None
    pointer: str | None = None
    before: Pointer | None = None
    after: Pointer | None = None
    reason: str | None = None
    forced: bool = False


def who() -> str:
    """The person at the keyboard, as user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def name_of(change: Change) -> str:
    """Its file: names sort by time."""
    at = change.at.astimezone(UTC)
    return f"{CHANGES}/{at:%Y%m%dT%H%M%S.%fZ}-{uuid.uuid4().hex[:8]}.json"


def encode_change(change: Change) -> bytes:
    """Indented JSON."""
    return msgspec.json.format(msgspec.json.encode(change), indent=1) + b"\n"


def decode_change(data: bytes) -> Change | None:
    """None for what is no change: one damaged file must not stand in the way of a rollback."""
    try:
        return msgspec.json.decode(data, type=Change)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None


def before_last(changes: Iterable[Change], now: Pointer | None) -> Pointer | None:
    """What CHAMPION was before its last change; None where it was nothing. A change undone is not undone again.

    A pointer that was written by hand, so that `now` or a change's `before` is not what the log knows, counts as a
    change as well.
    """
    undo: list[Pointer | None] = []
    known: Pointer | None = None
    for change in changes:
        if change.pointer != CHAMPION:
            continue
        if known is not None and known != change.before:
            undo.append(known)
        if change.verb == "rollback":
            while undo and undo.pop() != change.after:
                pass
        else:
            undo.append(change.before)
        known = change.after
    if known is not None and known != now:
        undo.append(known)
    return next((pointer for pointer in reversed(undo) if pointer is not None), None)


def challenged_since(changes: Iterable[Change], version: str) -> float | None:
    """When the version was last made challenger, in seconds since 1970; None if never."""
    times = [change.at for change in changes if change.verb == "challenge" and change.version == version]
    return max(times).timestamp() if times else None
