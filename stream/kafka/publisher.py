"""Publication through confluent-kafka's idempotent producer."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from stream.core.errors import BadRecord, BrokerError
from stream.kafka.clients import make_client
from stream.kafka.failed import failed_output
from stream.kafka.records import Output, Part

log = logging.getLogger(__name__)
REFUSALS = {  # of this record, whatever else is published: to try it again would fail again
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError.INVALID_RECORD,
}
_REASON = "refused_by_topic"
MENDS = {
    KafkaError._UNKNOWN_PARTITION: "run `noisegate topics create`",
    KafkaError._UNKNOWN_TOPIC: "run `noisegate topics create`",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "run `noisegate topics create`",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "allow this client's user to write to it",
    KafkaError.INVALID_TIMESTAMP: "this machine's clock is far from the broker's: set it (NTP), or give the topic"
    " message.timestamp.type=LogAppendTime",
}


class Publisher:
    """Publishes outputs, those of a topic in order; `flush` returns when the broker has acknowledged all of them.

    A record that its topic refuses, such as one over its max.message.bytes, becomes a dead letter, and the stream goes
    on. Kafka refuses whole batches, so the records of a refused batch are sent again one by one.

    Args:
        settings: librdkafka settings, see `stream.kafka.clients.producer_settings`.
        failed_topic: where dead letters go; None: a refusal raises BrokerError.
        on_dead_letter: called with the reason for each dead letter.
        is_away: whether Kafka is known to be away: then `flush` goes on waiting until it is back.
    """

    def __init__(
        self,
        settings: dict[str, Any],
        failed_topic: str | None = None,
        on_dead_letter: Callable[[str], None] = lambda reason: None,
        is_away: Callable[[], bool] = lambda: False,
    ) -> None:
        self._producer = make_client(
            Producer, {**settings, "on_delivery": self._delivered}, logger=logging.getLogger("librdkafka")
        )
        self._failed_topic = failed_topic
        self._on_dead_letter = on_dead_letter
        self._is_away = is_away
        self._refused: list[tuple[Output, str]] = []
        self._failure: str | None = None

    def publish(self, outputs: Iterable[Output]) -> None:
        """Hand outputs to the producer; waits only where its queue is full.

        Raises:
            BrokerError: an earlier publication failed for good.
        """
        plain: dict[str, list[dict[str, Any]]] = {}
        for output in outputs:
            if output.headers is None and output.partition is None:
                plain.setdefault(output.topic, []).append({"key": output.key, "value": output.value})
            else:
                self._publish_one(output)
        for topic, messages in plain.items():
            self._publish_many(topic, messages)
        self._producer.poll(0)
        self._check()

    def flush(self, seconds: float) -> None:
        """Wait for the broker's acknowledgement of everything published, dead letters included.

        Raises:
            BrokerError: a publication failed for good, or the time was over.
        """
        self._flush(seconds)
        refused, self._refused = self._refused, []
        for output, _ in refused:  # alone: another record of its batch may have been the one that was refused
            self._publish_one(output)
            self._flush(seconds)
        again, self._refused = self._refused, []
        for output, error in again:
            self._publish_one(self._dead_letter(output, error))
        if again:
            self._flush(seconds)
            if self._refused:
                raise BrokerError(
                    f"Kafka refuses the dead letters too: {self._refused[0][1]}",
                    f"raise max.message.bytes of {self._failed_topic}",
                )

    def _flush(self, seconds: float) -> None:
        waiting = self._producer.flush(seconds)
        while waiting and self._is_away():
            waiting = self._producer.flush(seconds)
        self._check()
        if waiting:
            raise BrokerError(f"Kafka did not acknowledge {waiting} records within {seconds:.0f} s", "is it up?")

    def _dead_letter(self, output: Output, error: str) -> Output:
        assert self._failed_topic is not None, "refusals are kept only where there is a topic for them"
        detail = f"{output.topic} refuses this record: {error}; raise max.message.bytes of the topic"
        log.error("%s", detail)
        self._on_dead_letter(_REASON)
        where = Part(output.topic, -1 if output.partition is None else output.partition)
        return failed_output(self._failed_topic, where, -1, output.key, output.value, BadRecord(_REASON, detail))

    def _publish_many(self, topic: str, messages: list[dict[str, Any]]) -> None:
        while self._producer.produce_batch(topic, messages) < len(messages):
            full = []
            for message in messages:
                error = message.pop("_error", None)
                if error is None:
                    continue
                if error.code() == KafkaError._QUEUE_FULL:
                    full.append(message)
                else:
                    self._refuse(Output(topic, message["key"], message["value"]), error)
            if not full:
                return
            self._producer.poll(0.1)
            messages = full

    def _publish_one(self, output: Output) -> None:
        arguments: dict[str, Any] = {} if output.partition is None else {"partition": output.partition}
        while True:
            try:
                headers: Any = output.headers
                self._producer.produce(output.topic, output.value, output.key, headers=headers, **arguments)
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                self._refuse(output, error.args[0])
                return
            else:
                return

    def _refuse(self, output: Output, error: Any) -> None:
        """Keep a record that the client did not take, if the record is why; else raise BrokerError."""
        if error.code() not in REFUSALS or self._failed_topic is None:
            raise BrokerError(f"Kafka refused a record for {output.topic}: {error.str()}") from None
        self._refused.append((output, error.str()))

    def _delivered(self, error: Any, message: Message) -> None:
        if error is None:
            return
        if error.code() in REFUSALS and self._failed_topic is not None:
            headers: Any = message.headers()
            partition = None if message.key() is not None else message.partition()
            output = Output(message.topic() or "", message.key(), message.value() or b"", headers, partition)
            self._refused.append((output, error.str()))
        elif self._failure is None:
            mend = MENDS.get(error.code(), "look at Kafka's log, and start it if it is down")
            self._failure = f"Kafka did not take a record for {message.topic()} ({error.str()}); {mend}"

    def _check(self) -> None:
        if self._failure is not None:
            raise BrokerError(self._failure)
