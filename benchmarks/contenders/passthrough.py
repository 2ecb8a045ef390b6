"""The ceiling: confluent-kafka takes records and gives them back, JSON as it is, without looking inside."""

import signal
from threading import Event

from confluent_kafka import Consumer, Producer

from benchmarks.setting import PARTITIONER, from_arguments

_BATCH = 1_000
_WAIT_SECONDS = 0.005  # `consume` waits this long for a batch to fill


def main() -> None:
    """Run until SIGTERM."""
    setting = from_arguments()
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    consumer = Consumer(
        {
            "bootstrap.servers": setting.kafka,
            "group.id": setting.name,
            "auto.offset.reset": "earliest",
            "fetch.queue.backoff.ms": 5,  # by default it rests for a second whenever its queue is full
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": setting.kafka,
            "enable.idempotence": True,
            "partitioner": PARTITIONER,
            "queue.buffering.max.messages": 200_000,
        }
    )
    consumer.subscribe([setting.events_topic])
    while not stop.is_set():
        waiting = [
            {"key": message.key(), "value": message.value()} for message in consumer.consume(_BATCH, _WAIT_SECONDS)
        ]
        while producer.produce_batch(setting.enriched_topic, waiting) < len(waiting):
            producer.poll(0.05)
            waiting = [message for message in waiting if message.pop("_error", None) is not None]
        producer.poll(0)
    producer.flush(10)
    consumer.close()


if __name__ == "__main__":
    main()
