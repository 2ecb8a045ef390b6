"""What rules suppressed in the last day, from alerts.decisions: so it comes back though the state in Redis is gone."""

import logging
import time
from collections.abc import Callable

import msgspec

from stream.config import Settings
from stream.core.errors import BrokerError, HistoryAway
from stream.core.events import Raised, moment, seconds
from stream.core.problem import DAY_SECONDS
from stream.core.records import Decision, decode_decision
from stream.core.suppressions import Suppression
from stream.kafka.reader import Reader

log = logging.getLogger(__name__)
_MARGIN_SECONDS = 3_600.0
_WANTED = (b'"decision":"pause"', b'"decision":"close"', b'"decision":"release"')
Lost = list[tuple[Suppression, Raised]]


def find_suppressions(
    settings: Settings, is_ours: Callable[[str], bool], clock: Callable[[], float] = time.time
) -> Lost:
    """The alerts of some teams that were paused or closed in the last day and not brought back.

    Raises:
        HistoryAway: Kafka can't be read; it may be tried again.
    """
    open_: dict[tuple[str, str], Suppression] = {}
    try:
        with Reader(settings, [settings.topics.decisions], since=clock() - DAY_SECONDS - _MARGIN_SECONDS) as reader:
            for message in reader.read_all():
                value = message.value() or b""
                if any(wanted in value for wanted in _WANTED):
                    _take(value, is_ours, open_)
    except BrokerError as error:
        raise HistoryAway(f"what rules suppressed can't be found again: {error.problem}", error.mend) from None
    log.warning("%d alerts that rules keep from people were found again in %s", len(open_), settings.topics.decisions)
    return [(one, _bare_alert(one)) for one in open_.values()]


def _take(value: bytes, is_ours: Callable[[str], bool], open_: dict[tuple[str, str], Suppression]) -> None:
    try:
        decision = decode_decision(value)
    except (msgspec.DecodeError, ValueError):
        return
    key = decision.team, decision.alert_id
    if decision.decision == "release":
        open_.pop(key, None)
    elif is_ours(decision.team) and (one := _suppression(decision)) is not None:
        open_[key] = one


def _suppression(decision: Decision) -> Suppression | None:
    done = decision.decision
    if (done != "pause" and done != "close") or decision.until is None or decision.by_rule is None:
        return None
    return Suppression(
        alert_id=decision.alert_id,
        team=decision.team,
        rule=decision.rule,
        entity=decision.entity,
        severity=None,  # decisions do not hold it; so any severity brings the alert back
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


def _bare_alert(one: Suppression) -> Raised:
    """An alert as far as its decision tells."""
    return Raised(moment(one.raised_at), one.alert_id, one.team, one.rule, one.entity)
