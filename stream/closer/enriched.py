"""Scored alerts of a partition: what rules decide about them, what they keep from people, and when it comes back."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from stream.closer.fold import Notes, Outgoing
from stream.closer.lost_suppressions import Lost
from stream.closer.situation import Orders
from stream.closer.suppressed import Held, Shown, SuppressedAlerts
from stream.closer.team_acts import TeamActsTable
from stream.core import limits
from stream.core.decisions import Situation, decide
from stream.core.deeds import deed_of
from stream.core.errors import BadRecord
from stream.core.events import Acted, Raised, seconds
from stream.core.kinds import AUTOMATION, CLOSED_BY_RULE, HELD_OUT, PAUSED_BY_RULE, RELEASED_BY_RULE
from stream.core.observations import hour_of
from stream.core.records import Decision, Enriched, decode_enriched
from stream.core.suppressions import release, suppression_of
from stream.kafka.records import Record
from stream.rule_state import Change, Undo

MARKS, UNDOS = "marks", "undos"
_UNDO_KEPT_SECONDS = 2 * 3_600.0  # longer than its order stands in Redis
_KINDS = {"pause": PAUSED_BY_RULE, "close": CLOSED_BY_RULE, "release": RELEASED_BY_RULE, "hold_out": HELD_OUT}


class Mark(Struct, array_like=True, frozen=True):
    """How far a partition of alerts.events is decided: its last offset, and the latest raise of any alert of it."""

    offset: int
    raised_at: float


class Surroundings(Protocol):
    """What a fold knows of everything else; `stream.closer.situation.SituationWatch` is one."""

    orders: Orders
    history_away: bool

    def situation(self) -> Situation:
        """What decisions depend on now."""


class EnrichedFold:
    """`Fold` of a partition of alerts.enriched.

    Args:
        number: of the partition.
        around: rules, standings, brakes and orders.
        show: takes what people are shown of a round, once it is written.
        severities: from low to high.
        none_decisions: whether what no rule matches is decided `none` for others to see.
        lost: gives what rules did in the last day, where the state is gone.
        wall: the wall clock, seconds since 1970: a closer that was down must not act on what it finds.
    """

    def __init__(
        self,
        number: int,
        around: Surroundings,
        show: Callable[[Shown], None],
        severities: Sequence[str],
        none_decisions: bool,
        lost: Callable[[], Lost] = Lost,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._number, self._around, self._show = number, around, show
        self._severities, self._none_decisions, self._lost, self._wall = severities, none_decisions, lost, wall
        self._alerts, self._acts = SuppressedAlerts(), TeamActsTable()
        self._marks: dict[str, Mark] = {}
        self._undos: dict[str, tuple[float, int]] = {}  # when each was carried out, and how many came back
        self._marks_changed = self._undos_changed = False
        self._failed: list[tuple[Record, BadRecord]] = []
        self._next, self._frozen = Shown(), Shown()
        self._seen: Orders | None = None
        self._hour = 0  # in which acts were looked through

    # The port.

    def load(self, parts: Mapping[str, bytes]) -> None:
        """See `Fold`."""
        self._alerts.load(parts)
        self._acts.load(parts)
        if MARKS in parts:
            self._marks = msgspec.msgpack.decode(parts[MARKS], type=dict[str, Mark])
        if UNDOS in parts:
            self._undos = msgspec.msgpack.decode(parts[UNDOS], type=dict[str, tuple[float, int]])
        self._next.begun += [held.suppression for held in self._alerts.held()]  # in case it was not shown
        self._next.undone |= {order: count for order, (_, count) in self._undos.items()}

    def take(self, records: Sequence[Record], clock: float) -> tuple[Outgoing, Notes]:
        """Decide about each alert that was not decided before."""
        now, outgoing = max(clock, self._wall()), Outgoing()
        situation = self._around.situation()
        for record in records:
            try:
                enriched = decode_enriched(record.value or b"")
                mark, offset = _whereabouts(enriched.offset)
            except (msgspec.DecodeError, ValueError, RecursionError) as error:
                self._failed.append((record, _bad_record(error)))
                continue
            for held, why in self._alerts.released_by(enriched, self._severities):
                self._release(held, why, "flood" if "flood" in enriched.flags else "severity", now, outgoing)
            if enriched.score.probability is None:
                self._around.history_away = enriched.score.reason == "history_unavailable"
            else:
                self._around.history_away = False
                if self._is_new(mark, offset, enriched):
                    self._decide(enriched, situation, now, outgoing)
        return outgoing, Notes()

    def wake(self, now: float) -> tuple[Outgoing, Notes]:
        """Bring back what is due, what has ended, and what people want back."""
        now, outgoing, notes = max(now, self._wall()), Outgoing(), Notes()
        for held, why in self._alerts.take_due(now):
            self._release(held, why, "time", now, outgoing)
        if (orders := self._around.orders) is not self._seen:
            self._seen = orders
            self._carry_out(orders, now, outgoing, notes)
        self._alerts.forget_old(now)
        if hour_of(now) != self._hour:
            self._hour = hour_of(now)
            self._acts.forget(now)
        return outgoing, notes

    def changed(self) -> dict[str, bytes | None]:
        """See `Fold`."""
        parts = {**self._alerts.changed(), **self._acts.changed()}
        if self._marks_changed:
            parts[MARKS] = msgspec.msgpack.encode(self._marks)
        if self._undos_changed:
            parts[UNDOS] = msgspec.msgpack.encode(self._undos)
        self._marks_changed = self._undos_changed = False
        self._frozen.add(self._next)
        self._next = Shown()
        return parts

    # What the room adds.

    def take_failed(self) -> list[tuple[Record, BadRecord]]:
        """The records that could not be read, since this was called last."""
        failed, self._failed = self._failed, []
        return failed

    def written(self) -> None:
        """Show people what is written now."""
        frozen, self._frozen = self._frozen, Shown()
        if frozen:
            self._show(frozen)

    def count(self, decision: str) -> int:
        """How many alerts are paused, or closed, now."""
        return sum(held.suppression.decision == decision for held in self._alerts.held())

    def rebuild(self) -> None:
        """Take up what was suppressed in the last day, so that it comes back; what stands already stays as it is.

        What stands though it was back already, as in an older state, comes back at once: its outbox may hold the deed.
        """
        lost = self._lost()
        for one, alert in lost.held:
            if (one.team, one.alert_id) not in self._alerts:
                self._alerts.hold(one, alert)
                self._next.begun.append(one)
        for key, at in lost.acted.items():
            if key not in self._alerts:
                self._alerts.note(key, at)
            elif (held := self._alerts.get(key)) is not None:
                one = replace(held.suppression, until=min(held.suppression.until, at))
                self._alerts.hold(one, held.alert)

    # One alert.

    def _is_new(self, mark: str, offset: int, enriched: Enriched) -> bool:
        """Whether the alert's record is no copy of one that was decided, which is at or below the mark.

        A topic that was made anew begins below its mark, with alerts raised later than all that are decided.
        """
        known, at = self._marks.get(mark), seconds(enriched.alert.at)
        if known is not None:
            if offset <= known.offset and at <= known.raised_at:
                return False
            offset, at = max(offset, known.offset), max(at, known.raised_at)
        self._marks[mark] = Mark(offset, at)
        self._marks_changed = True
        return (enriched.alert.team, enriched.alert.alert_id) not in self._alerts

    def _decide(self, enriched: Enriched, situation: Situation, now: float, outgoing: Outgoing) -> None:
        alert = enriched.alert
        decision = decide(enriched, situation, self._acts.of(alert.team), now)
        if decision.by_rule is not None:
            self._acts.note(decision.by_rule, alert.team)
        if decision.decision == "none" and not self._none_decisions:
            return
        outgoing.decisions.append(decision)
        if (one := suppression_of(decision, alert.severity)) is not None:
            self._alerts.hold(one, alert)
            self._next.begun.append(one)
            self._act(decision, alert, outgoing)
        elif decision.decision == "hold_out":
            self._alerts.note((alert.team, alert.alert_id), now)
            self._act(decision, alert, outgoing)

    def _release(self, held: Held, why: str, by: str, now: float, outgoing: Outgoing, is_over: bool = False) -> None:
        one = held.suppression
        decision = release(one, why, max(now, one.since))
        outgoing.decisions.append(decision)
        self._act(decision, held.alert, outgoing, is_over)
        self._alerts.note(held.key, now)
        self._next.ended.append(held.key)
        self._next.endings.append((one.decision, by))

    def _act(self, decision: Decision, alert: Raised, outgoing: Outgoing, ended: bool = False) -> None:
        deed = deed_of(alert, decision, ended)
        if deed is not None:
            outgoing.deeds.append(deed)
        outgoing.acts.append(
            Acted(
                at=decision.decided_at,
                alert_id=alert.alert_id,
                team=alert.team,
                action_id=_action_id(decision) if deed is None else deed.id,
                kind=_KINDS[decision.decision],
                actor=decision.by_rule,
                agent=AUTOMATION,  # type: ignore[arg-type]  # one of the two literals
                reason=decision.why[: limits.REASON_LENGTH],
                until=decision.until,
            )
        )

    def _carry_out(self, orders: Orders, now: float, outgoing: Outgoing, notes: Notes) -> None:
        for key, ending in orders.endings.items():
            if (held := self._alerts.get(key)) is not None:
                why = f"it was {ending.kind.replace('_', ' ')}"
                self._release(held, why, "ended", now, outgoing, ending.is_over)
            elif key in self._alerts:
                self._next.ended.append(key)  # it was back before
        for order in orders.undos:
            if order.id not in self._undos:
                self._undo(order, now, outgoing, notes)
        self._next.ended += [key for key in orders.suppressed if key in self._alerts and not self._alerts.get(key)]

    def _undo(self, order: Undo, now: float, outgoing: Outgoing, notes: Notes) -> None:
        """Carry out an undo, once: later the rule may act again. Who orders it may have a clock that is behind."""
        latest = order.at + limits.SKEW_SECONDS
        found = [
            held
            for held in self._alerts.held()
            if held.suppression.by_rule == order.rule and order.since <= held.suppression.since <= latest
        ]
        for held in found:
            self._release(held, f"{order.by} wanted it back", "undo", now, outgoing)
        for old in [one for one, (at, _) in self._undos.items() if at < now - _UNDO_KEPT_SECONDS]:
            del self._undos[old]
        self._undos[order.id] = now, len(found)
        self._undos_changed = True
        self._next.undone[order.id] = len(found)
        if found:
            back = "1 alert" if len(found) == 1 else f"{len(found):,} alerts"
            sentence = f"{back} of partition {self._number} came back"
            version = found[-1].suppression.rule_version
            notes.changes.append(
                Change(at=now, rule=order.rule, version=version, what="undone", by=order.by, sentence=sentence)
            )


def _whereabouts(offset: str) -> tuple[str, int]:
    """Topic with partition, and offset, of a raised record; raises ValueError.

    >>> _whereabouts("alerts.events/3/1042")
    ('alerts.events/3', 1042)
    """
    part, _, number = offset.rpartition("/")
    return part, int(number)


def _action_id(decision: Decision) -> str:
    name = "\0".join((decision.team, decision.alert_id, decision.decision, decision.decided_at.isoformat()))
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def _bad_record(error: Exception) -> BadRecord:
    if isinstance(error, msgspec.ValidationError):
        return BadRecord("bad_field", str(error))
    if isinstance(error, msgspec.DecodeError | UnicodeDecodeError | RecursionError):
        return BadRecord("not_json", str(error) or "nested too deep")
    return BadRecord("bad_field", f"offset is not topic/partition/offset: {error}")
