"""Publication of single records, each with a future: for rooms that answer a sender once Kafka has its record."""

import logging
from concurrent.futures import Future
from threading import Event, Lock, Thread
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from stream.config import Settings
from stream.core.errors import BrokerError, KafkaAway, RecordRefused
from stream.kafka.clients import make_client, producer_settings
from stream.kafka.publisher import MENDS, REFUSALS
from stream.kafka.records import Output, Part

_POLL_SECONDS = 0.1
_AWAY = {
    KafkaError._MSG_TIMED_OUT,
    KafkaError._TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError.REQUEST_TIMED_OUT,
}


class AcknowledgedPublisher:
    """Publishes records one by one; the future of each is done once all in-sync replicas have it.

    Records with the same key reach Kafka in the order of the calls. What waits is bounded by `most_waiting` records and
    by `timeout_seconds` for each, so memory stays flat while Kafka is away. Every method may be called from any thread;
    futures are completed on a thread of the publisher's own, so their callbacks must be short.

    Args:
        settings: where Kafka is, and the partitioner.
        timeout_seconds: how long a record may wait for its acknowledgement before its future fails with KafkaAway.
        most_waiting: how many records may wait for theirs.
    """

    def __init__(self, settings: Settings, timeout_seconds: float, most_waiting: int = 10_000) -> None:
        self._servers = settings.kafka.bootstrap_servers
        self._timeout_seconds = timeout_seconds
        self._producer = make_client(
            Producer,
            {
                **producer_settings(settings),
                "delivery.report.only.error": False,
                "message.timeout.ms": int(timeout_seconds * 1000),
                "topic.metadata.propagation.max.ms": int(timeout_seconds * 500),  # then a topic is known to be missing
                "reconnect.backoff.max.ms": 1_000,
            },
            logger=logging.getLogger("librdkafka"),
        )
        self._most_waiting = most_waiting
        self._waiting = 0
        self._closed = False
        self._lock = Lock()
        self._stopping = Event()
        self._thread = Thread(target=self._poll, name="acknowledgements", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many records wait for their acknowledgement."""
        return self._waiting

    def publish(self, output: Output) -> "Future[tuple[Part, int]]":
        """Hand a record to Kafka's client.

        Returns a future of where the record lies: its partition and offset. It fails with

            KafkaAway: Kafka did not acknowledge it in time, or too many records wait already; it may be sent again.
            RecordRefused: its topic refuses this record, such as one over max.message.bytes.
            BrokerError: anything else, in one sentence with the mend.
        """
        future: Future[tuple[Part, int]] = Future()
        future.set_running_or_notify_cancel()  # what Kafka's client has can't be taken back, so it can't be cancelled
        arguments: dict[str, Any] = {} if output.partition is None else {"partition": output.partition}
        headers: Any = output.headers
        if (refusal := self._begin()) is not None:
            future.set_exception(refusal)
            return future

        def delivered(error: KafkaError | None, message: Message) -> None:
            self._end()
            if error is None:
                part = Part(message.topic() or "", message.partition() or 0)
                future.set_result((part, message.offset() or 0))
            else:
                future.set_exception(self._error(output.topic, error))

        try:
            self._producer.produce(
                output.topic, output.value, output.key, headers=headers, on_delivery=delivered, **arguments
            )
        except BufferError as error:
            self._end()
            future.set_exception(
                KafkaAway(f"too many bytes wait for Kafka at {self._servers} ({error})", "try again later")
            )
        except KafkaException as error:
            self._end()
            future.set_exception(self._error(output.topic, error.args[0]))
        except BaseException:
            self._end()
            raise
        return future

    def close(self, seconds: float) -> int:
        """Wait at most this long for what is waiting, and stop; what is published later fails with KafkaAway.

        Returns how many records were not acknowledged.
        """
        with self._lock:
            self._closed = True
        left: int = self._producer.flush(seconds)
        if left:
            self._producer.purge()  # their futures fail; nobody waits for ever
            self._producer.flush(1.0)
        self._stopping.set()
        self._thread.join()
        return left

    def _begin(self) -> KafkaAway | None:
        """Take a place among those that wait; why there is none."""
        with self._lock:
            if self._closed:
                return KafkaAway("the publisher is closed, since its process ends", "send it again")
            if self._waiting >= self._most_waiting:
                return KafkaAway(
                    f"{self._most_waiting:,} records wait for Kafka at {self._servers} already", "try again later"
                )
            self._waiting += 1
            return None

    def _end(self) -> None:
        with self._lock:
            self._waiting -= 1

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self._producer.poll(_POLL_SECONDS)

    def _error(self, topic: str, error: KafkaError) -> BrokerError:
        if error.code() in REFUSALS:
            return RecordRefused(f"{topic} refuses a record ({error.str()})", "raise max.message.bytes of the topic")
        if error.code() in _AWAY:
            return KafkaAway(
                f"Kafka at {self._servers} did not acknowledge a record within {self._timeout_seconds:g} s"
                f" ({error.str()})",
                "try again later",
            )
        mend = MENDS.get(error.code(), "look at Kafka's log, and start it if it is down")
        return BrokerError(f"Kafka did not take a record for {topic} ({error.str()})", mend)
