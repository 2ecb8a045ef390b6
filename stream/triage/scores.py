"""Scores as other user interfaces ask for them: by team and alert id, or by Alertmanager's fingerprint. Pure."""

from collections.abc import Collection, Mapping
from typing import Any

from stream.sources.fingerprint import fingerprint
from stream.triage.board import Board
from stream.triage.episode import AlertState

MOST = 20  # alerts of one answer


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
            if state.alert.labels and f"{fingerprint(state.alert.labels, ignored):016x}" == wanted
        ]
        return [score_of(one) for one in sorted(found, key=lambda one: -one.raised_at)[:MOST]]
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
