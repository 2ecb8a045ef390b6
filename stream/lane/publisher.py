"""Publication through confluent-kafka's idempotent producer."""

import logging
from collections.abc import Iterable
from typing import Any

from confluent_kafka import KafkaException, Message, Producer

from stream.core.errors import BrokerError
from stream.lane.batch import Output

log = logging.getLogger(__name__)


class Publisher:
    """Publishes outputs, those of a topic in order; `flush` returns when the broker has acknowledged all of them.

    Args:
        settings: librdkafka settings, see `kafka.producer_settings`.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self._producer = Producer({**settings, "on_delivery": self._delivered}, logger=logging.getLogger("librdkafka"))
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
        """Wait for the broker's acknowledgement of everything published.

        Raises:
            BrokerError: a publication failed for good, or the time was over.
        """
        waiting = self._producer.flush(seconds)
        self._check()
        if waiting:
            raise BrokerError(f"Kafka did not acknowledge {waiting} records within {seconds:.0f} s; is it up?")

    def _publish_many(self, topic: str, messages: list[dict[str, Any]]) -> None:
        while self._producer.produce_batch(topic, messages) < len(messages):
            refused = [message for message in messages if "_error" in message]
            for message in refused:
                error = message.pop("_error")
                if error.code() != -184:  # _QUEUE_FULL
                    raise BrokerError(f"Kafka refused a record for {topic}: {error}")
            self._producer.poll(0.1)
            messages = refused

    def _publish_one(self, output: Output) -> None:
        arguments: dict[str, Any] = {} if output.partition is None else {"partition": output.partition}
        while True:
            try:
                headers: Any = output.headers
                self._producer.produce(output.topic, output.value, output.key, headers=headers, **arguments)
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                raise BrokerError(f"Kafka refused a record for {output.topic}: {error}") from None
            else:
                return

    def _delivered(self, error: Any, message: Message) -> None:
        if error is not None and self._failure is None:
            self._failure = f"Kafka did not take a record for {message.topic()}: {error}"

    def _check(self) -> None:
        if self._failure is not None:
            raise BrokerError(self._failure)
