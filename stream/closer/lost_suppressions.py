"""What rules suppressed in the last day, from alerts.decisions: so it comes back though the state in Redis is gone."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from stream.closer.exchange import AlertKey
from stream.config import Settings
from stream.core import limits
from stream.core.errors import BadRecord, BrokerError, HistoryAway
from stream.core.events import Raised, decode_event, moment, seconds
from stream.core.problem import DAY_SECONDS
from stream.core.records import decode_decision
from stream.core.suppressions import Suppression, suppression_of
from stream.kafka.reader import Reader

log = logging.getLogger(__name__)
_MARGIN_SECONDS = 3_600.0
_WANTED = tuple(f'"decision":"{name}"'.encode() for name in ("pause", "close", "release", "hold_out"))


class Lost(Struct, frozen=True):
    """What rules did to alerts in the last day.

    Attributes:
        held: what they keep from people, with the alerts as they were raised; where that record is gone, as far as
            decisions tell.
        acted: alerts that they brought back or held out, and when, seconds since 1970: no rule acts on them again.
    """

    held: list[tuple[Suppression, Raised]] = []
    acted: dict[AlertKey, float] = {}


class Message(Protocol):
    """A record; `confluent_kafka.Message` is one."""

    def value(self) -> bytes | None:
        """Its value."""


class Messages(Protocol):
    """The records of a topic; `stream.kafka.reader.Reader` is one."""

    def read_all(self) -> Iterator[Message]:
        """Every record there is; raises BrokerError."""


class LostSuppressions:
    """What was found, read once for all partitions of an assignment: the topic is long, and the lane waits for it.

    Args:
        find: finds it for all teams, as `find_suppressions` does.
    """

    def __init__(self, find: Callable[[], Lost]) -> None:
        self._find = find
        self._found: tuple[str, Lost] | None = None

    def take(self, assignment: str, is_ours: Callable[[str], bool]) -> Lost:
        """What concerns some teams; read anew for another assignment. Raises as `find` does."""
        if self._found is None or self._found[0] != assignment:
            self._found = assignment, self._find()
        lost = self._found[1]
        acted = {key: at for key, at in lost.acted.items() if is_ours(key[0])}
        return Lost([(one, alert) for one, alert in lost.held if is_ours(one.team)], acted)


def find_suppressions(
    settings: Settings,
    is_ours: Callable[[str], bool],
    progress: Callable[[], None],
    clock: Callable[[], float] = time.time,
    open_topic: Callable[[str, float], AbstractContextManager[Messages]] | None = None,
) -> Lost:
    """What rules did to the alerts of some teams in the last day.

    Args:
        settings: Kafka and the topics.
        is_ours: whether a team is one of them.
        progress: called with each record that is read: a long topic may take longer than a watchdog waits.
        clock: seconds since 1970.
        open_topic: in place of Kafka; opens a topic from a time on.

    Raises:
        HistoryAway: Kafka can't be read; it may be tried again.
    """
    held: dict[AlertKey, Suppression] = {}
    acted: dict[AlertKey, float] = {}

    def values(topic: str, since: float) -> Iterator[bytes]:
        opened = Reader(settings, [topic], since=since) if open_topic is None else open_topic(topic, since)
        with opened as messages:
            for message in messages.read_all():
                progress()
                yield message.value() or b""

    try:
        for value in values(settings.topics.decisions, clock() - DAY_SECONDS - _MARGIN_SECONDS):
            if any(wanted in value for wanted in _WANTED):
                _take(value, is_ours, held, acted)
        since = min((one.raised_at for one in held.values()), default=0.0) - limits.SKEW_SECONDS
        raised = _raised(values(settings.topics.events, since), held) if held else {}
    except BrokerError as error:
        raise HistoryAway(f"what rules suppressed can't be found again: {error.problem}", error.mend) from None
    log.warning("%d alerts that rules keep from people were found again in %s", len(held), settings.topics.decisions)
    alerts = {key: raised.get(key) or _bare_alert(one) for key, one in held.items()}
    return Lost([(replace(one, severity=alerts[key].severity), alerts[key]) for key, one in held.items()], acted)


def _raised(values: Iterator[bytes], held: Mapping[AlertKey, Suppression]) -> dict[AlertKey, Raised]:
    """These alerts as they were raised: targets know an alert by its source and labels, which decisions do not hold."""
    found: dict[AlertKey, Raised] = {}
    for value in values:
        if b'"raised"' not in value:
            continue
        try:
            event = decode_event(value)
        except BadRecord:
            continue  # the scorer's dead letter
        if type(event) is Raised:
            one = held.get((event.team, event.alert_id))
            if one is not None and one.raised_at == seconds(event.at):
                found[event.team, event.alert_id] = event
    return found


def _take(
    value: bytes, is_ours: Callable[[str], bool], held: dict[AlertKey, Suppression], acted: dict[AlertKey, float]
) -> None:
    try:
        decision = decode_decision(value)
    except (msgspec.DecodeError, ValueError):
        return
    if not is_ours(decision.team):
        return
    key = decision.team, decision.alert_id
    one = suppression_of(decision, None)  # where no severity is found, any brings the alert back
    if one is not None:
        if key not in acted:  # else a copy that was published later
            held[key] = one
    else:
        held.pop(key, None)
        acted[key] = seconds(decision.decided_at)


def _bare_alert(one: Suppression) -> Raised:
    """An alert as far as its decision tells."""
    return Raised(moment(one.raised_at), one.alert_id, one.team, one.rule, one.entity)
