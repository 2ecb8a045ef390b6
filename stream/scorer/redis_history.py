"""History in Redis.

Keys of one partition share one hash tag, so one slot:

    <deployment>:identity                           JSON of `Identity`: whose histories these are
    <deployment>:rebuild_lock                       held by the one rebuild that runs
    <deployment>:{<topic>:<partition>}:meta         msgpack of `Meta`; the fence
    <deployment>:{<topic>:<partition>}:<g>:dues     sorted set of what is due: expiries, timers, held actions
    <deployment>:{<topic>:<partition>}:<g>:l:<level>           152-byte state, see core/state.py
    <deployment>:{<topic>:<partition>}:<g>:a:<team>\\0<alert>   msgpack ledger entry, see core/ledger.py

<g> is the generation, which `history rebuild` changes. TTLs collect garbage; they never decide anything.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

import msgspec
import redis
from redis.exceptions import RedisError

from stream.config import Settings
from stream.core.errors import HistoryAway, HistoryDamaged, HistoryDenied, HistoryRefused
from stream.core.problem import Problem
from stream.core.timers import QueuedTimer
from stream.kafka.records import Part
from stream.metrics.scorer import ScorerMetrics
from stream.scorer.evictions import policy_sentence
from stream.scorer.fence import DAMAGED, execute, execute_each, is_wrong_type, run_fence
from stream.scorer.history import NO_EVICTION, NO_META, Found, ServerStatus, Wanted, Write
from stream.scorer.identity import Identity
from stream.scorer.redis_errors import told

T = TypeVar("T")
_GARBAGE_DAYS = 30.0  # beyond what event time forgets
_FOREIGN = "a key of the history in Redis holds something else"

_SWITCH = """
local kind = redis.call('TYPE', KEYS[1])['ok']
local stored = kind == 'string' and redis.call('GET', KEYS[1]) or ''
if stored ~= ARGV[1] then return 0 end
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
        metrics: ScorerMetrics,
        fence: str = "meta",
    ) -> None:
        self._fence_key = fence
        self._client: Any = redis.Redis.from_url(
            url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds, retry=None
        )
        self._deployment = deployment
        self._timeout = timeout_seconds
        self._level_ttl = math.ceil((forget_days + _GARBAGE_DAYS) * 86_400)
        self._entry_ttl = math.ceil(ledger_seconds + _GARBAGE_DAYS * 86_400)
        self._metrics = metrics

    @classmethod
    def of(cls, settings: Settings, problem: Problem, metrics: ScorerMetrics, fence: str = "meta") -> "RedisHistory":
        """The history that the settings name."""
        return cls(
            settings.redis.url,
            settings.deployment,
            settings.redis.timeout_seconds,
            problem.history.forget_days,
            problem.ledger_seconds,
            metrics,
            fence,
        )

    def check(self, patient: bool = True) -> None:
        """Refuse a Redis that would evict history; one that loads, is full or only reads is away."""
        policy = self.status(patient).policy
        if policy != NO_EVICTION:
            raise HistoryRefused(policy_sentence(policy))

    def status(self, patient: bool = True) -> ServerStatus:
        """Write a probe, and ask INFO and TIME, all in one round trip."""

        def ask() -> list[Any]:
            pipeline = self._client.pipeline(transaction=False)
            pipeline.set(f"{self._deployment}:probe", "", ex=60)
            for section in ("server", "stats", "memory"):
                pipeline.info(section)
            pipeline.time()
            return execute(pipeline)

        _, server, stats, memory, (seconds, microseconds) = self._call("check", ask, patient)
        return ServerStatus(
            str(server.get("run_id", "")),
            int(stats.get("evicted_keys", 0)),
            str(memory.get("maxmemory_policy", NO_EVICTION)),
            seconds + microseconds / 1e6,
        )

    def holder(self) -> Identity | None:
        """By GET."""
        return self._identity(self._call("identity", lambda: self._client.get(self._identity_key)))

    def claim(self, identity: Identity) -> Identity:
        """By SET NX, and GET in the same round trip."""

        def put() -> Any:
            pipeline = self._client.pipeline(transaction=False)
            pipeline.set(self._identity_key, msgspec.json.encode(identity), nx=True)
            pipeline.get(self._identity_key)
            return execute(pipeline)[1]

        return self._identity(self._call("identity", put)) or identity

    def replace(self, identity: Identity) -> None:
        """By SET."""
        self._call("identity", lambda: self._client.set(self._identity_key, msgspec.json.encode(identity)))

    def read_metas(self, parts: Iterable[Part]) -> dict[Part, bytes]:
        """One GET a partition, all in one round trip."""
        parts = list(parts)

        def fetch() -> list[Any]:
            pipeline = self._client.pipeline(transaction=False)
            for part in parts:
                pipeline.get(f"{self.prefix(part)}:{self._fence_key}")
            return execute_each(pipeline)

        found = dict(zip(parts, self._call("read", fetch), strict=True))
        for part, answer in found.items():
            if answer == DAMAGED:
                raise HistoryDamaged(*part, _FOREIGN)
        return {part: answer or NO_META for part, answer in found.items()}

    def read(self, wanted: Mapping[Part, Wanted]) -> dict[Part, Found]:
        """One MGET a partition, all in one round trip."""
        answers = self._call("read", lambda: self._read(wanted))
        found = {}
        for (part, want), answer in zip(wanted.items(), answers, strict=True):
            border = 1 + len(want.levels)
            found[part] = Found(answer[0] or b"", answer[1:border], answer[border:])
        return found

    def timers(self, part: Part, generation: int, start: float, count: int) -> tuple[list[QueuedTimer], bool]:
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

        try:
            found, more = self._call("timers", fetch)
            timers = []
            for member, score in found:
                team, _, alert_id = member.decode().partition("\0")
                timers.append((score, team, alert_id))
        except (_WrongType, UnicodeDecodeError):
            raise HistoryDamaged(*part, _FOREIGN) from None
        timers.sort()
        return timers, more

    def write(self, writes: Mapping[Part, Write]) -> dict[Part, bool]:
        """One fenced script a partition, all in one round trip."""
        done = self._call("write", lambda: self._write(writes))
        for part, answer in zip(writes, done, strict=True):
            if answer == DAMAGED:
                raise HistoryDamaged(*part, _FOREIGN)
        return {part: bool(answer) for part, answer in zip(writes, done, strict=True)}

    def switch(self, part: Part, expected: bytes) -> bool:
        """Make what stands behind this fence the partition's history, if `meta` is still as expected.

        A `meta` of another type than a string counts as none, as it does for `read`.
        """
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

    def rebuild_lock(self, seconds: float) -> Any:
        """The lock, redis-py's, that one rebuild of the deployment holds; it ends by itself after `seconds`."""
        return self._client.lock(f"{self._deployment}:rebuild_lock", timeout=seconds, thread_local=False)

    def forget_others(self, part: Part, generation: int) -> int:
        """Delete all generations but one. Returns how many keys went."""

        def delete() -> int:
            others = (key for found, key in self._keys(part) if found != generation)
            return sum(self._client.unlink(*keys) for keys in _chunks(others, 1_000))

        return self._call("forget", delete)

    def _keys(self, part: Part) -> Iterator[tuple[int, bytes]]:
        """Every key of a partition's generations, and of which it is."""
        prefix = f"{self.prefix(part)}:"
        start = len(prefix.encode())
        for key in self._client.scan_iter(f"{_escape(prefix)}*", count=1_000):
            generation = key[start:].partition(b":")[0]
            if generation.isdigit():
                yield int(generation), key

    def teams(self, generations: Mapping[Part, int], seconds: float) -> list[str]:
        """Teams of these generations, as many as are found within so many seconds, in no order."""
        prefixes = [f"{self.prefix(part)}:{generation}:l:t\0" for part, generation in generations.items()]

        def scan() -> list[str]:
            teams: set[str] = set()
            deadline, cursor = time.monotonic() + seconds, 0
            while time.monotonic() < deadline:
                cursor, keys = self._client.scan(cursor, f"{_escape(self._deployment)}:*:l:t\0*", 5_000)
                for key in (one.decode("utf-8", "replace") for one in keys):
                    teams.update(key[len(prefix) :] for prefix in prefixes if key.startswith(prefix))
                if cursor == 0:
                    break
            return list(teams)

        return self._call("teams", scan)

    def prefix(self, part: Part) -> str:
        """How every key of the partition begins."""
        return f"{self._deployment}:{{{part.topic}:{part.partition}}}"

    @property
    def _identity_key(self) -> str:
        return f"{self._deployment}:identity"

    def _identity(self, stored: bytes | None) -> Identity | None:
        try:
            return msgspec.json.decode(stored, type=Identity) if stored is not None else None
        except msgspec.MsgspecError:
            raise HistoryRefused(
                f"what stands under {self._identity_key} in Redis is no identity", f"run `noisegate history rebuild`"
            ) from None

    def _read(self, wanted: Mapping[Part, Wanted]) -> list[list[bytes | None]]:
        pipeline = self._client.pipeline(transaction=False)
        for part, want in wanted.items():
            prefix = self.prefix(part)
            generation = f"{prefix}:{want.generation}"
            keys = [f"{prefix}:{self._fence_key}"]
            keys += [f"{generation}:l:{level}" for level in want.levels]
            keys += [f"{generation}:a:{team}\0{alert}" for team, alert in want.entries]
            pipeline.mget(keys)
        return execute(pipeline)

    def _write(self, writes: Mapping[Part, Write]) -> list[int]:
        commands = []
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
            commands.append((len(keys), *keys, *arguments))
        return run_fence(self._client, commands)

    def _call(self, name: str, call: Callable[[], T], patient: bool = True) -> T:
        """Try for `timeout_seconds`; what is not an absence is refused in one sentence."""
        deadline = time.monotonic() + (self._timeout if patient else 0.0)
        pause = 0.02
        while True:
            try:
                answer = call()
            except (RedisError, OSError) as error:
                if is_wrong_type(error):
                    raise _WrongType from None
                fault = told(error, name, self._timeout)
                if not isinstance(fault, HistoryAway):
                    raise fault from None
                if isinstance(fault, HistoryDenied) or time.monotonic() + pause >= deadline:
                    self._metrics.lane.history_up.set(0)
                    raise fault from None
                time.sleep(pause)
                pause = min(2 * pause, 0.5)
            else:
                self._metrics.lane.history_round_trips.labels(name).inc()
                self._metrics.lane.history_up.set(1)
                return answer


class _WrongType(HistoryRefused):
    """A key holds another type than ours."""

    def __init__(self) -> None:
        super().__init__(f"{_FOREIGN}; run `noisegate history rebuild`")


def _escape(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "*?[]\\" else letter for letter in text)


def _chunks(keys: Iterator[bytes], size: int) -> Iterator[list[bytes]]:
    while chunk := list(islice(keys, size)):
        yield chunk
