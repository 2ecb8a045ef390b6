"""Alerts that a rule keeps from people, and when each comes back by itself.

A paused alert comes back after its minutes, a closed one after its hours; either at once when an alert of its team,
rule and entity comes with a higher severity, or one of its team and rule is in a flood.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct

from stream.core.events import moment, seconds
from stream.core.records import Decision, Enriched

SEVERITIES = ("info", "low", "warning", "medium", "high", "critical")  # low to high


class Suppression(Struct, array_like=True, frozen=True):
    """One alert that is paused or closed. Times in seconds since 1970.

    Attributes:
        decision: what was done to it.
        since, until: from when, and when it comes back at the latest.
        p_act: the chance that it was done, as its decision has it.
    """

    alert_id: str
    team: str
    rule: str
    entity: str
    severity: str | None
    episode: str | None
    raised_at: float
    decision: Literal["pause", "close"]
    by_rule: str
    rule_version: str
    model: str | None
    probability: float | None
    since: float
    until: float
    p_act: float


def suppression_of(decision: Decision, severity: str | None) -> Suppression | None:
    """What is kept of an alert of this severity that a decision pauses or closes; None of any other decision."""
    done = decision.decision
    if (done != "pause" and done != "close") or decision.until is None or decision.by_rule is None:
        return None
    return Suppression(
        alert_id=decision.alert_id,
        team=decision.team,
        rule=decision.rule,
        entity=decision.entity,
        severity=severity,
        episode=decision.episode,
        raised_at=seconds(decision.raised_at),
        decision=done,
        by_rule=decision.by_rule,
        rule_version=decision.rule_version or "",
        model=decision.model,
        probability=decision.probability,
        since=seconds(decision.decided_at),
        until=seconds(decision.until),
        p_act=decision.p_act,
    )


def is_higher(new: str | None, old: str | None, severities: Sequence[str] = SEVERITIES) -> bool:
    """Whether one severity is above another, in an order from low to high.

    What is not in the order counts as above all that is: nobody knows how bad it is. None is below all. Case does not
    count.

    >>> is_higher("high", "low"), is_higher("low", "high"), is_higher("P1", "critical"), is_higher(None, "low")
    (True, False, True, False)
    """
    if new is None or old is None:
        return new is not None
    order, high, low = [one.casefold() for one in severities], new.casefold(), old.casefold()
    if high == low:
        return False
    if high not in order:
        return True
    return low in order and order.index(high) > order.index(low)


def release_reason(one: Suppression, enriched: Enriched, severities: Sequence[str] = SEVERITIES) -> str | None:
    """Why an alert that comes brings another one back; None where it does not."""
    alert = enriched.alert
    if alert.team != one.team or alert.rule != one.rule:
        return None
    if "flood" in enriched.flags:
        return f"{alert.rule} is in a flood"
    if alert.entity == one.entity and is_higher(alert.severity, one.severity, severities):
        return f"{alert.alert_id} came with severity {alert.severity}"
    return None


def released(
    suppressions: Iterable[Suppression], enriched: Enriched, severities: Sequence[str] = SEVERITIES
) -> list[tuple[Suppression, str]]:
    """Those of the suppressions that an alert brings back at once, each with the reason."""
    found = ((one, release_reason(one, enriched, severities)) for one in suppressions)
    return [(one, why) for one, why in found if why is not None]


def due(suppressions: Iterable[Suppression], now: float) -> list[tuple[Suppression, str]]:
    """Those that come back by now, in order of time, each with the reason."""
    waiting = sorted((one for one in suppressions if one.until <= now), key=lambda one: (one.until, one.alert_id))
    return [(one, "its pause ended" if one.decision == "pause" else "its closure ended") for one in waiting]


def release(one: Suppression, why: str, now: float) -> Decision:
    """The decision that brings an alert back."""
    at: datetime = moment(now)
    return Decision(
        alert_id=one.alert_id,
        team=one.team,
        rule=one.rule,
        entity=one.entity,
        episode=one.episode,
        raised_at=moment(one.raised_at),
        decision="release",
        by_rule=one.by_rule,
        rule_version=one.rule_version,
        mode=one.decision,
        probability=one.probability,
        model=one.model,
        p_act=one.p_act,
        until=None,
        proof=None,
        why=why,
        decided_at=at,
    )
