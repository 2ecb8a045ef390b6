"""A whole log through the fold: the alerts, what became of them, and in which order things became known.

The same fold as live, so the same rows and the same outcomes. The rows lie in a temporary file that goes with the
result, so memory does not grow with them; the fold's ledger is pruned as its time passes.
"""

import gc
import tempfile
from array import array
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from stream.core import state
from stream.core.effects import Arrived, Counted, Decided, Repeated, Unknown
from stream.core.events import Acted, Raised, decode_event, seconds, unknown_fields
from stream.core.fold import EntryKey, Fold
from stream.core.frame import Array
from stream.core.kinds import CORRECTION, DRILL_TEAM, PERSON, acted_by, is_drill
from stream.core.ledger import ACTIONABLE, NOISE, UNJUDGED, UNKNOWN, Alert, Held
from stream.core.problem import Problem
from stream.eventlog import Line
from stream.lab.log_warnings import Action, Orphans, count_names, orphans_of

_ROWS_IN_MEMORY = 8_192
_KINDS_COUNTED = 1_000
_PRUNE_EVERY = 1_024  # alerts


class Replayed(Struct, frozen=True, eq=False):
    """N alerts in log order; drills are folded and left out.

    Attributes:
        problem: what decided the outcomes.
        alerts: as raised.
        at: when raised, seconds since 1970.
        rows: float64[N, 1 + 19 L], the fold's rows: the alert's time, then its levels' states before it.
        outcome: -1 open, 0 noise, 1 actionable, 2 unknown, at the end of the log; unknown also where a rule's pause or
            closure was corrected, since what a rule kept from people has no human outcome.
        decided_at: seconds since 1970, 0 where open.
        flags: as the ledger has them.
        last_outcome: of team and rule at the raise: 1, 0, or -1 for none.
        episode: int64[N], the number of the alert's episode, from 0 in the order of their first alerts.
        counts: whether the alert counts for figures and training: it is neither in a flood nor excluded.
        sequence: what happened in order: i for "alert i was raised", ~i for "alert i's outcome (0 or 1) became known".
        ended_at: the largest event time.
        events: how many events were folded.
        kinds: how often each kind of action was seen (the first 1,000 kinds).
        agents: the same of kinds by who did them, such as `escalated@person`; only where the log says.
        effects: what came of the other events: repeated, unknown, and the fold's counted effects.
        orphans: the actions for which the ledger held no alert; those still held when the log ends are among them.
        unknown_fields: how many events have each field that nothing reads.
        people: when a person last acted, seconds since 1970, by team; see `acted_by`.
        p_act: float64[N], the chance that a rule would have acted on an alert that it held out, else 0; None where no
            decision was joined to the log. See `weights`.
    """

    problem: Problem
    alerts: list[Raised]
    at: Array
    rows: Array
    outcome: NDArray[np.int8]
    decided_at: Array
    flags: NDArray[np.int64]
    last_outcome: NDArray[np.int8]
    episode: NDArray[np.int64]
    counts: NDArray[np.bool_]
    sequence: NDArray[np.int64]
    ended_at: float
    events: int
    kinds: Counter[str]
    effects: Counter[str]
    orphans: Orphans = Orphans()
    unknown_fields: Counter[str] = field(default_factory=Counter)
    agents: Counter[str] = Counter()
    people: dict[str, float] = {}
    p_act: Array | None = None

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Alerts that count and whose outcome is actionable or noise."""
        return np.asarray(self.counts & ((self.outcome == NOISE) | (self.outcome == ACTIONABLE)))

    @property
    def mature(self) -> NDArray[np.bool_]:
        """Alerts whose raise + horizon + grace has passed in the log, so that fast outcomes don't run ahead of slow."""
        return np.asarray(self.at + self.problem.due_seconds <= self.ended_at)


def replay(lines: Iterable[Line], problem: Problem) -> Replayed:
    """Fold a log. What is undecided when the log ends stays open; nothing is made up."""
    with tempfile.TemporaryFile() as file, _rare_collections():
        recorder = _Recorder(Fold(problem), file)
        recorder.take(lines)
        return recorder.result()  # what is mapped stays after the file is closed


@contextmanager
def _rare_collections() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(*state.GC_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)


class _Recorder:
    """The fold, and what is kept of what came of it."""

    def __init__(self, fold: Fold, file: IO[bytes]) -> None:
        self._fold = fold
        self._alerts: list[Raised] = []
        self._entries: list[Alert] = []
        self._sequence = array("q")
        self._episodes: dict[tuple[str, str, str, float], int] = {}
        self._episode = array("q")
        self._kept: deque[EntryKey] = deque()
        self._file = file
        self._effects: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        self._agents: Counter[str] = Counter()
        self._people: dict[str, float] = {}
        self._actionable = frozenset(fold.problem.outcome.actionable)
        self._width = 1 + state.WIDTH * fold.level_count
        self._events = 0
        self._unknown: list[Action] = []
        self._fields: Counter[str] = Counter()

    def take(self, lines: Iterable[Line]) -> None:
        """Fold events and note what came of them."""
        fold, kinds = self._fold, self._kinds
        step = fold.step
        for self._events, line in enumerate(lines, start=1):
            event = line.event
            if line.value and (names := unknown_fields(event, line.value)):
                count_names(names, self._fields)
            if type(event) is Acted and event.team != DRILL_TEAM:
                kind = event.kind
                if kind in kinds or len(kinds) < _KINDS_COUNTED:
                    kinds[kind] += 1
                    if event.agent is not None:
                        self._agents[f"{kind}@{event.agent}"] += 1
                if acted_by(kind, event.agent, self._actionable) == PERSON:
                    self._people[event.team] = max(line.at, self._people.get(event.team, line.at))
            step(event, line.at, line.value)
            if fold.effects:
                self._note(line.value)

    def result(self) -> Replayed:
        """Everything as columns."""
        self._spill()
        fold, entries = self._fold, self._entries
        flags = np.array([entry.flags for entry in entries], dtype=np.int64)
        return Replayed(
            problem=fold.problem,
            alerts=self._alerts,
            at=np.array([entry.raised_at for entry in entries], dtype=np.float64),
            rows=self._mapped(),
            outcome=np.array(
                [UNKNOWN if entry.by == CORRECTION else entry.outcome for entry in entries], dtype=np.int8
            ),
            decided_at=np.array([entry.decided_at for entry in entries], dtype=np.float64),
            flags=flags,
            last_outcome=np.array([entry.last_outcome for entry in entries], dtype=np.int8),
            episode=np.frombuffer(self._episode, dtype=np.int64) if self._episode else np.empty(0, np.int64),
            counts=(flags & UNJUDGED) == 0,
            sequence=np.frombuffer(self._sequence, dtype=np.int64) if self._sequence else np.empty(0, np.int64),
            ended_at=fold.time,
            events=self._events,
            kinds=self._kinds,
            effects=self._effects,
            orphans=orphans_of([*self._unknown, *self._still_held()], self._alerts),
            unknown_fields=self._fields,
            agents=self._agents,
            people=self._people,
        )

    def _note(self, value: bytes) -> None:
        counts = self._effects
        for one in self._fold.effects:
            if type(one) is Counted:
                counts[one.effect] += 1
            elif type(one) is Arrived:
                if is_drill(one.event.team):
                    del self._fold.rows[-self._width :]
                else:
                    self._note_arrival(one.event, one.alert)
            elif type(one) is Decided:
                if one.outcome in (NOISE, ACTIONABLE) and one.by != CORRECTION and not is_drill(one.team):
                    self._sequence.append(~one.alert.score)  # known once: a correction is no outcome of a person's
            elif type(one) is Repeated:
                counts["repeated_raise"] += 1
            elif type(one) is Unknown:
                counts["unknown_alert"] += 1
                self._unknown.append(self._action(one.value, at_once=one.value is value))
        self._fold.clear_effects()

    def _action(self, value: bytes, at_once: bool) -> Action:
        """What an action without an alert was for. One that is not held first is late, or there are too many held."""
        event, fold = decode_event(value), self._fold
        assert type(event) is Acted
        oldest = fold.time - fold.problem.outcome.grace_minutes * 60.0 if at_once else state.NEVER
        return event.team, event.alert_id, max(seconds(event.at), oldest)

    def _still_held(self) -> list[Action]:
        """What waits for its alert when the log ends: live, time goes on, and it fails."""
        held = [(key, entry) for key, entry in self._fold.ledger.items() if type(entry) is Held]
        return [(*key, action.at) for key, entry in held for action in entry.actions]

    def _note_arrival(self, event: Raised, alert: Alert) -> None:
        number = len(self._alerts)
        alert.score = number  # opaque to the fold: here, the alert's number
        self._sequence.append(number)
        first = alert.raised_at if alert.episode is None else alert.episode
        key = event.team, event.rule, event.entity, first
        self._episode.append(self._episodes.setdefault(key, len(self._episodes)))
        self._alerts.append(event)
        self._entries.append(alert)
        self._kept.append((event.team, event.alert_id))
        if not (number + 1) % _ROWS_IN_MEMORY:
            self._spill()
        if not number % _PRUNE_EVERY:
            self._prune()

    def _prune(self) -> None:
        """Forget what the ledger no longer keeps; the fold takes such alerts for unknown already."""
        ledger, kept, known = self._fold.ledger, self._kept, self._fold.known
        while kept:
            entry = ledger.get(kept[0])
            if type(entry) is Alert:
                if known(entry):
                    return
                del ledger[kept[0]]
            kept.popleft()

    def _spill(self) -> None:
        if self._fold.rows:
            self._fold.rows.tofile(self._file)
            del self._fold.rows[:]

    def _mapped(self) -> Array:
        if not self._alerts:
            return np.empty((0, self._width))
        self._file.flush()
        return np.memmap(self._file, dtype=np.float64, mode="r", shape=(len(self._alerts), self._width))
