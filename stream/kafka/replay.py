"""An event log into Kafka: keyed by team, in log order, at a speed of one's choice."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from stream.config import Settings
from stream.core.errors import BrokerError, SettingsError
from stream.core.events import Tick, encode_event, moment
from stream.eventlog import Line
from stream.kafka.clients import producer_settings
from stream.kafka.publisher import Publisher
from stream.kafka.records import Output
from stream.kafka.topics import Topics
from stream.waiting import until_answered

FLUSH_SECONDS = 60.0


def parse_speed(text: str) -> float | None:
    """How many times faster than they happened events are sent; None for `max`.

    >>> parse_speed("max"), parse_speed("60")
    (None, 60.0)
    """
    if text == "max":
        return None
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = math.nan
    if not 0.0 < speed < math.inf:
        raise SettingsError(f"--speed {text}: give max, or a multiple of real time such as 3600")
    return speed


class Schedule:
    """Hands out a log's lines when they are due. `speed` as `parse_speed` says, `clock` in seconds."""

    def __init__(self, lines: Iterable[Line], speed: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._lines: Iterator[Line] = iter(lines)
        self._speed = speed
        self._clock = clock
        self._next = next(self._lines, None)
        self._first = self._next.at if self._next else 0.0
        self._began = clock()

    @property
    def done(self) -> bool:
        """Whether every line was handed out."""
        return self._next is None

    @property
    def wait_seconds(self) -> float:
        """Until the next line is due; 0 where one is, or none is left."""
        if self._next is None or self._speed is None:
            return 0.0
        return max(0.0, self._began + (self._next.at - self._first) / self._speed - self._clock())

    def take(self, most: int) -> list[Line]:
        """The lines that are due now, at most `most`."""
        taken: list[Line] = []
        while self._next is not None and len(taken) < most and not self.wait_seconds:
            taken.append(self._next)
            self._next = next(self._lines, None)
        return taken


class Feed:
    """Sends events to a topic, by default `alerts.events`.

    Raises:
        BrokerError: Kafka can't be reached, has no such topic, or does not take a record.
    """

    def __init__(self, settings: Settings, topic: str | None = None) -> None:
        self.topic = topic or settings.topics.events
        there = Topics(settings).partitions()
        if self.topic not in there:
            raise BrokerError(f"Kafka has no topic {self.topic}", "run `noisegate topics create`")
        self.partitions = there[self.topic]
        self.sent = 0
        self._servers = settings.kafka.bootstrap_servers
        self._publisher = Publisher({**producer_settings(settings), "log_level": 0})

    def send(self, lines: Sequence[Line]) -> None:
        """Send in this order; waits only where the client's queue is full. A tick goes to every partition."""
        outputs: list[Output] = []
        for line in lines:
            if type(line.event) is Tick:  # what comes before it goes before it: the publisher keeps order by call
                self._publish(outputs)
                self._publish(self._ticks(line.value))
                outputs = []
            else:
                outputs.append(Output(self.topic, line.event.team.encode(), line.value))  # type: ignore[union-attr]
        self._publish(outputs)

    def tick(self, at: float) -> None:
        """Tell every partition that time has come to `at`, seconds since 1970."""
        self._publish(self._ticks(encode_event(Tick(moment(at)))))

    def flush(self) -> None:
        """Wait until Kafka has taken everything."""
        with until_answered(self._servers):
            self._publisher.flush(FLUSH_SECONDS)

    def _ticks(self, value: bytes) -> list[Output]:
        return [Output(self.topic, None, value, partition=number) for number in range(self.partitions)]

    def _publish(self, outputs: list[Output]) -> None:
        self._publisher.publish(outputs)
        self.sent += len(outputs)
