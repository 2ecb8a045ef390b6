"""What an Alertmanager says of itself: the bodies of `GET /api/v2/silences` and `GET /api/v2/alerts`, typed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from stream.core import limits
from stream.core.errors import NoisegateError
from stream.sources.matchers import Matcher
from stream.sources.times import BadTime, read_time


class Silence(Struct, frozen=True, kw_only=True):
    """A silence. Times in seconds since 1970.

    Attributes:
        active: whether it suppresses now; it may be pending or expired.
        updated_at: when it was last changed.
    """

    id: str
    matchers: tuple[Matcher, ...]
    creator: str
    starts_at: float
    ends_at: float
    updated_at: float
    active: bool = True

    @property
    def made_at(self) -> float:
        """When somebody made it: its start, or before that its last change where it was made for later."""
        return min(self.starts_at, self.updated_at)


class AlertState(Struct, frozen=True, kw_only=True):
    """An alert that fires, as an Alertmanager sees it.

    Attributes:
        starts_at: seconds since 1970.
        suppressed: whether nobody is notified of it.
        processed: whether the Alertmanager has decided that yet.
        silenced_by: ids of silences.
        inhibited: whether another alert mutes it.
        receivers: names of the receivers that it is routed to.
    """

    labels: Mapping[str, str]
    starts_at: float
    suppressed: bool = False
    processed: bool = True
    silenced_by: frozenset[str] = frozenset()
    inhibited: bool = False
    receivers: frozenset[str] = frozenset()


class Snapshot(Struct, frozen=True, kw_only=True):
    """All Alertmanagers at one time.

    Attributes:
        at: when they were asked, seconds since 1970.
        complete: whether every one of them answered; else an alert may be at one that did not.
    """

    at: float
    silences: Sequence[Silence] = ()
    alerts: Sequence[AlertState] = ()
    complete: bool = True


class BadState(NoisegateError):
    """What an Alertmanager answered is no list of silences or alerts."""


class _Status(Struct):
    state: str = ""
    silencedBy: list[str] | None = None
    inhibitedBy: list[str] | None = None


class _Receiver(Struct):
    name: str = ""


class _Alert(Struct):
    labels: dict[str, str]
    startsAt: str
    status: _Status
    receivers: list[_Receiver] = []


class _Matcher(Struct):
    name: str
    value: str
    isRegex: bool = False
    isEqual: bool | None = True  # older ones know no inequality


class _Silence(Struct):
    id: str
    matchers: list[_Matcher]
    startsAt: str
    endsAt: str
    updatedAt: str
    status: _Status
    createdBy: str = ""


def read_silences(body: bytes) -> list[Silence]:
    """The silences of an answer; one that can't be used is passed over.

    Raises:
        BadState: it is no list.
    """
    found = []
    for raw in _each(body, _Silence):
        try:
            times = [read_time(text) for text in (raw.startsAt, raw.endsAt, raw.updatedAt)]
        except BadTime:
            continue
        if not 0 < len(raw.matchers) <= limits.MATCHERS:
            continue
        silence = Silence(
            id=raw.id[: limits.ID_LENGTH],
            matchers=tuple(Matcher(m.name, m.value, m.isRegex, m.isEqual is not False) for m in raw.matchers),
            creator=raw.createdBy[: limits.NAME_LENGTH].replace("\0", " ").strip(),
            starts_at=times[0],
            ends_at=times[1],
            updated_at=times[2],
            active=raw.status.state == "active",
        )
        found.append(silence)
    return found


def read_alerts(body: bytes) -> list[AlertState]:
    """The firing alerts of an answer; one that can't be used is passed over.

    Raises:
        BadState: it is no list.
    """
    found = []
    for raw in _each(body, _Alert):
        try:
            starts_at = read_time(raw.startsAt)
        except BadTime:
            continue
        alert = AlertState(
            labels=raw.labels,
            starts_at=starts_at,
            suppressed=raw.status.state == "suppressed",
            processed=raw.status.state in ("active", "suppressed"),
            silenced_by=frozenset(raw.status.silencedBy or ()),
            inhibited=bool(raw.status.inhibitedBy),
            receivers=frozenset(receiver.name for receiver in raw.receivers),
        )
        found.append(alert)
    return found


def merge(snapshots: Sequence[Snapshot]) -> Snapshot:
    """Several Alertmanagers' states as one; a silence that they share counts once.

    What fires at two of them stands there twice: `watch` puts together what is the same alert.
    """
    silences = latest(silence for snapshot in snapshots for silence in snapshot.silences)
    return Snapshot(
        at=max((snapshot.at for snapshot in snapshots), default=0.0),
        silences=silences,
        alerts=[alert for snapshot in snapshots for alert in snapshot.alerts],
        complete=bool(snapshots) and all(snapshot.complete for snapshot in snapshots),
    )


def latest(silences: Iterable[Silence]) -> list[Silence]:
    """One silence an id: where Alertmanagers differ, because one has not heard of a change yet, the last changed."""
    found: dict[str, Silence] = {}
    for silence in silences:
        other = found.get(silence.id)
        if other is None or silence.updated_at > other.updated_at:
            found[silence.id] = silence
    return list(found.values())


def _each(body: bytes, of: type[Any]) -> Iterable[Any]:
    try:
        listed = msgspec.json.decode(body, type=list[Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadState(
            "the answer is no JSON list, as Alertmanager's API v2 gives; name an Alertmanager's address"
        ) from None
    if len(listed) > limits.WATCHED:
        raise BadState(f"the answer has {len(listed)} entries, at most {limits.WATCHED} are read; watch fewer alerts")
    for raw in listed:
        try:
            yield msgspec.json.decode(raw, type=of)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
