"""What a deployment had not published when its topic grew: a rebuild scores and publishes it as a worker would have."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple, Protocol

import numpy as np

from stream.config import Settings
from stream.core.effects import Arrived, Decided, Effect, Repeated, Unknown
from stream.core.events import Acted, Event, decode_event
from stream.core.fold import EntryKey
from stream.core.frame import Array
from stream.core.kinds import EXPIRY
from stream.core.ledger import Entry
from stream.core.problem import Problem
from stream.kafka.records import Output, Part, Record
from stream.models.active import ActiveModels
from stream.scorer.decode import Decoded, whereabouts
from stream.scorer.metrics.tally import Tally
from stream.scorer.output import OutputBuilder
from stream.scorer.rebuild.merge import Located
from stream.scorer.rebuild.previous import PreviousHistory, decided, holds
from stream.scorer.score import BatchScores


class LocatedEffect(NamedTuple):
    """An effect, the partition it is folded in, and the record that caused it: where it lies, its event and time."""

    effect: Effect
    partition: int
    source: int
    event: Event
    at: float
    record: Record


class Outlet(Protocol):
    """What is needed of a publisher; `stream.kafka.publisher.Publisher` is one."""

    def publish(self, outputs: Sequence[Output]) -> None:
        """Hand over outputs."""

    def flush(self, seconds: float) -> None:
        """Wait until all of them are acknowledged."""


class Backlog:
    """Publishes the effects that were never published: of a record beyond where its partition was served, its own.

    An alert's expiry belongs to no record: it is published unless the previous ledger holds the alert as decided. The
    same goes for held actions that were given up. So what is published twice was published by a worker that died
    before it wrote, and nothing is left out.

    Args:
        settings: topics and limits.
        problem: what is being predicted.
        published: of each partition, the offset before which its records were published.
        previous: the history as it stood.
        outlet: where outputs go.
        served: gives what to score with; asked once, and only when there is something to score.
        clock: the wall clock, seconds since 1970.

    Attributes:
        counts: what was published: `scored`, `unscored`, `repeated` alerts, `outcomes`, `failed` records.
    """

    def __init__(
        self,
        settings: Settings,
        problem: Problem,
        published: Mapping[int, int],
        previous: PreviousHistory,
        outlet: Outlet,
        served: Callable[[], ActiveModels],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._topic = settings.topics.events
        self._flush_seconds = settings.lane.stall_seconds
        self._published, self._previous, self._outlet = published, previous, outlet
        self._ask_served, self._served = served, ActiveModels()
        self._asked = False
        self._clock = clock
        self._output = OutputBuilder(settings, problem)
        self.counts: Counter[str] = Counter()

    def waits(self, source: int, record: Record) -> bool:
        """Whether nothing of a record was published yet."""
        return record.offset >= self._published[source]

    def publish(self, effects: Sequence[LocatedEffect], rows: Array, records: Sequence[Located]) -> None:
        """Publish what never was of some effects and of records that can't be used; returns once it is acknowledged.

        Args:
            effects: of one partition after the other, each in order.
            rows: the fold's rows, by the numbers that the arrived alerts have.
            records: those that caused the effects, and the ones that can't be used.

        Raises:
            BrokerError: Kafka does not take it.
        """
        tally = Tally(self._clock())
        arrived = [one for one in effects if type(one.effect) is Arrived and self.waits(one.source, one.record)]
        scores = self._score([one.effect for one in arrived if type(one.effect) is Arrived], rows)
        waiting = self._select(effects)  # scores tell which alerts are new, so they come first
        outputs: list[Output] = []
        for source, run in groupby(waiting, _source):
            outputs += self._outputs(Part(self._topic, source), list(run), scores, tally)
        for one in records:
            if one.fault is not None and self.waits(one.source, one.record):
                failed = Decoded(failed=[(one.record, one.fault)])
                outputs += self._output.dead_letter(Part(self._topic, one.source), failed, 0, tally)
        if outputs:
            self._outlet.publish(outputs)
            self._outlet.flush(self._flush_seconds)
            self._count(tally)

    def _select(self, effects: Sequence[LocatedEffect]) -> list[LocatedEffect]:
        """The effects that were not published."""
        keys = list({key for one in effects if (key := _key_in_doubt(one)) is not None})
        known = dict(zip(keys, self._previous.entries(keys), strict=True))
        waiting = []
        for one in effects:
            if type(one.effect) in (Arrived, Repeated, Decided, Unknown) and self._is_new(one, known):
                waiting.append(one)
        return waiting

    def _is_new(self, one: LocatedEffect, known: Mapping[EntryKey, Sequence[Entry]]) -> bool:
        key = _key_in_doubt(one)
        if key is None:
            return self.waits(one.source, one.record)
        effect, entries = one.effect, known[key]
        if type(effect) is Decided:
            if entries or effect.alert.score is not None:  # without an entry a score is one that is published here
                return not decided(entries)
            return self.waits(one.source, one.record)
        assert type(effect) is Unknown
        source, offset = whereabouts(effect.offset, one.partition)
        if offset >= self._published[source]:
            return True
        return holds(entries, offset, effect.value) if entries else self.waits(one.source, one.record)

    def _score(self, arrived: list[Arrived], rows: Array) -> BatchScores:
        if not arrived:
            return BatchScores([], rows[:0], self._served)
        if not self._asked:
            self._served, self._asked = self._ask_served(), True
        chosen = rows[np.array([one.row for one in arrived], dtype=np.intp)]
        for number, one in enumerate(arrived):
            one.row = number
        return BatchScores(arrived, chosen, self._served)

    def _outputs(self, part: Part, run: list[LocatedEffect], scores: BatchScores, tally: Tally) -> list[Output]:
        alerts = [(one.event, one.at, one.record) for one in run if type(one.effect) in (Arrived, Repeated)]
        return self._output.build(part, Decoded(alerts), [one.effect for one in run], scores, tally)

    def _count(self, tally: Tally) -> None:
        self.counts["scored"] += tally.scored.total()
        self.counts["unscored"] += tally.unscored.total()
        self.counts["repeated"] += tally.repeated
        self.counts["outcomes"] += len(tally.decided)
        self.counts["failed"] += tally.failed.total()


def _source(one: LocatedEffect) -> int:
    """The partition in which the record lies that the effect is about."""
    return whereabouts(one.effect.offset, one.partition)[0] if type(one.effect) is Unknown else one.source


def _is_own(one: LocatedEffect) -> bool:
    """Whether an unknown action is that of the record itself, not a held one that was given up at it."""
    if type(one.effect) is not Unknown:
        return False
    return whereabouts(one.effect.offset, one.partition) == (one.source, one.record.offset)


def _key_in_doubt(one: LocatedEffect) -> EntryKey | None:
    """The ledger key by which it is known whether an effect was published; None where its record tells."""
    effect = one.effect
    if type(effect) is Decided and effect.by == EXPIRY:
        return effect.team, effect.alert_id
    if type(effect) is Unknown and not _is_own(one):
        return _key_of(effect.value)
    return None


def _key_of(value: bytes) -> EntryKey:
    event = decode_event(value)
    assert isinstance(event, Acted), "only actions are held"
    return event.team, event.alert_id
