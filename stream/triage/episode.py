"""One episode on the page: its firings with all that is known of each, and the row that they make. Pure.

Blind: of an alert that a rule left alone, in shadow or held out, nothing of the rule is in a row or on a page before
the alert's outcome is decided. Otherwise the rule would make its own labels.
"""

from collections.abc import Iterator, Mapping

from msgspec import Struct, field

from stream.core import kinds, limits
from stream.core.events import Acted, Raised, seconds
from stream.core.records import Decision, Enriched, Outcome
from stream.core.scoring import history_words
from stream.triage.view import Action, Firing, Mark, Row, Snooze, State

ENDS = frozenset({"ended", "resolved", "closed", "auto_closed", "merged"})
DEEDS = frozenset({"pause", "close", "release"})  # decisions that were carried out, so people may see them at once
ACTION_PREFIX = "triage"
_PAST = {"pause": "paused", "close": "closed", kinds.PAUSED_BY_RULE: "paused", kinds.CLOSED_BY_RULE: "closed"}


class Suppression(Struct, frozen=True, kw_only=True):
    """What keeps an alert from people: what was done, by whom or which rule, why, since and until when."""

    what: str
    by: str
    why: str
    since: float
    until: float | None


class AlertState(Struct, kw_only=True):
    """One firing, and what came of it so far."""

    alert: Raised
    enriched: Enriched | None = None
    outcome: Outcome | None = None
    acts: list[Acted] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    ended_at: float | None = None
    suppression: Suppression | None = None
    fingerprint: str | None = None  # once somebody asked for it

    @property
    def raised_at(self) -> float:
        """Seconds since 1970."""
        return seconds(self.alert.at)

    @property
    def probability(self) -> float | None:
        """What people are shown: none where there is too little history."""
        score = self.enriched.score if self.enriched else None
        return None if score is None or score.evidence == "none" else score.probability

    @property
    def words(self) -> str:
        """The history in words."""
        return history_words(self.enriched.score, self.enriched.why) if self.enriched else "no score yet"

    @property
    def shown_acts(self) -> list[Acted]:
        """Its acts, without those that would say what a rule left alone before its outcome is decided."""
        return [act for act in self.acts if act.kind != kinds.HELD_OUT or self.outcome is not None]

    @property
    def shown_decisions(self) -> list[Decision]:
        """Decisions of rules: deeds at once, what a rule would have done once the outcome is decided."""
        return [one for one in self.decisions if one.decision in DEEDS or self.outcome is not None]

    @property
    def flags(self) -> list[str]:
        """The flags of its records; `held_out` once its outcome is decided."""
        known = list(self.enriched.flags) if self.enriched else []
        if self.outcome is not None:
            known += [flag for flag in self.outcome.flags if flag not in known]
            return [str(flag) for flag in known]
        return [str(flag) for flag in known if flag != "held_out"]

    def act(self, event: Acted) -> bool:
        """Take an act in; False where it was known."""
        if any(one.action_id == event.action_id for one in self.acts):
            return False
        self.acts = [*self.acts, event][-limits.TRIAGE_ACTS :]
        at, kind = seconds(event.at), event.kind
        if kind in ENDS:
            self.ended_at = at
        elif kind == kinds.REOPENED:
            self.ended_at = self.suppression = None
        elif kind == kinds.RELEASED_BY_RULE:
            self.suppression = None
        elif kind in kinds.ENDED_BY_RULE and self.suppression is None:
            self.suppression = _suppression(_PAST[kind], event, "a rule")
        elif kind == "silenced":
            self.suppression = _suppression("silenced", event, event.actor or "somebody")
        elif kind == kinds.MUTED:
            self.suppression = _suppression("muted", event, "the alert system")
        return True

    def decide(self, decision: Decision) -> bool:
        """Take a decision in; whether it shows now."""
        self.decisions = [*self.decisions, decision][-limits.TRIAGE_DECISIONS :]
        if decision.decision in ("pause", "close"):
            self.suppression = Suppression(
                what=_PAST[decision.decision],
                by=decision.by_rule or "a rule",
                why=decision.why,
                since=seconds(decision.decided_at),
                until=seconds(decision.until) if decision.until else None,
            )
        elif decision.decision == "release":
            self.suppression = None
        return decision.decision in DEEDS or self.outcome is not None

    def is_suppressed(self, now: float) -> bool:
        """Whether something keeps it from people at `now`."""
        one = self.suppression
        return one is not None and (one.until is None or one.until > now)

    def firing(self) -> Firing:
        """As a line of its episode."""
        outcome = self.outcome
        return Firing(
            alert_id=self.alert.alert_id,
            title=self.alert.title or self.alert.rule,
            raised_at=self.raised_at,
            severity=self.alert.severity or "",
            probability=self.probability,
            words=self.words,
            ended_at=self.ended_at,
            outcome=outcome.outcome if outcome else None,
            by=outcome.by if outcome else None,
        )


class EpisodeState(Struct, kw_only=True):
    """One row of the list: firings of one team, rule and entity that follow each other closely, the newest last."""

    key: str
    firings: dict[str, AlertState] = field(default_factory=dict)
    count: int = 0
    raised_at: float = 0.0
    since: int = 0  # as in `Row`
    mark: Mark | None = None
    snooze: Snooze | None = None

    @property
    def newest(self) -> AlertState:
        """The firing that the row shows."""
        return next(reversed(self.firings.values()))

    def add(self, state: AlertState) -> None:
        """Take a firing in; over the limit the oldest one is left out, though counted."""
        at = state.raised_at
        self.raised_at = min(self.raised_at, at) if self.count else at
        self.count += 1
        newest = self.newest if self.firings else None
        self.firings[state.alert.alert_id] = state
        if newest is not None and newest.raised_at > at:  # a late one does not become the newest
            self.firings[newest.alert.alert_id] = self.firings.pop(newest.alert.alert_id)
        if len(self.firings) > limits.TRIAGE_FIRINGS:
            del self.firings[next(iter(self.firings))]

    def wake(self, alert: Raised, ranks: Mapping[str, int]) -> None:
        """End a snooze "until it escalates" if a new firing's severity ranks above all that the episode had."""
        if self.snooze is None or self.snooze.until is not None:
            return
        before = max((ranks.get(one.alert.severity or "", -1) for one in self.firings.values()), default=-1)
        if ranks.get(alert.severity or "", -1) > before:
            self.snooze = None

    def undecided(self) -> list[AlertState]:
        """The firings that a verdict is about: all without an outcome, or the newest where all have one."""
        return [one for one in self.firings.values() if one.outcome is None] or [self.newest]

    def state(self, now: float) -> State:
        """What the row is: ended beats decided, which beats suppressed and snoozed."""
        if all(one.ended_at is not None for one in self.firings.values()):
            return "ended"
        newest = self.newest
        is_maintenance = newest.outcome is not None and newest.outcome.by == kinds.MAINTENANCE
        if newest.is_suppressed(now) or is_maintenance:
            return "decided" if self.mark is not None else "suppressed"
        if self.mark is not None or newest.outcome is not None:
            return "decided"
        return "snoozed" if self.snooze is not None else "open"

    def row(self, now: float) -> Row:
        """The row as browsers get it."""
        newest, alert = self.newest, self.newest.alert
        enriched, outcome = newest.enriched, newest.outcome
        score, why = (enriched.score, enriched.why) if enriched else (None, None)
        shown = score is not None and newest.probability is not None
        return Row(
            key=self.key,
            team=alert.team,
            rule=alert.rule,
            entity=alert.entity,
            alert_id=alert.alert_id,
            title=alert.title or alert.rule,
            raised_at=self.raised_at,
            latest_at=newest.raised_at,
            since=self.since,
            words=newest.words,
            severity=alert.severity or "",
            source=alert.source or "",
            state=self.state(now),
            firings=self.count,
            open=sum(one.ended_at is None for one in self.firings.values()),
            probability=newest.probability,
            band=score.band if score is not None and shown else "unscored",
            evidence=score.evidence if score else "none",
            reason=score.reason if score else None,
            last=list(why.team_rule.last) if why else [],
            model=score.model if score else None,
            scored_at=seconds(enriched.scored_at) if enriched else None,
            flags=newest.flags,
            outcome=outcome.outcome if outcome else None,
            by=outcome.by if outcome else None,
            suppressed=_sentence(newest.suppression) if newest.suppression and newest.is_suppressed(now) else "",
            mark=self.mark,
            snooze=self.snooze,
        )


def mark_of(event: Acted, deciding: Mapping[str, bool]) -> Mark | None:
    """The verdict that a person's act is; None where it decides nothing or nobody did it."""
    if event.agent != kinds.PERSON or event.kind not in deciding:
        return None
    action: Action = "acted" if deciding[event.kind] else "dismissed"
    return Mark(
        id=request_of(event),
        action=action,
        kind=event.kind,
        person=event.actor or "",
        at=seconds(event.at),
        reason=event.reason,
    )


def snooze_of(event: Acted) -> Snooze:
    """The snooze that an act is."""
    until = seconds(event.until) if event.until else None
    return Snooze(id=request_of(event), person=event.actor or "", at=seconds(event.at), until=until)


def request_of(event: Acted) -> str:
    """The id of the page's request that an act came from, else the act's own id."""
    parts = event.action_id.split(":")
    return parts[1] if len(parts) == 3 and parts[0] == ACTION_PREFIX else event.action_id


def suppressed(episodes: Mapping[str, EpisodeState], now: float) -> Iterator[tuple[EpisodeState, Suppression]]:
    """The episodes that something keeps from people at `now`, snoozes included, the oldest first."""
    found = []
    for episode in episodes.values():
        newest = episode.newest
        if newest.suppression is not None and newest.is_suppressed(now) and newest.ended_at is None:
            found.append((episode, newest.suppression))
        elif episode.snooze is not None and episode.state(now) == "snoozed":
            one = episode.snooze
            why = "" if one.until is not None else "until it escalates"
            found.append((episode, Suppression(what="snoozed", by=one.person, why=why, since=one.at, until=one.until)))
    return iter(sorted(found, key=lambda pair: pair[1].since))


def _suppression(what: str, event: Acted, by: str) -> Suppression:
    until = seconds(event.until) if event.until else None
    return Suppression(what=what, by=by, why=event.reason or "", since=seconds(event.at), until=until)


def _sentence(one: Suppression) -> str:
    return f"{one.what} by {one.by}"
