"""Hand-made outcomes and scored alerts for the tests of rules."""

from typing import Any

from stream.core.events import Raised, moment
from stream.core.problem import parse_problem
from stream.core.records import Enriched, Outcome, OutcomeName, Score

HOUR, DAY = 3_600.0, 86_400.0
T0 = 1_772_355_600.0  # 2026-03-01T09:00:00Z
MODEL = "2026-03-01-a1b2"
PROBLEM = parse_problem(
    """
    name = "test"
    question = "Will the owning team act?"
    [outcome]
    actionable = ["worked"]
    noise = ["dismissed"]
    horizon_hours = 24
    """
)


def outcome(alert_id: str, at: float, name: OutcomeName, **change: Any) -> Outcome:
    """An outcome of an alert raised at seconds since 1970, with other fields as given."""
    fields: dict[str, Any] = {
        "team": "payments",
        "rule": "disk_full",
        "entity": "db-7",
        "decided_at": moment(at + HOUR),
        "by": "worked" if name == "actionable" else "expiry",
        "problem": PROBLEM.id,
        "model": MODEL,
        "scores": {MODEL: 0.04},
        "evidence": "strong",
        "last_outcome": 0,
        "flags": [],
        "episode": "e",
    }
    return Outcome(alert_id=alert_id, raised_at=moment(at), outcome=name, **{**fields, **change})


def enriched(alert_id: str = "A1", at: float = T0, **change: Any) -> Enriched:
    """A scored alert raised at seconds since 1970; of alert, score and record, fields as given."""
    alert: dict[str, Any] = {
        "team": "payments",
        "rule": "disk_full",
        "entity": "db-7",
        "severity": "low",
        "source": "alertmanager",
    }
    alert |= {name: change.pop(name) for name in list(change) if name in {*alert, "labels"}}
    score: dict[str, Any] = {
        "probability": 0.04,
        "band": "likely_noise",
        "model": MODEL,
        "evidence": "strong",
        "reason": None,
    }
    score |= {name: change.pop(name) for name in list(change) if name in score}
    record = {
        "why": None,
        "flags": [],
        "scored_at": moment(at),
        "offset": "alerts.events/0/1",
        "episode": "e",
        **change,
    }
    return Enriched(alert=Raised(at=moment(at), alert_id=alert_id, **alert), score=Score(**score), **record)
