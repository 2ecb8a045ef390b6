"""Faust, as its documentation teaches: an agent that goes through the stream event by event, and `topic.send`."""

from typing import Any

import faust
import redis.asyncio

from benchmarks.job import Jobs
from benchmarks.setting import Setting, from_arguments
from stream.core.events import Acted, Raised, decode_event
from stream.core.records import encode_record


def make_app(setting: Setting) -> faust.App:
    """The app with its one agent."""
    app = faust.App(
        setting.name,
        broker=f"kafka://{setting.kafka}",
        store="memory://",
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        web_enabled=False,
    )
    events = app.topic(setting.events_topic, value_type=bytes, value_serializer="raw")
    enriched = app.topic(setting.enriched_topic, value_type=bytes, value_serializer="raw")
    jobs = Jobs(setting)
    client: Any = redis.asyncio.Redis.from_url(setting.redis)

    @app.agent(events)
    async def enrich(stream: Any) -> None:
        async for record in stream.events():
            event = decode_event(record.value)
            job = jobs.of(record.message.partition)
            if isinstance(event, Raised):
                done = job.raised(event, await client.mget(job.keys(event)), record.message.offset)
                await client.mset(done.writes)
                await enriched.send(key=record.key, value=encode_record(done.record))
            elif isinstance(event, Acted):
                entry = await client.get(job.ledger_key(event))
                states = await client.mget(job.level_keys(event, entry))
                await client.mset(job.acted(event, entry, states))

    return app


if __name__ == "__main__":
    faust.Worker(make_app(from_arguments()), loglevel="INFO").execute_from_commandline()
