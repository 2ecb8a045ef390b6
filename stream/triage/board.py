"""The page's bounded view of all alerts, made of the topics' records. Pure: time comes in as an argument.

Records of different topics come in any order, and may come again; what is shown does not depend on it.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from stream.core import limits
from stream.core.events import Acted, Raised, Tick, seconds
from stream.core.once import Once
from stream.core.records import Decision, Enriched, Outcome
from stream.triage.episode import AlertState, EpisodeState, mark_of, snooze_of
from stream.triage.sampler import Sampler
from stream.triage.view import Batch, Counts, Mark, Row, Snooze
from stream.triage.waiting import AlertKey, Waiting

RECENT_SECONDS = 60.0  # what was raised within it counts as coming now; what is older is read back
Record = Raised | Acted | Tick | Enriched | Outcome | Decision


class Board:
    """All rows, by key: an episode's id, or team and alert id of what was first shown without a score.

    Args:
        deciding: the kinds that decide when a person does them, and whether as actionable.
        severities: from low to high; a firing of a higher one ends a snooze "until it escalates".
        seq: the number of the last batch of whoever came before.
        most_rows: how many rows are kept.
        per_second: how many new alerts a second are shown; of more a sample is.

    Attributes:
        rows: every row as it was last given out.
        carried: firings that came into an episode with a verdict, since somebody last took them.
        away: what the page says is away, one sentence each.
    """

    def __init__(
        self,
        deciding: Mapping[str, bool],
        severities: Sequence[str] = (),
        seq: int = 0,
        most_rows: int = limits.TRIAGE_ROWS,
        per_second: int = limits.TRIAGE_SHOWN_PER_SECOND,
    ) -> None:
        self._deciding, self._most_rows = dict(deciding), most_rows
        self._ranks = {name: rank for rank, name in enumerate(severities)}
        self.seq = seq
        self.rows: dict[str, Row] = {}
        self.episodes: dict[str, EpisodeState] = {}
        self.carried: list[tuple[str, str]] = []
        self.away: tuple[str, ...] = ()
        self._keys: dict[AlertKey, str] = {}
        self._episode_keys: dict[str, str] = {}
        self._similar: dict[AlertKey, deque[str]] = {}
        self._waiting = Waiting(most_rows)
        self._scores, self._outcomes, self._decisions = (Once(10 * most_rows) for _ in range(3))  # one a topic
        self._changed: dict[str, None] = {}
        self._done: dict[str, None] = {}
        self._gone: list[str] = []
        self._timed: set[str] = set()
        self._categories: Counter[str] = Counter()
        self._sampler = Sampler(per_second)
        self._model: tuple[str | None, float | None] = (None, None)
        self._shown_counts: Counts | None = None

    def take(self, records: Iterable[Record], now: float) -> None:
        """Take records of any topic in, in the order in which they were read; `now` is seconds since 1970."""
        for record in records:
            match record:
                case Enriched():
                    self._enrich(record, now)
                case Raised():
                    self._raise(record, now)
                case Acted() | Outcome() | Decision():
                    self._follow(record, now)
                case Tick():
                    pass

    def find(self, team: str, alert_id: str) -> tuple[EpisodeState, AlertState] | None:
        """An alert and its episode; None where the page does not know it."""
        key = self._keys.get((team, alert_id))
        episode = self.episodes.get(key) if key is not None else None
        state = episode.firings.get(alert_id) if episode is not None else None
        return (episode, state) if episode is not None and state is not None else None

    def similar(self, team: str, rule: str) -> list[AlertState]:
        """The newest alerts of a team and rule that the page knows, the newest first."""
        found = (self.find(team, alert_id) for alert_id in reversed(self._similar.get((team, rule), ())))
        return [one[1] for one in found if one is not None]

    def set_mark(self, key: str, mark: Mark | None) -> None:
        """Give an episode a verdict, or take it away."""
        self.episodes[key].mark = mark
        self._changed[key] = None

    def set_snooze(self, key: str, snooze: Snooze | None) -> None:
        """Put an episode off, or take that back."""
        self.episodes[key].snooze = snooze
        self._timed.add(key)
        self._changed[key] = None

    def flush(self, now: float) -> Batch | None:
        """What changed since the last call, as the next batch; None where nothing did."""
        self._show_unscored(now)
        self._expire(now)
        self._forget()
        upsert = [row for key in self._changed if (row := self._refresh(key, now)) is not None]
        self._changed.clear()
        gone, self._gone = self._gone, []
        counts = self.counts(now)
        if not upsert and not gone and counts == self._shown_counts:
            return None
        self._shown_counts = counts
        self.seq += 1
        return Batch(seq=self.seq, upsert=upsert, gone=gone, counts=counts)

    def counts(self, now: float) -> Counts:
        """What the head of the page shows."""
        of = self._categories
        model, scored_at = self._model
        bands = {name: of[name] for name in ("likely_actionable", "unsure", "likely_noise", "unscored")}
        states = {name: of[name] for name in ("snoozed", "suppressed", "decided", "ended")}
        return Counts(
            open=sum(bands.values()),
            **bands,
            **states,
            per_minute=self._sampler.per_minute(now),
            shown_share=round(self._sampler.share, 3),
            model=model,
            scored_at=scored_at,
            away=list(self.away),
        )

    def _raise(self, alert: Raised, now: float) -> None:
        if (alert.team, alert.alert_id) not in self._keys:
            self._waiting.add(alert, now)

    def _enrich(self, record: Enriched, now: float) -> None:
        alert = record.alert
        key = alert.team, alert.alert_id
        if not self._scores.takes(record):
            return
        self._waiting.end(key)
        scored_at = seconds(record.scored_at)
        if record.score.model is not None and scored_at >= (self._model[1] or 0.0):
            self._model = record.score.model, scored_at
        found = self.find(*key)
        if found is None:
            is_recent = now - scored_at < RECENT_SECONDS
            likely = record.score.band == "likely_actionable"
            name, age = f"{alert.team}\0{record.episode or alert.alert_id}", now - seconds(alert.at)
            if is_recent and not self._sampler.takes(name, likely, now, age):
                self._waiting.leave_out(key)
                return
            self._waiting.let_in(key)
            self._add(AlertState(alert=alert, enriched=record), record.episode, now, is_recent)
        else:
            episode, state = found
            state.enriched = record
            self._join(episode, record.episode)

    def _add(self, state: AlertState, episode_id: str | None, now: float, is_recent: bool) -> None:
        alert = state.alert
        key = self._episode_keys.get(episode_id or "") or episode_id or f"{alert.team}/{alert.alert_id}"
        episode = self.episodes.pop(key, None) or EpisodeState(key=key)
        self.episodes[key] = episode  # the last of all now
        if episode_id is not None:
            self._episode_keys[episode_id] = key
        self._done.pop(key, None)
        episode.wake(alert, self._ranks)
        episode.add(state)
        self._keys[alert.team, alert.alert_id] = key
        similar = self._similar.setdefault((alert.team, alert.rule), deque(maxlen=limits.TRIAGE_SIMILAR))
        similar.append(alert.alert_id)
        if len(self._similar) > self._most_rows:
            del self._similar[next(iter(self._similar))]
        if episode.mark is not None and is_recent:
            self.carried.append((key, alert.alert_id))
        self._changed[key] = None
        for record in self._waiting.take_followers((alert.team, alert.alert_id)):
            self._follow(record, now)

    def _join(self, episode: EpisodeState, episode_id: str | None) -> None:
        """The episode of what was shown without one: its row stays, or goes into the episode's that is there."""
        self._changed[episode.key] = None
        if episode_id is None:
            return
        there = self._episode_keys.setdefault(episode_id, episode.key)
        if there == episode.key or there not in self.episodes:
            return
        other = self.episodes[there]
        for state in episode.firings.values():
            other.add(state)
            self._keys[state.alert.team, state.alert.alert_id] = there
        other.mark, other.snooze = other.mark or episode.mark, other.snooze or episode.snooze
        self._drop(episode.key)
        self._changed[there] = None

    def _follow(self, record: Acted | Outcome | Decision, now: float) -> None:
        key = record.team, record.alert_id
        found = self.find(*key)
        if self._waiting.is_left_out(key):
            return
        if found is None:
            self._waiting.keep(record)
            return
        episode, state = found
        match record:
            case Outcome() if self._outcomes.takes_outcome(record):
                state.outcome = record
            case Decision() if self._decisions.takes_decision(record) and state.decide(record):
                self._timed.add(episode.key)
            case Acted() if state.act(record):
                if not self._act(episode, state, record):
                    return
            case _:
                return
        self._changed[episode.key] = None

    def _act(self, episode: EpisodeState, state: AlertState, event: Acted) -> bool:
        """What an act does to its episode; whether it shows."""
        if event.kind == "snoozed":
            if episode.snooze is None or episode.snooze.at < seconds(event.at):
                episode.snooze = snooze_of(event)
        elif (mark := mark_of(event, self._deciding)) is not None:
            present = episode.mark
            if present is None or (present.id == mark.id and present.undo_until is not None):
                episode.mark = replace(mark, words=present.words) if present else mark
        self._timed.add(episode.key)
        return event in state.shown_acts

    def _show_unscored(self, now: float) -> None:
        for alert in self._waiting.take_overdue(now):
            name = f"{alert.team}\0{alert.alert_id}"
            if now - seconds(alert.at) >= RECENT_SECONDS or self._sampler.takes(name, False, now):
                self._add(AlertState(alert=alert), None, now, False)

    def _expire(self, now: float) -> None:
        """Let go of snoozes and suppressions whose time has come."""
        for key in list(self._timed):
            episode = self.episodes.get(key)
            if episode is None:
                self._timed.discard(key)
                continue
            snooze, one = episode.snooze, episode.newest.suppression
            untils = [each.until for each in (snooze, one) if each is not None and each.until is not None]
            if not untils:
                self._timed.discard(key)
            elif min(untils) <= now:
                if snooze is not None and snooze.until is not None and snooze.until <= now:
                    episode.snooze = None
                if one is not None and one.until is not None and one.until <= now:
                    episode.newest.suppression = None
                self._changed[key] = None

    def _forget(self) -> None:
        """Forget rows over the limit: what was done first, else what was touched first."""
        while len(self.episodes) > self._most_rows:
            self._drop(next(iter(self._done or self.episodes)))

    def _drop(self, key: str) -> None:
        episode = self.episodes.pop(key)
        for state in episode.firings.values():
            alert = state.alert
            if self._keys.get((alert.team, alert.alert_id)) == key:
                del self._keys[alert.team, alert.alert_id]
            if state.enriched is not None and self._episode_keys.get(state.enriched.episode or "") == key:
                self._episode_keys.pop(state.enriched.episode or "", None)
        self._changed.pop(key, None)
        self._done.pop(key, None)
        row = self.rows.pop(key, None)
        if row is not None:
            self._categories[_category(row)] -= 1
            self._gone.append(key)

    def _refresh(self, key: str, now: float) -> Row | None:
        """A row made anew; None where nothing of it has changed."""
        episode = self.episodes.get(key)
        if episode is None:
            return None
        row, before = episode.row(now), self.rows.get(key)
        if row == before:
            return None
        if before is None or (row.state == "open" != before.state):
            episode.since = self.seq + 1  # the batch that is being made
            row = replace(row, since=episode.since)
        if before is not None:
            self._categories[_category(before)] -= 1
        self._categories[_category(row)] += 1
        self.rows[key] = row
        if row.state in ("ended", "decided"):
            self._done[key] = None
        else:
            self._done.pop(key, None)
        return row


def _category(row: Row) -> str:
    """What the counts count a row as: its band while it is open, else its state."""
    return row.band if row.state == "open" else row.state
