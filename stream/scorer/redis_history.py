"""History in Redis.

Keys of one partition share one hash tag, so one slot:

    <deployment>:{<topic>:<partition>}:meta         msgpack of `Meta`; the fence
    <deployment>:{<topic>:<partition>}:<g>:dues     sorted set of what is due: expiries, timers, held actions
    <deployment>:{<topic>:<partition>}:<g>:l:<level>           152-byte state, see core/state.py
    <deployment>:{<topic>:<partition>}:<g>:a:<team>\\0<alert>   msgpack ledger entry, see core/ledger.py

<g> is the generation, which `history rebuild` changes. TTLs collect garbage; they never decide anything.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

import redis
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from stream.config import Settings
from stream.core.dues import Due
from stream.core.errors import HistoryAway, HistoryRefused
from stream.core.problem import Problem
from stream.lane.batch import Part
from stream.metrics import Metrics
from stream.scorer.history import Found, Wanted, Write

T = TypeVar("T")
_AWAY = (BusyLoadingError, ReadOnlyError, OutOfMemoryError)
_AWAY_CODES = ("OOM ", "MISCONF ", "NOREPLICAS ", "BUSY ", "CLUSTERDOWN ", "MASTERDOWN ", "READONLY ", "LOADING ")
_GARBAGE_DAYS = 30.0  # beyond what event time forgets

_FENCE = """
local stored = redis.call('GET', KEYS[1]) or ''
if stored == ARGV[2] then return 1 end
if stored ~= ARGV[1] then return 0 end
local levels, entries, gone, due = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local key, arg = 2, 8
for i = 1, levels do
  key, arg = key + 1, arg + 1
  redis.call('SET', KEYS[key], ARGV[arg], 'EX', ARGV[3])
end
for i = 1, entries do
  key, arg = key + 1, arg + 1
  redis.call('SET', KEYS[key], ARGV[arg], 'EX', ARGV[4])
end
for i = 1, gone do
  key = key + 1
  redis.call('DEL', KEYS[key])
end
local last = arg + 2 * due
while arg < last do
  local stop = math.min(arg + 1000, last)
  redis.call('ZADD', KEYS[2], unpack(ARGV, arg + 1, stop))
  arg = stop
end
while arg < #ARGV do
  local stop = math.min(arg + 1000, #ARGV)
  redis.call('ZREM', KEYS[2], unpack(ARGV, arg + 1, stop))
  arg = stop
end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""

_SWITCH = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('RENAME', KEYS[2], KEYS[1])
return 1
"""


class RedisHistory:
    """`History` in Redis or Valkey.

    Args:
        url: redis:// or rediss://.
        deployment: begins every key.
        timeout_seconds: how long a call is tried before it raises `HistoryAway`.
        forget_days: how long event time keeps a level.
        ledger_seconds: how long event time keeps a ledger entry.
        metrics: counts round trips and says whether Redis answers.
        fence: the last part of the key that fences; a rebuild aside has one of its own.
    """

    def __init__(
        self,
        url: str,
        deployment: str,
        timeout_seconds: float,
        forget_days: float,
        ledger_seconds: float,
        metrics: Metrics,
        fence: str = "meta",
    ) -> None:
        self._fence_key = fence
        self._client: Any = redis.Redis.from_url(
            url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds, retry=None
        )
        self._fence = self._client.register_script(_FENCE)
        self._deployment = deployment
        self._timeout = timeout_seconds
        self._level_ttl = math.ceil((forget_days + _GARBAGE_DAYS) * 86_400)
        self._entry_ttl = math.ceil(ledger_seconds + _GARBAGE_DAYS * 86_400)
        self._metrics = metrics

    @classmethod
    def of(cls, settings: Settings, problem: Problem, metrics: Metrics, fence: str = "meta") -> "RedisHistory":
        """The history that the settings name."""
        return cls(
            settings.redis_url,
            settings.deployment,
            settings.history_timeout_seconds,
            problem.history.forget_days,
            problem.ledger_seconds,
            metrics,
            fence,
        )

    def check(self, patient: bool = True) -> None:
        """Refuse a Redis that would evict history; one that loads, is full or only reads is away."""

        def probe() -> Any:
            self._client.set(f"{self._deployment}:probe", "", ex=60)
            return self._client.info("memory")

        memory = self._call("check", probe, patient)
        policy = memory.get("maxmemory_policy", "noeviction")
        if policy != "noeviction":
            raise HistoryRefused(
                f"Redis runs with maxmemory-policy {policy}, which would throw history away; set it to noeviction"
            )

    def read(self, wanted: Mapping[Part, Wanted]) -> dict[Part, Found]:
        """One MGET a partition, all in one round trip."""
        answers = self._call("read", lambda: self._read(wanted))
        found = {}
        for (part, want), answer in zip(wanted.items(), answers, strict=True):
            border = 1 + len(want.levels)
            found[part] = Found(answer[0] or b"", answer[1:border], answer[border:])
        return found

    def dues(self, part: Part, generation: int, start: float, count: int) -> tuple[list[Due], bool]:
        """By ZRANGE; ties with the last one are included, so that a window can end after it."""
        key = f"{self.prefix(part)}:{generation}:dues"

        def fetch() -> tuple[list[tuple[bytes, float]], bool]:
            found: list[tuple[bytes, float]]
            found = self._client.zrange(key, start, "+inf", byscore=True, offset=0, num=count, withscores=True)
            more = len(found) == count
            if more:
                last = found[-1][1]
                found = [entry for entry in found if entry[1] < last]
                found += self._client.zrange(key, last, last, byscore=True, withscores=True)
            return found, more

        found, more = self._call("dues", fetch)
        dues = []
        for member, score in found:
            team, _, alert_id = member.decode().partition("\0")
            dues.append((score, team, alert_id))
        dues.sort()
        return dues, more

    def write(self, writes: Mapping[Part, Write]) -> dict[Part, bool]:
        """One fenced script a partition, all in one round trip."""
        done = self._call("write", lambda: self._write(writes))
        return {part: bool(answer) for part, answer in zip(writes, done, strict=True)}

    def switch(self, part: Part, expected: bytes) -> bool:
        """Make what stands behind this fence the partition's history, if `meta` is still as expected."""
        prefix = self.prefix(part)
        keys = [f"{prefix}:meta", f"{prefix}:{self._fence_key}"]
        return bool(self._call("switch", lambda: self._client.eval(_SWITCH, 2, *keys, expected)))

    def forget(self, part: Part, generation: int, fence: bool) -> int:
        """Delete a generation (and this fence). Returns how many keys went."""
        prefix = self.prefix(part)

        def delete() -> int:
            gone: int = self._client.unlink(f"{prefix}:{self._fence_key}") if fence else 0
            pattern = f"{_escape(prefix)}:{generation}:*"
            for keys in _chunks(self._client.scan_iter(pattern, count=1_000), 1_000):
                gone += self._client.unlink(*keys)
            return gone

        return self._call("forget", delete)

    def prefix(self, part: Part) -> str:
        """How every key of the partition begins."""
        return f"{self._deployment}:{{{part.topic}:{part.partition}}}"

    def _read(self, wanted: Mapping[Part, Wanted]) -> list[list[bytes | None]]:
        pipeline = self._client.pipeline(transaction=False)
        for part, want in wanted.items():
            prefix = self.prefix(part)
            generation = f"{prefix}:{want.generation}"
            keys = [f"{prefix}:{self._fence_key}"]
            keys += [f"{generation}:l:{level}" for level in want.levels]
            keys += [f"{generation}:a:{team}\0{alert}" for team, alert in want.entries]
            pipeline.mget(keys)
        answers: list[list[bytes | None]] = pipeline.execute()
        return answers

    def _write(self, writes: Mapping[Part, Write]) -> list[int]:
        pipeline = self._client.pipeline(transaction=False)
        for part, write in writes.items():
            prefix = self.prefix(part)
            generation = f"{prefix}:{write.generation}"
            keys = [f"{prefix}:{self._fence_key}", f"{generation}:dues"]
            keys += [f"{generation}:l:{level}" for level in write.levels]
            keys += [f"{generation}:a:{team}\0{alert}" for team, alert in (*write.entries, *write.gone)]
            counts = (len(write.levels), len(write.entries), len(write.gone), len(write.due))
            arguments: list[Any] = [write.expected, write.meta, self._level_ttl, self._entry_ttl, *counts]
            arguments += write.levels.values()
            arguments += write.entries.values()
            for due, team, alert in write.due:
                arguments += (repr(due), f"{team}\0{alert}")
            arguments += [f"{team}\0{alert}" for team, alert in write.settled]
            self._fence(keys, arguments, client=pipeline)
        answers: list[int] = pipeline.execute()
        return answers

    def _call(self, name: str, call: Callable[[], T], patient: bool = True) -> T:
        """Try for `timeout_seconds`; what is not an absence is refused in one sentence."""
        deadline = time.monotonic() + (self._timeout if patient else 0.0)
        pause = 0.02
        while True:
            try:
                answer = call()
            except (AuthenticationError, NoPermissionError) as error:
                raise HistoryRefused(f"Redis refuses us: {error}; check user, password and ACL in redis_url") from None
            except (RedisError, OSError) as error:
                if isinstance(error, ResponseError) and not _is_absence(error):
                    raise HistoryRefused(f"Redis refuses the call {name}: {error}") from None
                if time.monotonic() + pause >= deadline:
                    self._metrics.history_up.set(0)
                    reason = str(error).rstrip(".")
                    raise HistoryAway(f"Redis can't be used ({reason}); start it, or set NOISEGATE_REDIS_URL") from None
                time.sleep(pause)
                pause = min(2 * pause, 0.5)
            else:
                self._metrics.history_round_trips.labels(name).inc()
                self._metrics.history_up.set(1)
                return answer


def _is_absence(error: ResponseError) -> bool:
    """Whether a server that answers can't be used for now: it loads, is full, or is no master."""
    return isinstance(error, _AWAY) or any(code in str(error) for code in _AWAY_CODES)


def _escape(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "*?[]\\" else letter for letter in text)


def _chunks(keys: Iterator[bytes], size: int) -> Iterator[list[bytes]]:
    while chunk := list(islice(keys, size)):
        yield chunk
