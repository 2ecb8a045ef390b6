"""People's verdicts and snoozes: shown at once, published when their time for undo is over. Pure: time comes in.

A verdict is the person's word on an episode. It goes out for each firing of it that has no outcome, and for those that
come while the episode runs.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b

from msgspec import Struct, field
from msgspec.structs import replace

from stream.core.errors import SettingsError
from stream.core.events import Acted, moment
from stream.core.kinds import PERSON, Agent
from stream.core.problem import Problem
from stream.core.scoring import counts_in_words
from stream.triage.board import Board
from stream.triage.episode import ACTION_PREFIX, AlertState, EpisodeState
from stream.triage.view import Answer, Choice, Conflict, Mark, Row, Snooze, SnoozeRequest, VerdictRequest

UNDO_SECONDS = 8.0
HOUR_SECONDS = 3_600.0
ANSWERED_ROWS = 200
REMEMBERED = 10_000  # requests whose repetition is known
NO_SNAPSHOT = "the list that was selected from is not known any more; select again"
_AGENT: Agent = "person"
Keys = Callable[[str], Sequence[str] | None]


class Person(Struct, frozen=True):
    """Who does something: a name for the person alone, and the pseudonym that goes out."""

    name: str
    pseudonym: str


class Pending(Struct, kw_only=True):
    """A request that can still be undone: what it gave each row, and what the row had before."""

    id: str
    person: Person
    at: float
    due: float
    kind: str
    reason: str | None
    until: float | None
    is_snooze: bool
    alerts: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # of each row: team and alert id
    snoozes: dict[str, Snooze | None] = field(default_factory=dict)


class Verdicts:
    """All requests that are not published yet.

    Args:
        board: shows them.
        kinds: the kind that each button writes.
        deciding: the kinds that decide, and whether as actionable.
        keys: the rows of a snapshot.
        reason_required: whether a verdict needs a reason.
        undo_seconds: how long it can be undone.
    """

    def __init__(
        self,
        board: Board,
        kinds: Mapping[str, str],
        deciding: Mapping[str, bool],
        keys: Keys,
        reason_required: bool = False,
        undo_seconds: float = UNDO_SECONDS,
    ) -> None:
        self._board, self._kinds, self._deciding, self._keys = board, dict(kinds), dict(deciding), keys
        self._reason_required, self._undo_seconds = reason_required, undo_seconds
        self._pending: dict[str, Pending] = {}
        self._answers: dict[str, Answer] = {}
        self._given: dict[str, Pending] = {}  # by row: what firings that come later are given

    @property
    def waiting(self) -> int:
        """How many requests can still be undone."""
        return len(self._pending)

    def give(self, request: VerdictRequest, person: Person, now: float) -> Answer:
        """Show a verdict on all rows that have none yet. `error` is set where nothing was done."""
        if (known := self._answers.get(request.id)) is not None:
            return known
        if self._reason_required and not (request.reason or "").strip():
            return Answer(id=request.id, error="a verdict needs a reason here; choose or type one")
        keys = self._chosen(request)
        if keys is None:
            return Answer(id=request.id, error=NO_SNAPSHOT)
        kind, due = self._kinds[request.action], now + self._undo_seconds
        pending = Pending(
            id=request.id, person=person, at=now, due=due, kind=kind, reason=request.reason, until=None, is_snooze=False
        )
        conflicts, missing = [], []
        for key in keys:
            episode = self._board.episodes.get(key)
            if episode is None:
                missing.append(key)
                continue
            if (mark := episode.mark) is not None:
                conflicts.append(Conflict(key=key, action=mark.action, person=mark.person, at=mark.at))
                continue
            mark = Mark(
                id=request.id,
                action=request.action,
                kind=kind,
                person=person.pseudonym,
                at=now,
                reason=request.reason,
                undo_until=due,
                words=effect_words(episode, self._deciding[kind]),
            )
            self._board.set_mark(key, mark)
            pending.alerts[key] = _names(episode.undecided())
            self._given[key] = pending
        return self._answer(pending, now, conflicts, missing)

    def snooze(self, request: SnoozeRequest, person: Person, shift_ends_at: float, now: float) -> Answer:
        """Put rows off; `shift_ends_at` is when the shift ends, seconds since 1970."""
        if (known := self._answers.get(request.id)) is not None:
            return known
        keys = self._chosen(request)
        if keys is None:
            return Answer(id=request.id, error=NO_SNAPSHOT)
        until = {"hour": now + HOUR_SECONDS, "shift": shift_ends_at, "escalates": None}[request.until]
        due = now + self._undo_seconds
        pending = Pending(
            id=request.id, person=person, at=now, due=due, kind="snoozed", reason=None, until=until, is_snooze=True
        )
        missing = []
        for key in keys:
            episode = self._board.episodes.get(key)
            if episode is None:
                missing.append(key)
                continue
            pending.snoozes[key] = episode.snooze
            pending.alerts[key] = _names([episode.newest])
            snooze = Snooze(id=request.id, person=person.pseudonym, at=now, until=until)
            self._board.set_snooze(key, snooze)
        return self._answer(pending, now, [], missing)

    def undo(self, request: str, person: Person, now: float) -> Answer:
        """Take a request back, as if it had not been."""
        pending = self._pending.get(request)
        if pending is None:
            return Answer(id=request, error="it is published already, so it can't be undone")
        if pending.person != person:
            return Answer(id=request, error="somebody else gave it; only they can undo it")
        del self._pending[request]
        self._answers.pop(request, None)
        for key in pending.alerts:
            episode = self._board.episodes.get(key)
            if episode is None:
                continue
            if pending.is_snooze and episode.snooze is not None and episode.snooze.id == request:
                self._board.set_snooze(key, pending.snoozes[key])
            elif not pending.is_snooze and episode.mark is not None and episode.mark.id == request:
                self._board.set_mark(key, None)
                self._given.pop(key, None)
        rows = self._rows(pending.alerts, now)
        return Answer(id=request, count=len(pending.alerts), rows=rows)

    def publish_now(self, ids: Iterable[str], person: Person) -> int:
        """Let requests of a person be due at once, as their page closes; returns how many there were."""
        mine = [one for name in ids if (one := self._pending.get(name)) is not None and one.person == person]
        for one in mine:
            one.due = one.at
        return len(mine)

    def due(self, now: float, all_of_them: bool = False) -> list[Acted]:
        """The acts to publish now, of requests whose undo is over, or of all at the end of the process."""
        ready = [one for one in self._pending.values() if all_of_them or one.due <= now]
        acts = []
        for pending in ready:
            del self._pending[pending.id]
            acts += _acts(pending)
            for key in pending.alerts:
                episode = self._board.episodes.get(key)
                mark = episode.mark if episode is not None else None
                if mark is not None and mark.id == pending.id:
                    self._board.set_mark(key, replace(mark, undo_until=None))
        return acts + self._carry(now)

    def open_acts(self) -> list[Acted]:
        """The acts of all requests that can still be undone."""
        return [act for pending in self._pending.values() for act in _acts(pending)]

    def _carry(self, now: float) -> list[Acted]:
        """The same verdicts for firings that came into their episodes since."""
        carried, acts = self._board.carried, []
        self._board.carried = []
        for key, alert_id in carried:
            pending, episode = self._given.get(key), self._board.episodes.get(key)
            if pending is None or episode is None or alert_id not in episode.firings:
                continue
            alert = (episode.firings[alert_id].alert.team, alert_id)
            if pending.id in self._pending:
                pending.alerts[key].append(alert)
            else:
                acts.append(_act(pending, *alert, at=now))
        if len(self._given) > REMEMBERED:
            self._given = {key: one for key, one in self._given.items() if key in self._board.episodes}
        return acts

    def _chosen(self, choice: Choice) -> Sequence[str] | None:
        return self._keys(choice.snapshot) if choice.snapshot else list(dict.fromkeys(choice.keys))

    def _answer(self, pending: Pending, now: float, conflicts: list[Conflict], missing: list[str]) -> Answer:
        if pending.alerts:
            self._pending[pending.id] = pending
        answer = Answer(
            id=pending.id,
            count=len(pending.alerts),
            rows=self._rows([*pending.alerts, *(one.key for one in conflicts)], now),
            conflicts=conflicts,
            missing=missing,
            undo_until=pending.due if pending.alerts else None,
        )
        self._answers[pending.id] = answer
        if len(self._answers) > REMEMBERED:
            del self._answers[next(iter(self._answers))]
        return answer

    def _rows(self, keys: Iterable[str], now: float) -> list[Row]:
        episodes = (self._board.episodes.get(key) for key in list(keys)[:ANSWERED_ROWS])
        return [episode.row(now) for episode in episodes if episode is not None]


def check_kinds(kinds: Mapping[str, str], problem: Problem, path: str) -> dict[str, bool]:
    """What a person's kinds decide by the problem file.

    Raises:
        SettingsError: a button's kind decides nothing there, or the opposite; with the line to add.
    """
    deciding = problem.outcome.deciding(PERSON)
    for action, name, wanted in (("acted", "actionable", True), ("dismissed", "noise", False)):
        kind = kinds[action]
        if deciding.get(kind) is wanted:
            continue
        other = "noise" if wanted else "actionable"
        problem_text = (
            f"triage_verdicts: {action} = {kind!r}, but {path} counts that as {other}"
            if kind in deciding
            else f"triage_verdicts: {action} = {kind!r}, but {path} does not decide by it, so nothing learns from it"
        )
        entries = [*getattr(problem.outcome, name), kind]
        listed = ", ".join(f'"{one}"' for one in entries)
        raise SettingsError(problem_text, f"write under [outcome]: {name} = [{listed}]")
    return deciding


def effect_words(episode: EpisodeState, acted: bool) -> str:
    """What a verdict makes of the counts in the row's words: "2 of 43 now"; empty where there are none to change."""
    newest = episode.newest
    why = newest.enriched.why if newest.enriched is not None else None
    if why is None or newest.outcome is not None:
        return ""
    count = len(episode.undecided())
    known = counts_in_words(why)
    return f"{known.acted + count * acted} of {known.decided + count} now"


def shift_end(now: datetime, ends: Sequence[str]) -> datetime:
    """The next of the times of day at which a shift ends, in the time zone of `now`.

    >>> shift_end(datetime(2026, 3, 1, 18), ["08:00", "17:30"]).isoformat()
    '2026-03-02T08:00:00'
    """
    from datetime import timedelta

    times = sorted(tuple(map(int, end.split(":"))) for end in ends)
    days = (now + timedelta(days=day) for day in (0, 1))
    each = (day.replace(hour=hour, minute=minute, second=0, microsecond=0) for day in days for hour, minute in times)
    return next(at for at in each if at > now)


def _act(pending: Pending, team: str, alert_id: str, at: float | None = None) -> Acted:
    """The event of a request on one alert; the same again where it is made again."""
    digest = blake2b(f"{team}\0{alert_id}".encode(), digest_size=8).hexdigest()
    return Acted(
        at=moment(pending.at if at is None else at),
        alert_id=alert_id,
        team=team,
        action_id=f"{ACTION_PREFIX}:{pending.id}:{digest}",
        kind=pending.kind,
        actor=pending.person.pseudonym,
        agent=_AGENT,
        reason=pending.reason,
        until=moment(pending.until) if pending.until is not None else None,
    )


def _acts(pending: Pending) -> list[Acted]:
    return [_act(pending, *alert) for alerts in pending.alerts.values() for alert in alerts]


def _names(states: Iterable[AlertState]) -> list[tuple[str, str]]:
    return [(one.alert.team, one.alert.alert_id) for one in states]
