"""Verdicts that could not be published before their process ended, kept in Redis for the next one."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import redis
from redis.exceptions import RedisError

from stream.core.errors import BadRecord
from stream.core.events import Acted, decode_event, encode_event
from stream.redis_keys import KEPT_ACTS

log = logging.getLogger(__name__)
RETRY_SECONDS = 2.0
SECONDS = 30 * 86_400  # then an alert of a day's horizon is long decided
Publish = Callable[[Sequence[Acted]], Awaitable[Sequence[Acted]]]
"""Publishes acts, and returns those that have to be published again."""


class KeptActs:
    """Acts by action id, in one hash; every call blocks.

    Args:
        url: redis:// or rediss://.
        deployment: begins the key.
        seconds: how long Redis may take.
    """

    def __init__(self, url: str, deployment: str, seconds: float) -> None:
        self._client: Any = redis.Redis.from_url(
            url, socket_timeout=seconds, socket_connect_timeout=seconds, retry=None
        )
        self._key = KEPT_ACTS.name(deployment=deployment)

    def keep(self, acts: Sequence[Acted]) -> bool:
        """Keep acts for the next process; whether Redis has them."""
        if not acts:
            return True
        try:
            pipeline = self._client.pipeline()
            pipeline.hset(self._key, mapping={act.action_id: encode_event(act) for act in acts})
            pipeline.expire(self._key, SECONDS)
            pipeline.execute()
        except (RedisError, OSError):
            return False
        return True

    def read(self) -> list[Acted] | None:
        """What is kept; None while Redis does not answer."""
        try:
            values = self._client.hvals(self._key)
        except (RedisError, OSError):
            return None
        acts = []
        for value in values:
            try:
                event = decode_event(value)
            except BadRecord as error:
                log.warning("a kept verdict can't be read: %s", error)
                continue
            if isinstance(event, Acted):
                acts.append(event)
        return acts

    def drop(self, acts: Sequence[Acted]) -> None:
        """Forget acts that are published; where Redis is away they are published once more, which counts once."""
        try:
            if acts:
                self._client.hdel(self._key, *(act.action_id for act in acts))
        except (RedisError, OSError) as error:
            log.warning("verdicts that are published stay in Redis: %s", error)

    def close(self) -> None:
        """End the connections."""
        self._client.close()


async def publish_kept(kept: KeptActs, publish: Publish, retry_seconds: float = RETRY_SECONDS) -> None:
    """Publish what a process before left, once Redis and Kafka are there."""
    acts = await asyncio.to_thread(kept.read)
    while acts is None:
        await asyncio.sleep(retry_seconds)
        acts = await asyncio.to_thread(kept.read)
    left: Sequence[Acted] = acts
    while left:
        left = await publish(left)
        if left:
            await asyncio.sleep(retry_seconds)
    await asyncio.to_thread(kept.drop, acts)


async def publish_last(kept: KeptActs, publish: Publish, acts: Sequence[Acted]) -> None:
    """Publish the last acts of a process; they are in Redis meanwhile, and stay there if Kafka does not take them.

    Those that neither takes go to the log.
    """
    is_kept = await asyncio.to_thread(kept.keep, acts)
    left = list(await publish(acts)) if acts else []
    if is_kept:
        names = {act.action_id for act in left}
        await asyncio.to_thread(kept.drop, [act for act in acts if act.action_id not in names])
        return
    for act in left:
        fields = {"team": act.team, "alert_id": act.alert_id, "kind": act.kind, "action_id": act.action_id}
        log.error("a verdict is lost, since Kafka and Redis are away", extra={"fields": fields})
