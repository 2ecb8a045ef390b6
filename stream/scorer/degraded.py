"""Degraded mode: alerts go on unscored while the history can't be used, and their scores follow when it can."""

import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime

from prometheus_client import Counter

from stream.core.errors import BadRecord, HistoryAway
from stream.core.events import Event, Raised, decode_event
from stream.core.records import encode_record
from stream.kafka.records import Output, Part, Record
from stream.scorer.decode import Decoded
from stream.scorer.history import History, read_meta_or_none
from stream.scorer.output import unscored

log = logging.getLogger(__name__)
_RETRY_SECONDS = 0.5  # how often an absent Redis is asked again


class DegradedMode:
    """Whether alerts are published unscored, why, and how far they were.

    Args:
        history: is asked now and then whether it can be used again.
        enriched_topic: where alerts go.
        published: counts unscored alerts, by reason.
        clock: the wall clock, seconds since 1970, for `scored_at`.
        monotonic: seconds, for pauses between questions.

    Attributes:
        reason: why alerts are published unscored, one sentence; None while they are scored.
    """

    def __init__(
        self,
        history: History,
        enriched_topic: str,
        published: Counter,
        clock: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._history = history
        self._topic = enriched_topic
        self._published = published
        self._clock = clock
        self._monotonic = monotonic
        self._asked_at = 0.0
        self._suspect = False  # the history is wrong, rather than away
        self._unscored_until: dict[Part, int] = {}
        self.reason: str | None = None

    def enter_away(self, error: HistoryAway) -> None:
        """Begin, or go on, because the history can't be reached."""
        if self.reason is None or self._suspect:
            log.error("%s; alerts are published unscored until it is back", error)
        self.reason, self._suspect, self._asked_at = str(error), False, self._monotonic()

    def enter_suspect(self, sentence: str) -> None:
        """Begin, or go on, because a history is wrong: nothing is scored by it until it is rebuilt."""
        if not self._suspect:
            log.error("%s; alerts are published unscored until then", sentence)
        self.reason, self._suspect, self._asked_at = sentence, True, self._monotonic()

    def leave(self) -> None:
        """Score again."""
        self.reason, self._suspect = None, False

    def is_over(self, assigned: Collection[Part]) -> bool:
        """Ask now and then whether the histories of these partitions can be used again."""
        if self._monotonic() - self._asked_at < _RETRY_SECONDS:
            return False
        self._asked_at = self._monotonic()
        try:
            if not self._suspect:
                self._history.status(patient=False)
            elif self._is_still_suspect(assigned):
                return False
        except HistoryAway as error:
            self.reason = str(error) if not self._suspect else self.reason
            return False
        log.warning("the history can be used again; continuing from where it stands")
        return True

    def _is_still_suspect(self, assigned: Collection[Part]) -> bool:
        """Whether a rebuild has not yet taken the place of every history that is wrong."""
        metas = [read_meta_or_none(stored) for stored in self._history.read_metas(assigned).values()]
        return any(meta is not None and meta.suspect for meta in metas)

    def outputs(self, decoded: Mapping[Part, Decoded]) -> list[Output]:
        """The alerts of a round, unscored; those that were published so before are left out."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        outputs = []
        for part, batch in decoded.items():
            until = self._unscored_until.get(part, 0)
            for event, record in _folded_or_misrouted(batch):
                if type(event) is Raised and record.offset >= until:
                    value = encode_record(unscored(event, now, f"{part.topic}/{part.partition}/{record.offset}"))
                    outputs.append(Output(self._topic, event.team.encode(), value))
        return outputs

    def note_published(self, ends: Mapping[Part, int], alerts: int) -> None:
        """Remember that so many unscored alerts, of all records before these offsets, are published."""
        for part, end in ends.items():
            self._unscored_until[part] = max(self._unscored_until.get(part, 0), end)
        self._published.labels("history_unavailable").inc(alerts)

    def keep_only(self, assigned: Collection[Part]) -> None:
        """Forget the partitions that another worker has now."""
        self._unscored_until = {part: until for part, until in self._unscored_until.items() if part in assigned}

    def beyond_published(self, starts: Mapping[Part, int]) -> dict[Part, int]:
        """These starts, but beyond what was published unscored already."""
        return {part: max(start, self._unscored_until.get(part, 0)) for part, start in starts.items()}


def _folded_or_misrouted(batch: Decoded) -> Iterator[tuple[Event, Record]]:
    """The events of a batch, with those in another partition than their team's: the topic may have grown."""
    for event, _, record in batch.events:
        yield event, record
    for record, error in batch.failed:
        if error.reason == "misrouted":
            with suppress(BadRecord):
                yield decode_event(record.value or b""), record
