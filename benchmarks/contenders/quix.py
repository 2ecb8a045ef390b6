"""Quix Streams, as its documentation teaches: an Application, JSON topics, a StreamingDataFrame, `apply` an event."""

from typing import Any

import msgspec
from quixstreams import Application, message_context
from redis import Redis

from benchmarks.job import Jobs
from benchmarks.setting import from_arguments
from stream.core.events import Acted, Event, Raised


def main() -> None:
    """Run until SIGTERM."""
    setting = from_arguments()
    redis: Any = Redis.from_url(setting.redis)  # redis-py's answers may be awaitable to mypy
    jobs = Jobs(setting)

    def handle(value: dict[str, Any]) -> Any:
        event = msgspec.convert(value, Event)
        context = message_context()
        job = jobs.of(context.partition)
        if isinstance(event, Raised):
            done = job.raised(event, redis.mget(job.keys(event)), context.offset)
            redis.mset(done.writes)
            return msgspec.to_builtins(done.record)
        if isinstance(event, Acted):
            entry = redis.get(job.ledger_key(event))
            redis.mset(job.acted(event, entry, redis.mget(job.level_keys(event, entry))))
        return None

    app = Application(broker_address=setting.kafka, consumer_group=setting.name, auto_offset_reset="earliest")
    events = app.topic(setting.events_topic, value_deserializer="json")
    enriched = app.topic(setting.enriched_topic, value_serializer="json")
    frame = app.dataframe(events)
    frame = frame.apply(handle)
    frame = frame.filter(lambda record: record is not None)
    frame.to_topic(enriched)
    app.run()


if __name__ == "__main__":
    main()
