"""The alerts of a partition that rules keep from people, and for a day those that rules acted on: nobody acts twice."""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct, field

from stream.closer.exchange import AlertKey
from stream.core import limits
from stream.core.events import Raised
from stream.core.records import Enriched
from stream.core.suppressions import Suppression, release_reason

PREFIX = "alert:"
KEPT_SECONDS = 25 * 3_600.0  # how long it is known that a rule acted on an alert


class SuppressedAlert(Struct, array_like=True, frozen=True):
    """An alert that a rule acted on.

    Attributes:
        at: when the rule acted, or when the alert came back; seconds since 1970.
        suppression: what keeps it from people; None once it is back, and where it was held out.
        alert: as raised; None where there is no suppression.
    """

    at: float
    suppression: Suppression | None = None
    alert: Raised | None = None


class Held(Struct, frozen=True):
    """A suppression with its alert."""

    suppression: Suppression
    alert: Raised

    @property
    def key(self) -> AlertKey:
        """Team and alert id."""
        return self.suppression.team, self.suppression.alert_id


class Shown(Struct):
    """What people are shown of a round of suppressions once it is written.

    Attributes:
        begun: what is kept from people.
        ended: what is back, or was back before.
        endings: of each that is back since, its decision and what ended it.
        undone: how many alerts came back, by undo.
    """

    begun: list[Suppression] = field(default_factory=list)
    ended: list[AlertKey] = field(default_factory=list)
    endings: list[tuple[str, str]] = field(default_factory=list)
    undone: dict[str, int] = field(default_factory=dict)

    def add(self, other: "Shown") -> None:
        """Take in what came after it."""
        self.begun += other.begun
        self.ended += other.ended
        self.endings += other.endings
        self.undone |= other.undone

    def __bool__(self) -> bool:
        return bool(self.begun or self.ended or self.undone)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(SuppressedAlert).decode


class SuppressedAlerts:
    """The table of a partition, each alert a part."""

    def __init__(self) -> None:
        self._alerts: dict[AlertKey, SuppressedAlert] = {}
        self._by_rule: dict[tuple[str, str], set[AlertKey]] = {}  # by team and rule
        self._by_entity: dict[tuple[str, str, str], dict[str | None, set[AlertKey]]] = {}  # and entity, by severity
        self._held: dict[AlertKey, Held] = {}
        self._due: list[tuple[float, AlertKey]] = []
        self._old: list[tuple[float, AlertKey]] = []
        self._changed: set[AlertKey] = set()

    def load(self, parts: Mapping[str, bytes]) -> None:
        """Begin with the parts that were written last."""
        for name, packed in parts.items():
            if name.startswith(PREFIX):
                team, _, alert_id = name.removeprefix(PREFIX).partition("\0")
                self._put((team, alert_id), _decode(packed))
        self._changed.clear()

    def __contains__(self, key: AlertKey) -> bool:
        """Whether a rule acted on the alert, or held it out, within the last day."""
        return key in self._alerts

    def get(self, key: AlertKey) -> Held | None:
        """The alert, if it is kept from people now."""
        return self._held.get(key)

    def held(self) -> Sequence[Held]:
        """All that are kept from people now."""
        return list(self._held.values())

    def hold(self, one: Suppression, alert: Raised) -> None:
        """Keep an alert from people."""
        self._put((one.team, one.alert_id), SuppressedAlert(one.since, one, alert))

    def note(self, key: AlertKey, at: float) -> None:
        """Note that an alert came back, or was held out; so no rule acts on it again."""
        held = self._held.pop(key, None)
        if held is not None:
            one = held.suppression
            _remove(self._by_rule, (one.team, one.rule), key)
            severities = self._by_entity[one.team, one.rule, one.entity]
            _remove(severities, one.severity, key)
            if not severities:
                del self._by_entity[one.team, one.rule, one.entity]
        self._put(key, SuppressedAlert(at))

    def released_by(self, enriched: Enriched, severities: Sequence[str]) -> list[tuple[Held, str]]:
        """Those that an alert brings back at once, each with the reason."""
        alert = enriched.alert
        if "flood" in enriched.flags:
            groups = [self._by_rule.get((alert.team, alert.rule), set())]
        else:
            groups = list(self._by_entity.get((alert.team, alert.rule, alert.entity), {}).values())
        found = []
        for keys in groups:  # all of a group come back by it, or none does
            if keys and (why := release_reason(self._held[next(iter(keys))].suppression, enriched, severities)):
                found += [(self._held[key], why) for key in sorted(keys)]
        return found

    def take_due(self, now: float) -> Iterator[tuple[Held, str]]:
        """Those that come back by a time, in order; each must be released before the next is taken.

        One that began much later than now is due as well: the clock was wrong then, and nobody knows how long it lasts.
        """
        while self._due and self._due[0][0] <= now:
            _, key = heapq.heappop(self._due)
            held = self._held.get(key)
            if held is not None and held.suppression.until <= now:
                yield held, "its pause ended" if held.suppression.decision == "pause" else "its closure ended"
        for held in [one for one in self._held.values() if one.suppression.since > now + limits.SKEW_SECONDS]:
            yield held, "the clock went back"

    def forget_old(self, now: float) -> None:
        """Let go of what came back more than a day ago."""
        while self._old and self._old[0][0] <= now:
            _, key = heapq.heappop(self._old)
            known = self._alerts.get(key)
            if known is not None and known.suppression is None and known.at + KEPT_SECONDS <= now:
                del self._alerts[key]
                self._changed.add(key)

    def changed(self) -> dict[str, bytes | None]:
        """The parts that changed since the call before; None: the part is gone."""
        changed, self._changed = self._changed, set()
        return {
            f"{PREFIX}{key[0]}\0{key[1]}": None if (known := self._alerts.get(key)) is None else _encode(known)
            for key in changed
        }

    def _put(self, key: AlertKey, known: SuppressedAlert) -> None:
        self._alerts[key] = known
        self._changed.add(key)
        if known.suppression is None or known.alert is None:
            heapq.heappush(self._old, (known.at + KEPT_SECONDS, key))
            return
        held = self._held[key] = Held(known.suppression, known.alert)
        one = held.suppression
        self._by_rule.setdefault((one.team, one.rule), set()).add(key)
        of_entity = self._by_entity.setdefault((one.team, one.rule, one.entity), {})
        of_entity.setdefault(one.severity, set()).add(key)
        heapq.heappush(self._due, (held.suppression.until, key))


def _remove(index: dict[Any, set[AlertKey]], of: tuple[str, str] | str | None, key: AlertKey) -> None:
    index[of].discard(key)
    if not index[of]:
        del index[of]
