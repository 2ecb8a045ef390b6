"""An alert as its page and other user interfaces get it, as plain data. Pure."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct

from stream.core import kinds
from stream.core.events import seconds
from stream.core.problem import Problem
from stream.core.records import Push
from stream.sources.fingerprint import fingerprint
from stream.triage.board import Board
from stream.triage.episode import AlertState
from stream.triage.history import RULE_LEVEL, Level
from stream.triage.view import Firing, Row

SHOWN_LAST_TIMES = 5
MOST_SCORES = 20  # alerts of one answer


class LastTime(Struct, frozen=True):
    """A similar alert of before: when, what became of it, and who did that."""

    alert_id: str
    raised_at: float
    entity: str
    words: str


class EventLine(Struct, frozen=True):
    """One line of an alert's log: `who` is a pseudonym, a rule, or what kind of agent it was."""

    at: float
    what: str
    meaning: str
    who: str
    reason: str


class DecisionLine(Struct, frozen=True):
    """One decision of a rule, with its proof in words."""

    at: float
    decision: str
    rule: str
    why: str
    proof: str


class Detail(Struct, frozen=True, kw_only=True):
    """All of an alert's page; `levels` and `pushes` are a sentence where they can't be found."""

    row: Row
    title: str
    labels: list[tuple[str, str]]
    probability: float | None
    challenger: tuple[str, float] | None
    words: str
    pushes: list[Push] | str
    levels: list[Level] | str
    outcomes: list[int]
    last_times: list[LastTime]
    events: list[EventLine]
    decisions: list[DecisionLine]
    firings: list[Firing]


def detail_of(
    board: Board,
    team: str,
    alert_id: str,
    levels: list[Level] | str,
    pushes: list[Push] | str,
    problem: Problem,
    now: float,
) -> Detail | None:
    """An alert's page; None where the board does not know the alert."""
    found = board.find(team, alert_id)
    if found is None:
        return None
    episode, state = found
    alert, score = state.alert, state.enriched.score if state.enriched else None
    challenger = score.challenger if score is not None else None
    known = levels if isinstance(levels, list) else []
    rule_level = next((one for one in known if one.name == RULE_LEVEL), None)
    why = state.enriched.why if state.enriched else None
    outcomes = rule_level.outcomes if rule_level is not None else list(why.team_rule.last) if why else []
    return Detail(
        row=episode.row(now),
        title=alert.title or alert.rule,
        labels=sorted(alert.labels.items()),
        probability=state.probability,
        challenger=(challenger.model, challenger.probability) if challenger is not None else None,
        words=state.words,
        pushes=pushes,
        levels=levels,
        outcomes=outcomes,
        last_times=_last_times(board, state),
        events=_events(state, problem),
        decisions=_decisions(state),
        firings=[one.firing() for one in reversed(episode.firings.values())],
    )


def _last_times(board: Board, state: AlertState) -> list[LastTime]:
    """The last similar alerts with an outcome, those of the same entity first."""
    alert = state.alert
    others = [
        one
        for one in board.similar(alert.team, alert.rule)
        if one.outcome is not None and one.raised_at < state.raised_at
    ]
    others.sort(key=lambda one: (one.alert.entity == alert.entity, one.raised_at), reverse=True)
    return [
        LastTime(one.alert.alert_id, one.raised_at, one.alert.entity, _what_was_done(one))
        for one in others[:SHOWN_LAST_TIMES]
    ]


def _what_was_done(state: AlertState) -> str:
    """The act that decided it, in words: "worked by 9b97e7f7fd: fixed"."""
    outcome = state.outcome
    if outcome is None:
        return ""
    if outcome.by == kinds.EXPIRY:
        return "nobody did anything"
    act = next((one for one in state.acts if one.kind == outcome.by), None)
    who = (act.actor if act is not None else None) or outcome.agent or "somebody"
    reason = f": {act.reason}" if act is not None and act.reason else ""
    return f"{outcome.by} by {who}{reason}"


def _events(state: AlertState, problem: Problem) -> list[EventLine]:
    alert = state.alert
    lines = [EventLine(state.raised_at, "raised", "it was raised", alert.source or "", "")]
    for act in state.shown_acts:
        who = act.actor or act.agent or ""
        meaning = kinds.KINDS.get(act.kind, "")
        decides = problem.outcome.deciding(act.agent).get(act.kind)
        if decides is not None:
            meaning = f"{meaning}; counts as {'acted on' if decides else 'noise'}".lstrip("; ")
        lines.append(EventLine(seconds(act.at), act.kind, meaning, who, act.reason or ""))
    outcome = state.outcome
    if outcome is not None:
        what = {"actionable": "acted on", "noise": "noise", "unknown": "no label"}[outcome.outcome]
        lines.append(EventLine(seconds(outcome.decided_at), "decided", f"the outcome: {what}", outcome.by, ""))
    return sorted(lines, key=lambda line: line.at)


def _decisions(state: AlertState) -> list[DecisionLine]:
    return [
        DecisionLine(
            seconds(one.decided_at),
            one.decision,
            one.by_rule or "",
            one.why,
            f"{one.proof.state}: {one.proof.observations} observations, {one.proof.acted:g} acted on"
            if one.proof
            else "",
        )
        for one in state.shown_decisions
    ]


def strip_words(outcomes: Sequence[int]) -> str:
    """The name of a strip of outcomes, for those who don't see it.

    >>> strip_words([1, 0, 0])
    'the last 3 outcomes, newest first: 1 acted on'
    """
    return f"the last {len(outcomes)} outcomes, newest first: {sum(outcomes)} acted on"


def find_scores(board: Board, query: Mapping[str, str], ignored: Collection[str] = ()) -> list[dict[str, Any]] | None:
    """The scores of the alerts that are meant, the newest first; None where the query names none.

    Args:
        board: what is known.
        query: `team` and `alert_id`, or `fingerprint`: 16 hex digits.
        ignored: labels that do not count in a fingerprint.
    """
    if query.get("fingerprint"):
        wanted = query["fingerprint"].casefold()
        found = [
            state
            for episode in board.episodes.values()
            for state in episode.firings.values()
            if state.alert.labels and _fingerprint_of(state, ignored) == wanted
        ]
        return [score_of(one) for one in sorted(found, key=lambda one: -one.raised_at)[:MOST_SCORES]]
    if not query.get("team") or not query.get("alert_id"):
        return None
    alert = board.find(query["team"], query["alert_id"])
    return [score_of(alert[1])] if alert is not None else []


def score_of(state: AlertState) -> dict[str, Any]:
    """One alert's score, and nothing that a rule said of it."""
    alert, enriched = state.alert, state.enriched
    score = enriched.score if enriched is not None else None
    return {
        "team": alert.team,
        "alert_id": alert.alert_id,
        "rule": alert.rule,
        "entity": alert.entity,
        "probability": state.probability,
        "band": score.band if score is not None and state.probability is not None else "unscored",
        "evidence": score.evidence if score is not None else "none",
        "reason": score.reason if score is not None else None,
        "model": score.model if score is not None else None,
        "words": state.words,
        "episode": enriched.episode if enriched is not None else None,
        "raised_at": alert.at,
        "scored_at": enriched.scored_at if enriched is not None else None,
        "outcome": state.outcome.outcome if state.outcome is not None else None,
    }


def _fingerprint_of(state: AlertState, ignored: Collection[str]) -> str:
    """An alert's fingerprint, kept with it: to compute it takes some 20 us."""
    if state.fingerprint is None:
        state.fingerprint = f"{fingerprint(state.alert.labels, ignored):016x}"
    return state.fingerprint
