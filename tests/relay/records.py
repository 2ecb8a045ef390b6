"""Records as the scorer and the closer publish them, and what they add to an alert."""

import copy
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from stream.core.events import Raised
from stream.core.records import Decision, DecisionName, Enriched, Evidence, Flag, Score, Why, Whys
from stream.relay.forward import Addition

AT = datetime(2026, 3, 1, 10, tzinfo=UTC)


def enriched(
    alert_id: str = "A1",
    team: str = "payments",
    probability: float | None = 0.07,
    evidence: Evidence = "strong",
    flags: Sequence[Flag] = (),
) -> Enriched:
    """A scored alert."""
    alert = Raised(at=AT, alert_id=alert_id, team=team, rule="DiskAlmostFull", entity="db-7")
    score = Score(probability=probability, band="likely_noise", model="m", evidence=evidence)
    why = Whys(Why(42, 1, [0, 0, 1], AT), Why(50, 5, [0], AT))
    return Enriched(alert, score, why, list(flags), AT, "alerts.events/0/7")


def decision(
    alert_id: str, what: DecisionName, at: datetime | None = None, until_seconds: float | None = None
) -> Decision:
    """A decision about an alert, made now unless `at` says otherwise."""
    made = at or datetime.now(UTC)
    return Decision(
        alert_id=alert_id,
        team="payments",
        rule="DiskAlmostFull",
        entity="db-7",
        episode=None,
        raised_at=made,
        decision=what,
        by_rule="night-disks",
        rule_version="3c1a",
        mode="pause",
        probability=0.04,
        model="m",
        p_act=0.95,
        until=None if until_seconds is None else made + timedelta(seconds=until_seconds),
        proof=None,
        why="below 0.05",
        decided_at=made,
    )


def expected(alert: Any, addition: Addition) -> Any:
    """What an alert is with an addition, as parsed JSON; what can't get one stays."""
    if not isinstance(alert, dict) or not isinstance(alert.get("annotations", {}) or {}, dict):
        return alert
    new = copy.deepcopy(alert)
    if addition.annotations:
        new["annotations"] = {**addition.annotations, **(new.get("annotations") or {})}
    if addition.label:
        new["labels"] = {"noisegate": addition.label, **(new.get("labels") or {})}
    return new
