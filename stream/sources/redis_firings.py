"""The memory of firings and owners in Redis.

Each key is of a slot of its own, so that a Redis Cluster spreads them; see `stream/sources/resolve.py` for the names:

    <deployment>:firing:<source>:<fingerprint>   msgpack of `FiringRecord`s, see `firings.py`
    <deployment>:owner:<source>:<alert id>       the same, of an alert that its source names itself
"""

import hashlib
import math
from collections.abc import Sequence
from itertools import islice
from typing import Any

import redis
from redis.exceptions import NoScriptError, RedisError

from stream.redis_keys import in_deployment
from stream.sources.firing_store import FiringsAway, Swap

_SWAP = """
local kind = redis.call('TYPE', KEYS[1])['ok']
local stored = kind == 'string' and redis.call('GET', KEYS[1]) or ''
if stored == ARGV[2] then
  redis.call('EXPIRE', KEYS[1], ARGV[3])
  return 1
end
if stored ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
"""
_SHA = hashlib.sha1(_SWAP.encode(), usedforsecurity=False).hexdigest()
_AT_A_TIME = 1_000


class RedisFiringStore:
    """`FiringStore` in Redis or Valkey.

    Args:
        url: redis:// or rediss://.
        deployment: begins every key.
        timeout_seconds: how long a call may take before it raises `FiringsAway`.
    """

    def __init__(self, url: str, deployment: str, timeout_seconds: float) -> None:
        self._client: Any = redis.Redis.from_url(
            url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds, retry=None
        )
        self._deployment = deployment

    def read(self, keys: Sequence[str]) -> list[bytes]:
        """One GET a key, a thousand in one round trip; what is of another type counts as none."""
        found: list[bytes] = []
        for some in _chunks(keys):
            pipeline = self._client.pipeline(transaction=False)
            for key in some:
                pipeline.get(in_deployment(self._deployment, key))
            answers = self._execute(pipeline)
            found += [answer if isinstance(answer, bytes) else b"" for answer in answers]
        return found

    def swap(self, swaps: Sequence[Swap]) -> list[bool]:
        """One script a key, a thousand in one round trip; a value that already stands there counts as stored."""
        stored: list[bool] = []
        for some in _chunks(swaps):
            try:
                stored += self._swap(some)
            except NoScriptError:
                self._load()
                try:
                    stored += self._swap(some)
                except NoScriptError as error:  # as of a Redis that was replaced at this moment
                    raise _away(error) from None
        return stored

    def close(self) -> None:
        """End the connections."""
        self._client.close()

    def _swap(self, swaps: Sequence[Swap]) -> list[bool]:
        pipeline = self._client.pipeline(transaction=False)
        for swap in swaps:
            key = in_deployment(self._deployment, swap.key)
            pipeline.evalsha(_SHA, 1, key, swap.expected, swap.value, max(1, math.ceil(swap.seconds)))
        return [answer == 1 for answer in self._execute(pipeline)]

    def _load(self) -> None:
        try:
            self._client.script_load(_SWAP)
        except (RedisError, OSError) as error:
            raise _away(error) from None

    @staticmethod
    def _execute(pipeline: Any) -> list[Any]:
        try:
            answers = pipeline.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            raise _away(error) from None
        for answer in answers:
            if isinstance(answer, NoScriptError):
                raise answer
            if isinstance(answer, RedisError) and "WRONGTYPE" not in str(answer):
                raise _away(answer)
        return list(answers)


def _away(error: Exception) -> FiringsAway:
    return FiringsAway(
        f"the memory of firings can't be used ({str(error).rstrip('.')}); see Redis and NOISEGATE_REDIS_URL"
    )


def _chunks(values: Sequence[Any]) -> list[list[Any]]:
    each = iter(values)
    return list(iter(lambda: list(islice(each, _AT_A_TIME)), []))
