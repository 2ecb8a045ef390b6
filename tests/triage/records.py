"""Records of the topics as the page reads them, short to write in tests."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from stream.core.events import Acted, Raised
from stream.core.records import Band, Decision, Enriched, Evidence, Flag, Outcome, OutcomeName, Score, Why, Whys

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NOW = START.timestamp()


def at(seconds: float) -> datetime:
    """So long after the start."""
    return START + timedelta(seconds=seconds)


def raised(alert_id: str = "A1", seconds: float = 0.0, **fields: Any) -> Raised:
    """An alert of the team payments."""
    values = {
        "team": "payments",
        "rule": "disk_full",
        "entity": "db-7",
        "severity": "high",
        "source": "alertmanager",
        "title": f"Disk 91 % ({alert_id})",
    }
    return Raised(at=at(seconds), alert_id=alert_id, **(values | fields))


def enriched(
    alert_id: str = "A1",
    seconds: float = 0.0,
    probability: float | None = 0.07,
    episode: str | None = None,
    evidence: Evidence = "strong",
    flags: Sequence[Flag] = (),
    **fields: Any,
) -> Enriched:
    """An alert with its score; of an episode of its own unless given."""
    band: Band = "unscored" if probability is None else "likely_noise" if probability < 0.1 else "likely_actionable"
    score = Score(
        probability=probability,
        band=band,
        model=None if probability is None else "2026-03-01-a1b2c3d4",
        evidence=evidence,
        reason="no_model" if probability is None else None,
    )
    why = Whys(Why(42, 1, [0, 0, 0, 0, 1, 0, 0, 0], at(-3_600)), Why(400, 31, [0], None))
    return Enriched(
        alert=raised(alert_id, seconds, **fields),
        score=score,
        why=why,
        flags=list(flags),
        scored_at=at(seconds + 0.1),
        offset="alerts.events/3/1042",
        episode=episode or f"episode-{alert_id}",
    )


def acted(alert_id: str = "A1", kind: str = "worked", seconds: float = 60.0, **fields: Any) -> Acted:
    """An act on the alert, by a person unless said."""
    values = {"team": "payments", "action_id": f"{alert_id}-{kind}", "agent": "person", "actor": "9b97e7f7fd"}
    return Acted(at=at(seconds), alert_id=alert_id, kind=kind, **(values | fields))


def outcome(alert_id: str = "A1", name: OutcomeName = "noise", by: str = "dismissed", **fields: Any) -> Outcome:
    """What became of the alert."""
    alert = raised(alert_id)
    made = Outcome(
        alert_id=alert_id,
        team=alert.team,
        rule=alert.rule,
        entity=alert.entity,
        raised_at=alert.at,
        outcome=name,
        decided_at=at(300),
        by=by,
        problem="actionable@9f2c01ab",
        model="2026-03-01-a1b2c3d4",
        scores={"2026-03-01-a1b2c3d4": 0.07},
        evidence="strong",
        last_outcome=0,
        flags=[],
        agent="person",
    )
    return replace(made, **fields)


def decision(alert_id: str = "A1", name: Any = "would_close", **fields: Any) -> Decision:
    """What the rule night-disks said of the alert."""
    alert = raised(alert_id)
    made = Decision(
        alert_id=alert_id,
        team=alert.team,
        rule=alert.rule,
        entity=alert.entity,
        episode=None,
        raised_at=alert.at,
        decision=name,
        by_rule="night-disks",
        rule_version="3c1a",
        mode="shadow",
        probability=0.04,
        model="2026-03-01-a1b2c3d4",
        p_act=0.0,
        until=None,
        proof=None,
        why="it matches and is below 10 %",
        decided_at=at(1),
    )
    return replace(made, **fields)
