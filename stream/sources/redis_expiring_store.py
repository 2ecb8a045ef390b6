"""The small memory of sources in Redis; its TTLs decide.

<deployment>:acknowledged:<source>:<digest of the alert's id>   when a person first acknowledged it, see worked.py
<deployment>:delivery:<source>:<digest of the delivery's id>    1: the delivery was taken, see replays.py
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import redis
from redis.exceptions import RedisError

from stream.redis_keys import in_deployment
from stream.sources.expiring_store import ExpiringStoreAway

T = TypeVar("T")


class RedisExpiringStore:
    """`ExpiringStore` in Redis or Valkey.

    Args:
        url: redis:// or rediss://.
        deployment: begins every key.
        timeout_seconds: how long a call may take before it raises `ExpiringStoreAway`.
    """

    def __init__(self, url: str, deployment: str, timeout_seconds: float) -> None:
        self._client: Any = redis.Redis.from_url(
            url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds, retry=None
        )
        self._deployment = deployment

    def read(self, key: str) -> bytes | None:
        """One GET."""
        value = _call(lambda: self._client.get(self._name(key)))
        return value if isinstance(value, bytes) else None

    def put(self, key: str, value: bytes, seconds: float) -> None:
        """One SET with its time to live."""
        _call(lambda: self._client.set(self._name(key), value, px=max(1, math.ceil(seconds * 1000))))

    def remove(self, key: str) -> None:
        """One DEL."""
        _call(lambda: self._client.delete(self._name(key)))

    def close(self) -> None:
        """End the connections."""
        self._client.close()

    def _name(self, key: str) -> str:
        return in_deployment(self._deployment, key)


def _call(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except (RedisError, OSError) as error:
        raise ExpiringStoreAway(
            f"the memory of acknowledgements and deliveries can't be used ({str(error).rstrip('.')}); see Redis and "
            "NOISEGATE_REDIS_URL"
        ) from None
