"""Deeds as the closer makes them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from stream.core.deeds import Deed, DeedKind, deed_of
from stream.core.events import Raised
from stream.core.records import Decision

LABELS = {"alertname": "DiskFull", "instance": "db-7:9100", "env": "prod"}


def alert(alert_id: str = "INC1", labels: Mapping[str, str] = LABELS, source: str = "alertmanager") -> Raised:
    """An alert of the team payments, raised now."""
    return Raised(
        at=datetime.now(UTC),
        alert_id=alert_id,
        team="payments",
        rule=labels.get("alertname", "DiskFull"),
        entity=labels.get("instance", "db-7"),
        severity="high",
        source=source,
        title="Disk 91% on db-7",
        labels=dict(labels),
    )


def deed(
    kind: DeedKind,
    of: Raised | None = None,
    after_seconds: float = 0.0,
    minutes: float = 10.0,
    mode: DeedKind | None = None,
    ended: bool = False,
) -> Deed:
    """A deed of a decision made `after_seconds` after the alert was raised; of a release `mode` is what it ends."""
    raised = of or alert()
    at = raised.at + timedelta(seconds=after_seconds)
    decision = Decision(
        alert_id=raised.alert_id,
        team=raised.team,
        rule=raised.rule,
        entity=raised.entity,
        episode=None,
        raised_at=raised.at,
        decision=kind,
        by_rule="night-disks",
        rule_version="3c1a0000",
        mode=(mode or "pause") if kind == "release" else kind,  # type: ignore[arg-type]  # never a release
        probability=0.04,
        model="m1",
        p_act=0.9,
        until=None if kind == "release" else at + timedelta(minutes=minutes),
        proof=None,
        why="proven: 173 observations, 0 acted on",
        decided_at=at,
    )
    made = deed_of(raised, decision, ended)
    assert made is not None
    return made


def deed_by(rule: str, version: str, decided_at: float, of: Raised | None = None) -> Deed:
    """A pause by a version of a rule, decided at a time in seconds since 1970."""
    one = deed("pause", of)
    at = datetime.fromtimestamp(decided_at, UTC)
    changed = msgspec.structs.replace(
        one.decision, by_rule=rule, rule_version=version, decided_at=at, until=at + timedelta(minutes=10)
    )
    return msgspec.structs.replace(one, decision=changed)


def prolonged(one: Deed, minutes: float) -> Deed:
    """The same deed with a later end."""
    assert one.decision.until is not None
    until = one.decision.until + timedelta(minutes=minutes)
    return msgspec.structs.replace(one, decision=msgspec.structs.replace(one.decision, until=until))
