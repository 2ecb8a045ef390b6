"""Which models each worker runs: one field a worker in a Redis hash, `<deployment>:workers`, written at every poll."""

import time
from typing import Any

import msgspec
from msgspec import Struct
from redis import Redis

from stream.redis_keys import WORKERS

FRESH_SECONDS = 60.0  # a worker that has said nothing for longer is gone
_SECONDS = 2.0  # the longest wait for Redis
_KEPT_SECONDS = 24 * 3600
_WORKERS = 1_000  # read at most


class Heartbeat(Struct, frozen=True):
    """What one worker says.

    Attributes:
        at: when, seconds since 1970.
        champions: when each was loaded, seconds since 1970, by version, the default first.
        pointer: the version of each team or pattern; the default's name is the empty text.
        challenger: the version that scores in shadow.
        dropped: why it does not any more: failed or slow.
        fault: what was not put in service, and why.
        partitions: those of alerts.events that the worker owns.
    """

    at: float
    champions: dict[str, float] = {}
    pointer: dict[str, str] = {}
    challenger: str | None = None
    dropped: str | None = None
    fault: str | None = None
    partitions: list[int] = []


class Heart:
    """Where heartbeats are kept; errors are redis-py's.

    Args:
        url: redis:// or rediss://.
        deployment: whose workers.
    """

    def __init__(self, url: str, deployment: str) -> None:
        self._key = WORKERS.name(deployment=deployment)
        self._client: Any = Redis.from_url(url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS)

    def beat(self, worker: str, heartbeat: Heartbeat) -> None:
        """Say what a worker runs; its name is host:pid."""
        pipe = self._client.pipeline(transaction=False)
        pipe.hset(self._key, worker, msgspec.json.encode(heartbeat))
        pipe.expire(self._key, _KEPT_SECONDS)
        pipe.execute()

    def stop(self, worker: str) -> None:
        """Say that a worker has left."""
        self._client.hdel(self._key, worker)

    def read(self, now: float | None = None) -> dict[str, Heartbeat]:
        """What the workers that are there run, by their names; old ones and rubbish are passed over."""
        since = (time.time() if now is None else now) - FRESH_SECONDS
        found = {}
        for name, value in sorted(self._client.hgetall(self._key).items())[:_WORKERS]:
            try:
                heartbeat = msgspec.json.decode(value, type=Heartbeat)
            except (msgspec.DecodeError, ValueError):
                continue
            if heartbeat.at >= since:
                found[name.decode("utf-8", "replace")] = heartbeat
        return found

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()


def read_heartbeats(url: str, deployment: str) -> dict[str, Heartbeat]:
    """What the workers of a deployment run, by their names; raises redis-py's errors."""
    heart = Heart(url, deployment)
    try:
        return heart.read()
    finally:
        heart.close()
