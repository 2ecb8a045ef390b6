"""A connection to Redis or Valkey on which every call has a time limit and fails in one sentence."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import redis
from prometheus_client import Counter, Gauge
from redis.exceptions import RedisError

from stream.core.errors import HistoryAway, HistoryDenied, WrongType
from stream.lane.redis_errors import fault_of
from stream.lane.redis_script import is_wrong_type

T = TypeVar("T")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5  # seconds before a call is tried again


class RedisConnection:
    """Runs calls on a client of redis-py, and tries again those that find the server away.

    Args:
        url: redis:// or rediss://.
        timeout_seconds: how long a call is tried before it raises `HistoryAway`.
        round_trips: counts calls that were answered, by name.
        up: is 1 while the server answers, else 0.
    """

    def __init__(self, url: str, timeout_seconds: float, round_trips: Counter, up: Gauge) -> None:
        self.client: Any = redis.Redis.from_url(
            url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds, retry=None
        )
        self._timeout = timeout_seconds
        self._round_trips = round_trips
        self._up = up

    def call(self, name: str, work: Callable[[], T], *, key: str = "", patient: bool = True) -> T:
        """What `work` returns, once it succeeds; impatient: it is tried only once.

        Args:
            name: what is tried, for the counter and for a refusal.
            work: calls the client; may be run more than once.
            key: the key that it is about, where it is one.
            patient: whether to try again.

        Raises:
            HistoryAway: the server can't be used in time; HistoryDenied: it refuses us.
            HistoryRefused: it is no server that we can use.
            WrongType: a key is of another type.
        """
        deadline = time.monotonic() + (self._timeout if patient else 0.0)
        pause = _FIRST_PAUSE
        while True:
            try:
                result = work()
            except (RedisError, OSError) as error:
                if is_wrong_type(error):
                    raise WrongType(key) from None
                fault = fault_of(error, name, self._timeout)
                if not isinstance(fault, HistoryAway):
                    raise fault from None
                if isinstance(fault, HistoryDenied) or time.monotonic() + pause >= deadline:
                    self._up.set(0)
                    raise fault from None
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                self._round_trips.labels(name).inc()
                self._up.set(1)
                return result
