"""Which firings there are, by the copies of them that passed; no server and no clock.

Several senders post copies of one alert, again and again while it fires, and senders that differ in a replica's label
only post copies with other labels. All copies with the same alert id are one firing: it has ended when each of them was
resolved, or its `endsAt` passed, or it was not heard of for `resolve_seconds`.

A resolved copy is its monitor's word: a copy that still fires and has a start before that end is late, and changes
nothing. An end by time alone is a guess: the same copy takes it back, and the firing goes on under its id.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from stream.relay.forward import NOTHING, Addition, Copy, Post, Rejected
from stream.sources.firings import ENDED_SECONDS

KEPT_SECONDS = ENDED_SECONDS + 60.0  # of what ended: longer than Prometheus posts that it was resolved, 15 minutes

SENDERS = 100
"""How many senders of one alert are told apart: a Prometheus that starts anew elsewhere is another one."""


class Firing(Struct, eq=False, kw_only=True):
    """One firing, under its id.

    Attributes:
        alert_id: its id.
        team: the team that owns it.
        first_start: when it began, seconds since 1970.
        entries: the label sets of its copies.
        ended_at: when it ended, seconds since 1970; None while it is open.
        resolved: whether resolved copies said so, of all its label sets.
        resumptions: how often an end by time was taken back.
        addition: what its copies get.
        label_until: when its label is taken off at the latest, seconds since 1970; None: by a release only.
        raising: whether its raised event was handed over for publication.
        in_log: whether its raised event is in Kafka, as far as is known.
        lost: whether it is missing from the log for good.
    """

    alert_id: str
    team: str
    first_start: float
    entries: list["Entry"]
    ended_at: float | None = None
    resolved: bool = False
    resumptions: int = 0
    addition: Addition = NOTHING
    label_until: float | None = None
    raising: bool = False
    in_log: bool = False
    lost: bool = False


class Entry(Struct, eq=False, kw_only=True):
    """The copies with one label set.

    Attributes:
        key: the label set, and its tenant's name where it has one.
        labels: the object of the labels, as it came.
        tenant: whose it is, in the header of the setting `relay_tenant_header`.
        raw: the latest copy, as it came.
        starts_at: the start of the latest copy, seconds since 1970.
        first_seen: when its first copy came.
        open_until: per sender that fires, until when it counts as firing.
        ended_at: when the last of them ended; None while one fires.
        resolved: whether a resolved copy said so.
        firing: None until its id is known.
        queued: whether its id is being looked up.
        unusable: whether no event can be made of it, so that its id is not looked up again.
        shown: what the Alertmanagers have of `Firing.addition`.
        forwarded: whether a copy of it went on.
    """

    key: bytes
    labels: bytes
    raw: bytes
    starts_at: float
    first_seen: float
    open_until: dict[str, float]
    tenant: str = ""
    ended_at: float | None = None
    resolved: bool = False
    firing: Firing | None = None
    queued: bool = False
    unusable: bool = False
    shown: Addition = NOTHING
    forwarded: bool = False

    @property
    def addition(self) -> Addition:
        """What its copies get."""
        return self.firing.addition if self.firing is not None else NOTHING


class Observation(Struct):
    """What a post changed.

    Attributes:
        entries: of each alert of the post; None where it is not followed.
        unknown: entries whose id has to be looked up.
        ended: firings that ended.
        resumed: entries by which an end was taken back.
        refused: short names of why alerts are not followed.
    """

    entries: list[Entry | None]
    unknown: list[Entry]
    ended: list[Firing]
    resumed: list[Entry]
    refused: list[str]


class FiringTable:
    """All firings that are open, or ended a short time ago.

    Args:
        resolve_seconds: how long a copy without `endsAt` counts as firing.
        most: how many label sets are followed; more go on, and are not followed.
    """

    def __init__(self, resolve_seconds: float, most: int) -> None:
        self._resolve_seconds, self._most = resolve_seconds, most
        self._entries: dict[bytes, Entry] = {}
        self._firings: dict[str, Firing] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Firing]:
        return iter(self._firings.values())

    def get(self, alert_id: str) -> Firing | None:
        """The firing of an id; None where it is not followed."""
        return self._firings.get(alert_id)

    def observe(self, post: Post, client: str, now: float, tenant: str = "") -> Observation:
        """Take in a post.

        Args:
            post: its alerts.
            client: its sender, where alerts name none.
            now: when it came, seconds since 1970.
            tenant: whose it is.
        """
        seen = Observation([], [], [], [], [])
        for copy in post.copies:
            if isinstance(copy, Rejected):
                seen.refused.append(copy.counted)
                seen.entries.append(None)
                continue
            entry = self._observe(copy, copy.sender or client, tenant, now, seen)
            seen.entries.append(entry)
            if entry is not None and entry.firing is None and not (entry.queued or entry.unusable):
                entry.queued = True
                seen.unknown.append(entry)
        return seen

    def attach(
        self, entry: Entry, alert_id: str, team: str, first_start: float, late: bool = False
    ) -> tuple[Firing, bool]:
        """Put an entry under its id; the firing, and whether that is what ended it.

        `late` is a copy of what has ended, as another relay knows: it counts as resolved, and ends nothing anew.
        """
        firing = self._firings.get(alert_id)
        if firing is None:
            firing = Firing(alert_id=alert_id, team=team, first_start=first_start, entries=[])
            self._firings[alert_id] = firing
        entry.queued = False
        if entry.firing is not firing:
            self._leave(entry)
        entry.firing = firing
        if entry not in firing.entries:
            firing.entries.append(entry)
        if entry.ended_at is None and (late or firing.resolved):
            entry.open_until.clear()
            entry.ended_at, entry.resolved = max(entry.starts_at, first_start), True
            self._end(firing)
            return firing, False
        if entry.ended_at is None:
            firing.ended_at = None  # it goes on by another label set than those that time ended
        return firing, self._end(firing)

    def sweep(self, now: float) -> list[Firing]:
        """The firings that ended because nothing was heard of them in time; what ended long ago is forgotten."""
        ended = []
        for entry in list(self._entries.values()):
            if entry.ended_at is None:
                latest = max(entry.open_until.values())
                if latest > now:
                    continue
                entry.open_until.clear()
                entry.ended_at = latest
                if entry.firing is not None and self._end(entry.firing):
                    ended.append(entry.firing)
            elif now > entry.ended_at + KEPT_SECONDS and not entry.queued:
                self._forget(entry)
        return ended

    def _observe(self, copy: Copy, sender: str, tenant: str, now: float, seen: Observation) -> Entry | None:
        key = b"%b\0%b" % (tenant.encode(), copy.labels) if tenant else copy.labels
        entry = self._entries.get(key)
        starts_at = now if copy.starts_at is None else copy.starts_at
        if entry is None:
            if len(self._entries) >= self._most and not self._make_room():
                seen.refused.append("too_many")
                return None
            entry = Entry(
                key=key,
                labels=copy.labels,
                raw=copy.raw,
                starts_at=starts_at,
                first_seen=now,
                open_until={},
                tenant=tenant,
            )
            self._entries[key] = entry
        if copy.resolved(now):
            self._resolve(entry, copy, sender, now, seen)
            return entry
        firing = entry.firing
        if firing is not None and firing.ended_at is not None:
            if copy.starts_at is None or copy.starts_at > firing.ended_at:
                self._leave(entry)
                entry.first_seen, entry.shown, entry.forwarded = now, NOTHING, False
            elif firing.resolved or entry.resolved:
                return entry  # a late copy, as of the other half of a pair
            else:
                self._resume(firing, entry, seen)
        entry.raw, entry.starts_at, entry.ended_at, entry.resolved = copy.raw, starts_at, None, False
        if sender not in entry.open_until:
            _drop_senders(entry, now, room=1)
        entry.open_until[sender] = copy.ends_at if copy.ends_at is not None else now + self._resolve_seconds
        return entry

    def _resolve(self, entry: Entry, copy: Copy, sender: str, now: float, seen: Observation) -> None:
        entry.open_until.pop(sender, None)
        _drop_senders(entry, now)
        if entry.open_until:
            return
        entry.resolved = True
        firing = entry.firing
        if entry.ended_at is not None:  # by time, or said before
            if firing is not None and firing.ended_at is not None:
                firing.resolved = all(one.resolved for one in firing.entries)
            return
        assert copy.ends_at is not None
        entry.raw, entry.ended_at = copy.raw, copy.ends_at
        if firing is not None and self._end(firing):
            seen.ended.append(firing)

    def _end(self, firing: Firing) -> bool:
        """End a firing if all of its copies have; whether it ended now."""
        ends = [entry.ended_at for entry in firing.entries]
        if firing.ended_at is not None or None in ends:
            return False
        firing.ended_at = max(end for end in ends if end is not None)
        firing.resolved = all(entry.resolved for entry in firing.entries)
        return True

    @staticmethod
    def _resume(firing: Firing, entry: Entry, seen: Observation) -> None:
        """Take back an end by time; the memory that relays share is asked whether another one knows better."""
        firing.ended_at = None
        firing.lost = firing.raising = False  # what Kafka does not have comes to it now
        if not entry.queued:
            entry.queued = True
            seen.resumed.append(entry)

    def _make_room(self) -> bool:
        """Forget what ended first, if anything ended."""
        ended: Sequence[Entry] = [
            entry for entry in self._entries.values() if entry.ended_at is not None and not entry.queued
        ]
        for entry in sorted(ended, key=lambda entry: entry.ended_at or 0.0)[: max(1, self._most // 10)]:
            self._forget(entry)
        return bool(ended)

    def _forget(self, entry: Entry) -> None:
        del self._entries[entry.key]
        self._leave(entry)

    def _leave(self, entry: Entry) -> None:
        firing, entry.firing = entry.firing, None
        if firing is None:
            return
        firing.entries.remove(entry)
        if not firing.entries:
            self._firings.pop(firing.alert_id, None)


def _drop_senders(entry: Entry, now: float, room: int = 0) -> None:
    """Forget the senders that were not heard of in time, and for the room of others those that would be next."""
    while entry.open_until:
        first = min(entry.open_until, key=entry.open_until.__getitem__)
        if entry.open_until[first] > now and len(entry.open_until) + room <= SENDERS:
            return
        del entry.open_until[first]
