"""From copies of alerts to their events, by the memory of firings; calls block, one thread at a time."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import Struct

from stream.core.events import Acted, Raised, encode_event, moment
from stream.relay.firings import Firing
from stream.relay.forward import read_labels
from stream.sources.decisions import ENDED, Pending, Resolution, numbered_id
from stream.sources.firing_store import FiringsAway, FiringStore
from stream.sources.labels import LabelReader
from stream.sources.options import SourceOptions
from stream.sources.parsed import Act, Parsed, Raise
from stream.sources.parsed import Firing as Subject
from stream.sources.resolve import Resolver

SOURCE = "alertmanager"  # the intake's and the watcher's, so that all three find the same firing
_NO_LABELS = "it has no label that is a text, so nothing tells it from other alerts"
_WHY = "relay: its monitor said so, or was not heard of in time"


class Look(Struct, frozen=True):
    """A copy whose firing is looked up: its labels and itself as they came, its start, and its end if it ended.

    `resolved`: a resolved copy said that it ended.
    """

    labels: bytes
    raw: bytes
    starts_at: float
    ended_at: float | None = None
    resolved: bool = False


class Identity(Struct, frozen=True, kw_only=True):
    """Which firing a copy is of.

    Attributes:
        alert_id: its id.
        team: the team that owns it.
        first_start: when it began, seconds since 1970.
        raised: its raised event; None where Kafka has it already.
        pending: what is to be confirmed once Kafka has that event.
        late: whether the firing has ended, by a resolved copy that another relay had.
        resumption: the number of the firing's resumption that Kafka does not have; 0: none.
        resumption_pending: what is to be confirmed once Kafka has it.
        fell_back: whether the id was decided without memory.
        refused: a short name of why no event can be made of it; empty where one can.
        detail: the same in one sentence.
    """

    alert_id: str = ""
    team: str = ""
    first_start: float = 0.0
    raised: bytes | None = None
    pending: Sequence[Pending] = ()
    late: bool = False
    resumption: int = 0
    resumption_pending: Sequence[Pending] = ()
    fell_back: bool = False
    refused: str = ""
    detail: str = ""


class End(Struct, frozen=True):
    """That a firing ended: the event, what is to be confirmed once Kafka has it, and whether Kafka has it already."""

    value: bytes
    pending: Sequence[Pending]
    in_log: bool


class _Annotated(Struct):
    annotations: dict[str, Any] | None = None


_read_annotations = msgspec.json.Decoder(_Annotated).decode


class EventReader:
    """Makes events of what passes the relay.

    Args:
        options: of the source `alertmanager`.
        store: the memory of firings.
    """

    def __init__(self, options: SourceOptions, store: FiringStore) -> None:
        self._reader = LabelReader(options)
        self._resolver = Resolver(SOURCE, options, store, lambda actor: actor)

    def identify(self, looks: Sequence[Look], now: float) -> list[Identity]:
        """The firing of each copy; what ended before it was known is raised and ended at once."""
        parsed = [self._parse(look) for look in looks]
        resolutions = self._resolver.resolve_all([one or Parsed([]) for one in parsed], now)
        return [
            _identity(resolution) if one is not None else Identity(refused="no_labels", detail=_NO_LABELS)
            for one, resolution in zip(parsed, resolutions, strict=True)
        ]

    def end(self, look: Look, firing: Firing, now: float) -> End:
        """Remember that a firing ended."""
        labels = self._labels(look)
        assert labels is not None
        ended_at = max(firing.ended_at or now, firing.first_start)
        subject = Subject(labels.whole, firing.first_start)
        act = Act(
            subject=subject, at=ended_at, kind=ENDED, agent="automation", agent_why=_WHY, first_hand=firing.resolved
        )
        resolution = self._resolver.resolve(Parsed([act]), now)
        found = [one for one in resolution.decisions if one.event.alert_id == firing.alert_id]
        value = found[0].value if found else encode_act(firing, ENDED, ended_at, firing.resumptions)
        return End(value, resolution.pending, any(one.duplicate for one in resolution.decisions))

    def confirm(self, acknowledged: Sequence[Pending]) -> None:
        """Remember that Kafka has these; without memory another relay may publish them again."""
        with suppress(FiringsAway):
            self._resolver.confirm_all(acknowledged)

    def _labels(self, look: Look) -> Any:
        found = read_labels(look.labels)
        labels = None if found is None else self._reader.read(found)
        return labels if labels is not None and labels.whole else None

    def _parse(self, look: Look) -> Parsed | None:
        labels = self._labels(look)
        if labels is None:
            return None
        try:
            annotations = _read_annotations(look.raw).annotations or {}
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            annotations = {}
        alert = self._reader.describe(labels, annotations, look.starts_at)
        subject = Subject(labels.whole, look.starts_at)
        if look.ended_at is None:
            return Parsed([Raise(subject, alert, first_hand=True)])
        at = max(look.ended_at, look.starts_at)
        act = Act(
            subject=subject,
            at=at,
            kind=ENDED,
            agent="automation",
            agent_why=_WHY,
            alert=alert,
            first_hand=look.resolved,
        )
        return Parsed([act])


def encode_act(firing: Firing, kind: str, at: float, resumptions: int) -> bytes:
    """The event that a firing ended, or goes on, at `at`."""
    action_id = numbered_id(firing.alert_id, kind, resumptions)
    when = moment(max(at, firing.first_start))
    return encode_event(Acted(when, firing.alert_id, firing.team, action_id, kind, agent="automation"))


def _identity(resolution: Resolution) -> Identity:
    raised = [one for one in resolution.decisions if isinstance(one.event, Raised)]
    acted = [one for one in resolution.decisions if isinstance(one.event, Acted)]
    if not raised and not acted:
        refused = resolution.refused
        return (
            Identity(refused=refused[0].reason, detail=refused[0].detail)
            if refused
            else Identity(refused="no_event", detail="no event can be made of it")
        )
    event = (raised or acted)[0].event
    new = raised and not raised[0].duplicate
    return Identity(
        alert_id=event.alert_id,
        team=event.team,
        first_start=event.at.timestamp(),  # of an end that Kafka has the raise of: the end
        raised=raised[0].value if new else None,
        pending=[one for one in resolution.pending if not (one.ended or one.resumption)],
        late=bool(raised) and raised[0].late,
        resumption=raised[0].resumption if raised else 0,
        resumption_pending=[one for one in resolution.pending if one.resumption and not one.ended],
        fell_back=bool(resolution.fallbacks),
    )
