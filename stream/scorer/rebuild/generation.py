"""A new generation of the history, folded aside from the merged log while another one serves or nothing does."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count as count_from
from typing import Protocol

import numpy as np
from msgspec import Struct, field

from stream.core.effects import Arrived, Decided, Unknown
from stream.core.errors import Fault, FenceConflict, HistoryRefused
from stream.core.events import Event, Tick
from stream.core.fold import Fold
from stream.core.state import WIDTH
from stream.kafka.records import Part, Record
from stream.scorer.decode import Decoded, Decoder, foreign_offset
from stream.scorer.history import History, Write
from stream.scorer.metrics.maturity import MaturityQueue
from stream.scorer.partition import Partition, TouchedKeys
from stream.scorer.rebuild.backlog import Backlog, LocatedEffect
from stream.scorer.rebuild.merge import Located
from stream.scorer.rebuild.previous import PreviousHistory
from stream.scorer.states import limit_timers, read_states

_TIMERS = 20_000  # that fire in one round, over all partitions
_TWO_REBUILDS = Fault(
    "another process rebuilds this history too", "let one of them finish, then run `noisegate history rebuild` again"
)


class Generations(History, Protocol):
    """A history of which whole generations can be replaced; `RedisHistory` is one."""

    def switch(self, part: Part, expected: bytes) -> bool:
        """Make what stands behind this fence the partition's history, if its meta is still as expected."""

    def forget(self, part: Part, generation: int, fence: bool) -> int:
        """Delete a generation, and what stands behind this fence. Returns how many keys went."""

    def forget_others(self, part: Part, generation: int) -> int:
        """Delete all generations but one. Returns how many keys went."""


class Round(Struct):
    """One partition's share of some merged records: they, where they lie, and how its history names them.

    Where only timers are to fire it holds none, and `fired_by` is the record whose time that is.
    """

    decoded: Decoded = field(default_factory=Decoded)
    sources: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    fired_by: tuple[Event, float, Record] | None = None

    def after(self, taken: "Round") -> "Round":
        """What is left once the first records were taken; all of it where only timers fired."""
        count = len(taken.decoded.events)
        events = self.decoded.events[count:]
        latest = max((at for _, at, _ in events), default=float("-inf"))
        return Round(Decoded(events, latest=latest), self.sources[count:], self.offsets[count:])


class NewGeneration:
    """Folds each record into the partition that its team belongs to now, wherever it lies.

    Args:
        partitions: one of each partition of the topic, at their beginnings.
        history: is written behind a fence of its own.
        previous: gives the scores of alerts that were published.
        maturity, most: as a worker has them; `most` levels are kept in memory over all partitions.
        home: the partition of a team.
        backlog: publishes what never was; None where nothing is to be published.

    Attributes:
        counts: of records: folded, placed from another partition, misrouted, undecodable; of actions without a known
            alert: unknown.
    """

    def __init__(
        self,
        partitions: Mapping[Part, Partition],
        history: History,
        previous: PreviousHistory,
        maturity: MaturityQueue,
        most: int,
        home: Decoder,
        backlog: Backlog | None = None,
    ) -> None:
        self._topic = next(iter(partitions)).topic
        self._partitions, self._history, self._previous = partitions, history, previous
        self._maturity, self._home, self._backlog = maturity, home, backlog
        self._most = max(1, most // len(partitions))
        self._turns = count_from(1)
        self.counts: Counter[str] = Counter()

    def fold(self, records: Sequence[Located], place: bool = True) -> None:
        """Fold merged records and write the states; what the backlog makes of them is acknowledged before.

        Args:
            records: in merged order.
            place: fold records that lie in another partition than their team's; else they count as misrouted.

        Raises:
            HistoryAway, BrokerError: Redis or Kafka is away.
            HistoryRefused: another process folds a new generation too.
        """
        waiting = self._share_out(records, place)
        faults = [located for located in records if located.fault is not None]
        while waiting or faults:
            rounds = {part: self._bounded(part, one) for part, one in waiting.items()}
            self._fold_round(rounds, faults)
            faults = []
            waiting = {part: rest for part, one in waiting.items() if (rest := one.after(rounds[part])).offsets}

    def _bounded(self, part: Part, one: Round) -> Round:
        """As much of a share as makes a bounded number of timers fire; see `limit_timers`."""
        most = max(1, _TIMERS // len(self._partitions))
        taken = limit_timers(self._history, self._partitions[part], one.decoded, self._most, most)
        if taken is one.decoded:
            return one
        count = len(taken.events)
        fired_by = None if count else one.decoded.events[0]
        return Round(taken, one.sources[: max(1, count)], one.offsets[: max(1, count)], fired_by)

    def _fold_round(self, rounds: Mapping[Part, Round], faults: Sequence[Located]) -> None:
        decoded = {part: one.decoded for part, one in rounds.items()}
        try:
            touched = read_states(self._history, self._partitions, decoded)
        except FenceConflict:
            raise HistoryRefused(*_TWO_REBUILDS) from None
        if self._backlog is None:
            self._fold_published(rounds)
        else:
            self._fold_unpublished(rounds, faults, self._backlog)
        writes = {}
        for part in rounds:
            partition, turn = self._partitions[part], -next(self._turns)
            decided = [one for one in partition.fold.effects if type(one) is Decided]
            time = partition.fold.time
            _, timers = self._maturity.split(decided, time, time, str(turn))
            partition.set_timers(timers, touched[part])
            partition.fold.clear_effects()
            # Under way the offset only has to be another one each time: equal metas would count as written.
            writes[part] = partition.snapshot(touched[part], turn)
        self._write(writes)

    def finish(self, offsets: Mapping[int, int]) -> None:
        """Write the offsets at which workers are to go on; partitions without records get a history too."""
        writes = {}
        for number, offset in offsets.items():
            part = Part(self._topic, number)
            writes[part] = self._partitions[part].snapshot(TouchedKeys(), offset)
        self._write(writes)

    def number(self, part: Part) -> int:
        """The generation's number in a partition."""
        return self._partitions[part].meta.generation

    def _share_out(self, records: Sequence[Located], place: bool) -> dict[Part, Round]:
        """The records that are folded, by the partition in which they are."""
        rounds: dict[int, Round] = {}
        home, counts = self._home.teams.of, self.counts
        for located in records:
            source, record, event, at, fault = located
            if event is None or fault is not None:
                counts["undecodable"] += 1
                continue
            number = source if isinstance(event, Tick) else home(event.team)
            if number != source:
                counts["placed" if place else "misrouted"] += 1
                if not place:
                    continue
            one = rounds.get(number)
            if one is None:
                one = rounds[number] = Round()
            decoded = one.decoded
            decoded.events.append((event, at, record))
            if at > decoded.latest:
                decoded.latest = at
            one.sources.append(source)
            one.offsets.append(record.offset if number == source else foreign_offset(source, record.offset))
            counts["folded"] += 1
        return {Part(self._topic, number): one for number, one in rounds.items()}

    def _fold_published(self, rounds: Mapping[Part, Round]) -> None:
        arrived = []
        for part, one in rounds.items():
            folded = self._partitions[part].fold
            step = folded.step
            if one.decoded.timers is not None:
                folded.fire(one.decoded.latest, one.decoded.timers, one.offsets[0])
            else:
                for (event, at, record), offset in zip(one.decoded.events, one.offsets, strict=True):
                    step(event, at, record.value or b"", offset)
            folded.take_rows()
            arrived += [effect for effect in folded.effects if type(effect) is Arrived]
            self.counts["unknown"] += sum(type(effect) is Unknown for effect in folded.effects)
        self._keep_scores(arrived)

    def _fold_unpublished(self, rounds: Mapping[Part, Round], faults: Sequence[Located], backlog: Backlog) -> None:
        effects: list[LocatedEffect] = []
        rows = [np.empty((0, 1 + next(iter(self._partitions.values())).fold.level_count * WIDTH))]
        number = 0
        for part, one in rounds.items():
            folded = self._partitions[part].fold
            found = _step(part, folded, one)
            for located in found:
                if type(located.effect) is Arrived:
                    located.effect.row += number - folded.first_row
            rows.append(folded.take_rows())
            number += len(rows[-1])
            effects += found
        self.counts["unknown"] += sum(type(one.effect) is Unknown for one in effects)
        self._keep_scores(
            [one.effect for one in effects if type(one.effect) is Arrived and not backlog.waits(one.source, one.record)]
        )
        backlog.publish(effects, np.concatenate(rows), faults)

    def _keep_scores(self, arrived: Sequence[Arrived]) -> None:
        """Alerts keep the scores that the previous ledger holds: they are what was published."""
        keys = [(one.event.team, one.event.alert_id) for one in arrived]
        for one, score in zip(arrived, self._previous.scores(keys), strict=True):
            one.alert.score = score

    def _write(self, writes: Mapping[Part, Write]) -> None:
        if not all(self._history.write(writes).values()):
            raise HistoryRefused(*_TWO_REBUILDS)
        for part in writes:
            self._partitions[part].committed()


def _step(part: Part, folded: Fold, one: Round) -> list[LocatedEffect]:
    """The effects of folding one partition's share, each with the record that caused it."""
    located, effects = [], folded.effects
    if one.fired_by is not None and one.decoded.timers is not None:
        event, at, record = one.fired_by
        folded.fire(one.decoded.latest, one.decoded.timers, one.offsets[0])
        return [LocatedEffect(caused, part.partition, one.sources[0], event, at, record) for caused in effects]
    for (event, at, record), source, offset in zip(one.decoded.events, one.sources, one.offsets, strict=True):
        before = len(effects)
        folded.step(event, at, record.value or b"", offset)
        if len(effects) > before:
            located += [LocatedEffect(caused, part.partition, source, event, at, record) for caused in effects[before:]]
    return located
