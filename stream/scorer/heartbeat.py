"""Heartbeats: which models each worker runs, one field a worker in the Redis hash `<deployment>:workers`."""

import time
from typing import Any

import msgspec
from msgspec import Struct
from redis import Redis

from stream.redis_keys import WORKERS

FRESH_SECONDS = 60.0  # a worker whose heartbeat is older is gone
_SECONDS = 2.0  # the longest wait for Redis
_WORKERS = 1_000  # heartbeats that are read at most
_KEPT_SECONDS = 24 * 3600


class Heartbeat(Struct, frozen=True):
    """The models and partitions of one worker.

    Attributes:
        at: when it was written, seconds since 1970.
        champions: when each was loaded, seconds since 1970, by version, the default first.
        pointer: the version of each team or pattern; the default's name is the empty text.
        challenger: the version that scores in shadow.
        dropped: why it was dropped: failed or slow.
        fault: why what the pointers name is not active.
        partitions: those of the events topic that the worker owns.
    """

    at: float
    champions: dict[str, float] = {}
    pointer: dict[str, str] = {}
    challenger: str | None = None
    dropped: str | None = None
    fault: str | None = None
    partitions: list[int] = []


class Heartbeats:
    """The heartbeats of a deployment, in Redis; errors are redis-py's.

    Args:
        url: redis:// or rediss://.
        deployment: whose workers.
    """

    def __init__(self, url: str, deployment: str) -> None:
        self._key = WORKERS.name(deployment=deployment)
        self._client: Any = Redis.from_url(url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS)

    def write(self, worker: str, heartbeat: Heartbeat) -> None:
        """Write the heartbeat of a worker, whose name is host:pid."""
        pipe = self._client.pipeline(transaction=False)
        pipe.hset(self._key, worker, msgspec.json.encode(heartbeat))
        pipe.expire(self._key, _KEPT_SECONDS)
        pipe.execute()

    def remove(self, worker: str) -> None:
        """Remove the heartbeat of a worker that leaves."""
        self._client.hdel(self._key, worker)

    def read(self, now: float | None = None) -> dict[str, Heartbeat]:
        """The fresh heartbeats by worker; old and unreadable ones are left out."""
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
        """Close the connection."""
        self._client.close()


def read_heartbeats(url: str, deployment: str) -> dict[str, Heartbeat]:
    """The fresh heartbeats of a deployment by worker; raises redis-py's errors."""
    heartbeats = Heartbeats(url, deployment)
    try:
        return heartbeats.read()
    finally:
        heartbeats.close()
