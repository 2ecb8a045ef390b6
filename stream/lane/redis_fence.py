"""The fence in Redis or Valkey: one round trip a call, whatever the number of partitions."""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from prometheus_client import Counter, Gauge

from stream.config import Settings
from stream.core.errors import WrongType
from stream.lane.fence import (
    NO_EVICTION,
    NO_META,
    FencedRead,
    FencedValues,
    FencedWrite,
    ServerStatus,
    Timer,
    WriteResult,
)
from stream.lane.redis_connection import RedisConnection
from stream.lane.redis_script import execute, execute_each, run_writes
from stream.metrics.lane import LaneMetrics
from stream.redis_keys import PROBE

_PROBE_SECONDS = 60
_SCANNED = 1_000  # keys looked at in one step of a scan, and deleted in one call
_FOUND = 5_000  # keys looked at in one step of a search that has little time

_SWITCH = """
local kind = redis.call('TYPE', KEYS[1])['ok']
local stored = kind == 'string' and redis.call('GET', KEYS[1]) or ''
if stored ~= ARGV[1] then return 0 end
redis.call('RENAME', KEYS[2], KEYS[1])
return 1
"""


class RedisFence:
    """`Fence` in Redis or Valkey.

    Args:
        url: redis:// or rediss://.
        timeout_seconds: how long a call is tried before it raises `HistoryAway`.
        round_trips: counts calls that were answered, by name.
        up: is 1 while the server answers, else 0.
        probe_key: is written to see whether the server takes writes.
    """

    def __init__(self, url: str, timeout_seconds: float, round_trips: Counter, up: Gauge, probe_key: str) -> None:
        self._connection = RedisConnection(url, timeout_seconds, round_trips, up)
        self._client = self._connection.client
        self._probe_key = probe_key

    @classmethod
    def of(cls, settings: Settings, metrics: LaneMetrics) -> "RedisFence":
        """The one that the settings name, with the lane's metrics."""
        return cls(
            settings.redis.url,
            settings.redis.timeout_seconds,
            metrics.history_round_trips,
            metrics.history_up,
            PROBE.name(deployment=settings.deployment),
        )

    def status(self, patient: bool = True) -> ServerStatus:
        """Write a probe, and ask INFO and TIME, all in one round trip."""

        def ask() -> list[Any]:
            pipeline = self._client.pipeline(transaction=False)
            pipeline.set(self._probe_key, "", ex=_PROBE_SECONDS)
            for section in ("server", "stats", "memory"):
                pipeline.info(section)
            pipeline.time()
            return execute(pipeline)

        _, server, stats, memory, (seconds, microseconds) = self._connection.call("check", ask, patient=patient)
        return ServerStatus(
            str(server.get("run_id", "")),
            int(stats.get("evicted_keys", 0)),
            str(memory.get("maxmemory_policy", NO_EVICTION)),
            seconds + microseconds / 1e6,
        )

    def read(self, wanted: Sequence[FencedRead]) -> list[FencedValues]:
        """One MGET each."""

        def fetch() -> list[Any]:
            pipeline = self._client.pipeline(transaction=False)
            for one in wanted:
                pipeline.mget([one.meta_key, *one.keys])
            return execute(pipeline)

        return [FencedValues(found[0] or NO_META, found[1:]) for found in self._connection.call("read", fetch)]

    def read_metas(self, keys: Sequence[str]) -> list[bytes]:
        """One GET each."""

        def fetch() -> list[Any]:
            pipeline = self._client.pipeline(transaction=False)
            for key in keys:
                pipeline.get(key)
            return execute_each(pipeline)

        found = self._connection.call("read", fetch)
        for key, answer in zip(keys, found, strict=True):
            if answer == WriteResult.WRONG_TYPE:
                raise WrongType(key)
        return [answer or NO_META for answer in found]

    def write(self, writes: Sequence[FencedWrite]) -> list[WriteResult]:
        """One run of the script each."""
        return self._connection.call("write", lambda: run_writes(self._client, writes))

    def timers(self, key: str, start: float, count: int) -> tuple[list[Timer], bool]:
        """By ZRANGE; once more for those that tie with the last."""

        def fetch() -> tuple[list[tuple[bytes, float]], bool]:
            found: list[tuple[bytes, float]]
            found = self._client.zrange(key, start, "+inf", byscore=True, offset=0, num=count, withscores=True)
            more = len(found) == count
            if more:
                last = found[-1][1]
                found = [entry for entry in found if entry[1] < last]
                found += self._client.zrange(key, last, last, byscore=True, withscores=True)
            return found, more

        found, more = self._connection.call("timers", fetch, key=key)
        try:
            return sorted((due, name.decode()) for name, due in found), more
        except UnicodeDecodeError:
            raise WrongType(key) from None

    def switch(self, key: str, expected: bytes, source: str) -> bool:
        """By a script of its own."""
        return bool(self._connection.call("switch", lambda: self._client.eval(_SWITCH, 2, key, source, expected)))

    def get(self, key: str) -> bytes | None:
        """By GET."""
        found: bytes | None = self._connection.call("get", lambda: self._client.get(key), key=key)
        return found

    def claim(self, key: str, value: bytes) -> bytes:
        """By SET NX, and GET in the same round trip."""

        def put() -> list[Any]:
            pipeline = self._client.pipeline(transaction=False)
            pipeline.set(key, value, nx=True)
            pipeline.get(key)
            return execute(pipeline)

        found: bytes | None = self._connection.call("claim", put, key=key)[1]
        return value if found is None else found

    def put(self, key: str, value: bytes) -> None:
        """By SET."""
        self._connection.call("put", lambda: self._client.set(key, value))

    def delete(self, key: str) -> int:
        """By UNLINK."""
        return int(self._connection.call("forget", lambda: self._client.unlink(key)))

    def delete_where(self, prefix: str, chosen: Callable[[str], bool] = lambda key: True) -> int:
        """By SCAN and UNLINK, in calls of a thousand."""

        def delete() -> int:
            found = self._client.scan_iter(f"{_escape(prefix)}*", count=_SCANNED)
            keys = (key for key in found if chosen(key.decode("utf-8", "replace")))
            return sum(self._client.unlink(*chunk) for chunk in _chunks(keys, _SCANNED))

        return self._connection.call("forget", delete)

    def find(self, prefix: str, infix: str, seconds: float) -> list[str]:
        """By SCAN."""

        def scan() -> list[str]:
            keys: set[bytes] = set()
            deadline, cursor = time.monotonic() + seconds, 0
            while time.monotonic() < deadline:
                cursor, found = self._client.scan(cursor, f"{_escape(prefix)}*{_escape(infix)}*", _FOUND)
                keys.update(found)
                if cursor == 0:
                    break
            return [key.decode("utf-8", "replace") for key in keys]

        return self._connection.call("find", scan)

    def lock(self, key: str, seconds: float) -> Any:
        """redis-py's lock, that one process holds at a time; it ends by itself after `seconds`."""
        return self._client.lock(key, timeout=seconds, thread_local=False)


def _escape(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "*?[]\\" else letter for letter in text)


def _chunks(keys: Iterator[bytes], size: int) -> Iterator[list[bytes]]:
    while chunk := list(islice(keys, size)):
        yield chunk
