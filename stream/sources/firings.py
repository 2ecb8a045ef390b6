"""Which alert a firing is: the one place where `alert_id` is decided, as a pure step over what is remembered.

    records of a fingerprint, start -> records', the firing

An alert that its source knows by labels fires again and again. A firing's id is made of the first start that was seen;
other starts keep it while the firing is open, since a restarted Prometheus gives what still fires a new start and two
never agree on one. What ended is remembered for 15 minutes, so that a late copy of it neither reopens nor raises it.

An end that the monitor itself did not say is a guess, as of a relay that heard no more of it: a copy that comes from
the monitor itself and has a start before that end takes it back, and the firing goes on under its id.
"""

import hashlib

import msgspec
from msgspec import Struct

from stream.core import limits

ENDED_SECONDS = 15 * 60.0  # how long what ended is remembered after that was heard
DAY = 86_400.0


class FiringRecord(Struct, frozen=True, array_like=True):
    """What is remembered of one firing, or of an alert that its source names itself.

    Attributes:
        alert_id: the firing's id.
        team: the owner of its first event.
        first_start: the first start that was seen, seconds since 1970; with it the alert is raised.
        ended_at: when it ended, by its source; None while it is open.
        ended_heard: when the end was heard, by our clock.
        raise_published: whether the broker has its raised event.
        end_published: whether the broker has its ended event.
        resolved: whether the monitor itself said that it ended.
        resumptions: how often an end was taken back.
        resumptions_published: how many of them the broker has.
    """

    alert_id: str
    team: str
    first_start: float
    ended_at: float | None = None
    ended_heard: float = 0.0
    raise_published: bool = False
    end_published: bool = False
    resolved: bool = False
    resumptions: int = 0
    resumptions_published: int = 0

    @property
    def resumption(self) -> int:
        """The number of the latest resumption while the broker does not have it; else 0."""
        return self.resumptions if self.resumptions > self.resumptions_published else 0


Records = tuple[FiringRecord, ...]
_decoder = msgspec.msgpack.Decoder(Records)
_encoder = msgspec.msgpack.Encoder()


def make_alert_id(source: str, fingerprint: int, start: float) -> str:
    """The id of the firing of a fingerprint that began at `start`: 20 hex digits.

    >>> make_alert_id("alertmanager", 0xA3E47941A7671FEF, 1795511702.738429)
    '4f76d70e30239dc9b6b3'
    """
    text = f"{source}\0{fingerprint:016x}\0{round(start * 1_000_000)}"
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def find_raise(
    records: Records, start: float, new: FiringRecord, first_hand: bool = False
) -> tuple[Records, FiringRecord, bool]:
    """The firing that a firing copy with this start belongs to.

    Args:
        records: what is remembered of its fingerprint.
        start: of the copy, seconds since 1970.
        new: the firing that it begins, if it is of none.
        first_hand: whether the copy came from the monitor itself, so that it may take back an end.

    Returns:
        the records with it, the firing, and whether the copy is late: its firing has ended.
    """
    opened = _open(records)
    for record in reversed(records):
        if record.ended_at is not None and start <= record.ended_at:
            if not first_hand or record.resolved or opened is not None:
                return records, record, True
            resumed = msgspec.structs.replace(
                record, ended_at=None, ended_heard=0.0, end_published=False, resumptions=record.resumptions + 1
            )
            return _replace(records, record, resumed), resumed, False
    if opened is not None:
        return records, opened, False
    return (*records, new)[-limits.FIRINGS_REMEMBERED :], new, False


def find_end(
    records: Records, start: float, end: float, heard: float, new: FiringRecord | None, first_hand: bool = False
) -> tuple[Records, FiringRecord | None]:
    """The firing that an end belongs to, ended.

    A firing that was never seen is `new`, raised and ended at once; None where nothing is to be raised. `first_hand`:
    the monitor itself said that it ended.

    Returns:
        the records with it, and the firing; None where it is not known.
    """
    for record in reversed(records):
        if record.ended_at is not None and start <= record.ended_at:
            if not first_hand or record.resolved:
                return records, record
            resolved = msgspec.structs.replace(record, resolved=True)
            return _replace(records, record, resolved), resolved
    opened = _open(records)
    if opened is not None and opened.first_start <= end:
        ended = msgspec.structs.replace(opened, ended_at=end, ended_heard=heard, resolved=first_hand)
        return _replace(records, opened, ended), ended
    if new is None:
        return records, None
    ended = msgspec.structs.replace(new, ended_at=end, ended_heard=heard, resolved=first_hand)
    return (ended, *records)[: limits.FIRINGS_REMEMBERED], ended


def find_act(records: Records, at: float) -> FiringRecord | None:
    """The firing that something was done to at `at`: the open one, else the last that ended."""
    opened = _open(records)
    if opened is not None and (opened.first_start <= at or len(records) == 1):
        return opened
    ended = [record for record in records if record.ended_at is not None]
    return max(ended, key=lambda record: record.ended_at or 0.0, default=opened)


def prune(records: Records, now: float) -> Records:
    """The records without those whose end was heard more than 15 minutes ago."""
    if all(record.ended_at is None for record in records):
        return records
    return tuple(one for one in records if one.ended_at is None or now <= one.ended_heard + ENDED_SECONDS)


def mark_published(records: Records, alert_id: str, ended: bool, resumption: int = 0) -> Records:
    """The records, with that of `alert_id` known to the broker as raised, and as ended or resumed.

    An end that was taken back meanwhile, so that `resumption` is not the record's latest, is not the firing's any more.
    """
    return tuple(
        msgspec.structs.replace(
            one,
            raise_published=True,
            end_published=one.end_published or (ended and resumption == one.resumptions),
            resumptions_published=max(one.resumptions_published, 0 if ended else resumption),
        )
        if one.alert_id == alert_id
        else one
        for one in records
    )


def seconds_kept(records: Records, open_seconds: float) -> float:
    """How long a store keeps the records: while one is open for `open_seconds` after it was last heard of."""
    return open_seconds if _open(records) is not None else ENDED_SECONDS


def encode_records(records: Records) -> bytes:
    """The records as they are stored: MessagePack."""
    return _encoder.encode(records)


def decode_records(value: bytes) -> Records:
    """The records of a stored value; none where nothing is stored, or something that is no record."""
    try:
        return _decoder.decode(value) if value else ()
    except msgspec.DecodeError:
        return ()


def _replace(records: Records, old: FiringRecord, new: FiringRecord) -> Records:
    return tuple(new if record is old else record for record in records)


def _open(records: Records) -> FiringRecord | None:
    return next((record for record in reversed(records) if record.ended_at is None), None)
