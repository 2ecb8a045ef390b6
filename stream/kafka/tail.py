"""The newest records of topics and then each new one: for rooms that show or annotate, and belong to no group."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from stream.config import Settings
from stream.core.errors import BrokerError, KafkaAway
from stream.kafka.clients import answered, follower_settings, make_client

log = logging.getLogger(__name__)
_ANSWER_SECONDS = 10.0
_LOOK_SECONDS = 0.5  # while Kafka is away, for its answer


class Tail:
    """All partitions of some topics from a time on, at most the newest so many records of each, and what follows.

    Nothing is joined or committed, so any number of processes may follow the same topics. While Kafka is away `read`
    returns nothing, and `away_since` is set. Reading goes on by itself when it is back, without a gap.
    Partitions that a topic gains are followed from their beginning once `refresh` has found them; a topic that was not
    there at first, or that a broker which has just started did not name yet, is read like the others.

    Args:
        settings: where Kafka is.
        topics: their names; one that does not exist is followed once it does and `refresh` has found it.
        since: seconds since 1970; records with an earlier timestamp are passed over. Where ListOffsets can't be
            trusted (the setting `broker_end_offsets`), everything is read and filtered here.
        newest: at most this many records of each partition are read of what is there already.
        newest_of_topic: by topic, at most this many of all its partitions, of which the longest give way.
        clock: for `away_since`; seconds since 1970.

    Raises:
        KafkaAway: no broker answers at the start.
    """

    def __init__(
        self,
        settings: Settings,
        topics: Sequence[str],
        since: float,
        newest: int = 10_000,
        clock: Callable[[], float] = time.time,
        newest_of_topic: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self._settings = settings
        self._topics = tuple(topics)
        self._since_ms = max(0, int(since * 1000))
        self._newest, self._newest_of_topic = newest, newest_of_topic
        self._clock = clock
        self.away_since: float | None = None
        self._ends: dict[tuple[str, int], int] = {}
        self._positions: dict[tuple[str, int], int] = {}
        self._consumer = make_client(
            Consumer,
            {
                "group.id": f"{settings.deployment}-tail",  # librdkafka wants a name; nothing is joined or committed
                "enable.auto.commit": False,
                **follower_settings(settings, self._on_error),
            },
            logger=logging.getLogger("librdkafka"),
        )
        try:
            self.refresh()
        except KafkaAway:
            self._consumer.close()
            raise

    @property
    def partitions(self) -> dict[str, int]:
        """How many partitions of each topic are followed."""
        counts = dict.fromkeys(self._topics, 0)
        for topic, _ in self._positions:
            counts[topic] += 1
        return counts

    @property
    def missing(self) -> list[str]:
        """The topics that were not there when `refresh` last looked."""
        return [topic for topic, count in self.partitions.items() if count == 0]

    @property
    def caught_up(self) -> bool:
        """Whether everything that was there when the topics were found has been read."""
        return all(self._positions[part] >= end for part, end in self._ends.items())

    def refresh(self) -> int:
        """Follow partitions that are new, such as those of a topic that grew; returns how many.

        Raises:
            KafkaAway: no broker answers.
        """
        try:
            listed = self._consumer.list_topics(timeout=_ANSWER_SECONDS).topics
            there = {
                (name, number)
                for name in self._topics
                if name in listed and listed[name].error is None
                for number in listed[name].partitions
            }
            new = sorted(there - set(self._positions))
            known = {topic for topic, _ in self._positions}
            starts = {part: OFFSET_BEGINNING for part in new if part[0] in known}
            if first := [part for part in new if part[0] not in known]:
                starts |= self._starts(first)
        except KafkaException as error:
            raise KafkaAway(
                f"Kafka at {self._settings.kafka.bootstrap_servers} can't be read ({error.args[0].str()})",
                "start it, or set NOISEGATE_KAFKA_BOOTSTRAP_SERVERS",
            ) from None
        self.away_since = None
        if new:
            for part, start in starts.items():
                self._positions[part] = max(0, start)
            self._consumer.incremental_assign([TopicPartition(*part, starts[part]) for part in new])
        return len(new)

    def read(self, seconds: float, most: int = 1_000) -> list[Message]:
        """The records that come within `seconds`, at most `most`, in order within each partition.

        Raises:
            BrokerError: Kafka refuses to be read, such as a user that may not read the topic.
        """
        try:
            found = self._consumer.consume(most, timeout=seconds)
            if self.away_since is not None and not found and self._answers():
                self.away_since = None  # nobody need have written since
        except KafkaException as error:
            raise BrokerError(f"Kafka can't be read ({error.args[0].str()})", "look at Kafka's log") from None
        records = []
        for message in found:
            part = message.topic() or "", message.partition() or 0
            fault = message.error()
            if fault is None:
                self.away_since = None
                self._positions[part] = (message.offset() or 0) + 1
                if message.timestamp()[1] >= self._since_ms:
                    records.append(message)
            elif fault.code() == KafkaError._PARTITION_EOF:
                self.away_since = None
                self._positions[part] = max(self._positions[part], message.offset() or 0)
                self._ends.pop(part, None)
            elif fault.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:  # deleted; it is followed again once it is back
                log.warning("%s/%d is not there any more", *part)
            elif not fault.retriable():
                raise BrokerError(
                    f"{part[0]}/{part[1]} can't be read ({fault.str()})", "allow this client's user to read it"
                )
        return records

    def close(self) -> None:
        """Close the client."""
        self._consumer.close()

    def __enter__(self) -> "Tail":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _starts(self, parts: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """Where each partition is first read: at `since`, or `newest` records before its end, whichever is later."""
        if not self._settings.kafka.end_offsets:
            self._ends |= dict.fromkeys(parts, 1)  # known once the partition says that it is read to its end
            return dict.fromkeys(parts, OFFSET_BEGINNING)
        wanted = [TopicPartition(*part, self._since_ms) for part in parts]
        starts, ends = {}, {}
        for one in answered(self._consumer.offsets_for_times(wanted, timeout=_ANSWER_SECONDS)):
            part = one.topic, one.partition
            begin, end = self._consumer.get_watermark_offsets(TopicPartition(*part), timeout=_ANSWER_SECONDS)
            at = end if one.offset < 0 else one.offset
            starts[part], ends[part] = max(begin, at, end - self._newest), end
        for topic, most in self._newest_of_topic.items():
            share = fair_share([ends[part] - starts[part] for part in starts if part[0] == topic], most)
            starts |= {part: max(start, ends[part] - share) for part, start in starts.items() if part[0] == topic}
        self._ends |= {part: end for part, end in ends.items() if end > starts[part]}
        return starts

    def _answers(self) -> bool:
        try:
            self._consumer.list_topics(timeout=_LOOK_SECONDS)
        except KafkaException:
            return False
        return True

    def _on_error(self, error: KafkaError) -> None:
        """Called from `consume` as well, for what concerns no partition."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN and self.away_since is None:
            self.away_since = self._clock()


def fair_share(lengths: Sequence[int], most: int) -> int:
    """The length to which the longest are cut so that all together are at most `most`.

    >>> fair_share([10, 2, 10], 12), fair_share([10, 2], 100), fair_share([3, 3], 1)
    (5, 10, 0)
    """
    left = most
    for number, length in enumerate(sorted(lengths)):
        share = left // (len(lengths) - number)
        if length > share:
            return share
        left -= length
    return max(lengths, default=0)
