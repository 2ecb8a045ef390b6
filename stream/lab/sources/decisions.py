"""The closer's decisions for the lab: which alerts rules held out, and with which chance they would have acted."""

import gzip
import logging
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from stream.config import Settings
from stream.core import limits
from stream.core.errors import READABLE, LogError
from stream.core.records import Decision, decode_decision
from stream.eventlog import log_file
from stream.files import AnyPath
from stream.lab.weights import NO_CHANCES, Chances

log = logging.getLogger(__name__)

_GZIP = b"\x1f\x8b"
_UNREADABLE = (msgspec.DecodeError, ValueError, RecursionError)


def holdout_chances(decisions: Iterable[Decision]) -> dict[tuple[str, str], float]:
    """p_act of each alert that a rule held out, by team and alert id; a repeated decision changes nothing."""
    found: dict[tuple[str, str], float] = {}
    for one in decisions:
        if one.decision == "hold_out" and one.p_act > 0.0:
            found.setdefault((one.team, one.alert_id), one.p_act)
    return found


def chances_of_file(path: AnyPath | None) -> Chances:
    """The same of a file of decisions; none where no file is named.

    Raises:
        LogError: it can't be read.
    """
    return NO_CHANCES if path is None else holdout_chances(read_decisions(Path(path)))


def read_decisions(path: Path) -> Iterator[Decision]:
    """The decisions of a file of JSON lines, plain or gzip, as they stand in Kafka, in any order.

    Raises:
        LogError: it can't be read, or a line is no decision.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == _GZIP
            raw.seek(0)
            file = gzip.GzipFile(fileobj=raw) if packed else raw
            for number, line in enumerate(iter(lambda: file.readline(limits.DECISION_BYTES + 1), b""), start=1):
                if value := line.strip():
                    yield _decision(path, number, value)
    except (OSError, EOFError, zlib.error) as error:
        raise LogError(f"{path}: can't be read: {getattr(error, 'strerror', None) or error}", READABLE) from None


def read_decision_topic(settings: Settings, since: float | None = None) -> Iterator[Decision]:
    """The decisions on Kafka: all, or those written since about a time (wall clock, seconds since 1970).

    There are none where the topic is missing: no rule has ever decided anything then.

    Raises:
        BrokerError: Kafka can't be reached or read.
    """
    for value in _values_of_topic(settings, since):
        try:
            yield _checked(decode_decision(value))
        except _UNREADABLE as error:
            log.warning("a record on %s is no decision and was passed over: %s", settings.topics.decisions, error)


def pull_decisions(settings: Settings, output: Path) -> int:
    """Write the hold-out decisions on Kafka to a file that `read_decisions` reads; returns how many there are.

    Only these weigh anything, and they are the smaller part. The file is there whole or not at all.

    Raises:
        LogError: the file can't be written.
        BrokerError: Kafka can't be reached or read.
    """
    count = 0
    with log_file(output) as file:
        for one in read_decision_topic(settings):
            if one.decision == "hold_out":
                file.write(msgspec.json.encode(one) + b"\n")
                count += 1
    return count


def _values_of_topic(settings: Settings, since: float | None) -> Iterator[bytes]:
    from stream.kafka.reader import Reader
    from stream.kafka.topics import Topics

    topic = settings.topics.decisions
    if topic not in Topics(settings).partitions():
        return
    with Reader(settings, [topic], since=None if since is None else since - limits.SKEW_SECONDS) as reader:
        for message in reader.read_all():
            yield bytes(message.value() or b"")


def _decision(path: Path, number: int, value: bytes) -> Decision:
    try:
        return _checked(decode_decision(value))
    except _UNREADABLE as error:
        raise LogError(
            f"{path}: line {number}: no decision: {error}",
            "name a file of records of alerts.decisions, such as `noisegate lab pull --decisions` writes",
        ) from None


def _checked(decision: Decision) -> Decision:
    if not 0.0 <= decision.p_act <= 1.0:
        raise ValueError(f"p_act is {decision.p_act:g}, it must lie between 0 and 1")
    return decision
