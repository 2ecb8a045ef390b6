"""Ticks: events that move the time of a quiet partition, so that what is due in it is folded."""

from collections.abc import Mapping, Sequence

from prometheus_client import Counter

from stream.core.events import Tick, encode_event, moment, seconds
from stream.kafka.records import Output, Part
from stream.scorer.clocks import ClockWatch
from stream.scorer.gauges import PartitionGauges
from stream.scorer.history import History
from stream.scorer.partition import Partition
from stream.scorer.states import load_timers


class Ticks:
    """Writes a tick to a partition where nothing waits and something is due, no more often than it is set to.

    Args:
        history: is asked for timers beyond those that are in memory.
        every_seconds: between two looks at one partition; 0: no ticks are ever written.
        clocks: says whether this worker's clock may move time.
        gauges: show the time of partitions in which nothing is due.
        written: counts ticks.
    """

    def __init__(
        self, history: History, every_seconds: float, clocks: ClockWatch, gauges: PartitionGauges, written: Counter
    ) -> None:
        self._history = history
        self._every = every_seconds
        self._clocks = clocks
        self._gauges = gauges
        self._written = written
        self._looked_at: dict[Part, float] = {}

    def outputs(self, caught_up: Sequence[Part], partitions: Mapping[Part, Partition], now: float) -> list[Output]:
        """The ticks to publish; where nothing is due, time has come to `now` as well.

        Args:
            caught_up: partitions in which nothing waits.
            partitions: those that are served.
            now: the wall clock, seconds since 1970.

        Raises:
            HistoryAway, HistoryDamaged: timers can't be read.
        """
        outputs: list[Output] = []
        if not self._every or not self._clocks.may_tick():
            return outputs
        for part in caught_up:
            partition = partitions.get(part)
            if partition is None or now - self._looked_at.get(part, 0.0) < self._every:
                continue
            self._looked_at[part] = now
            load_timers(self._history, partition, now, most=0)
            if partition.fold.timers.first() >= now:
                self._gauges.show_time(part, now)  # all that could be decided by now is
                continue
            tick = Tick(moment(now))
            outputs.append(Output(part.topic, None, encode_event(tick), partition=part.partition))
            self._clocks.wrote(part, seconds(tick.at))
            self._written.inc()
        return outputs
