"""Verdicts that are not published yet, kept in Redis: however their process ends, the next one publishes them.

One that could still be undone is published when its time for that is over, as its own process would have done.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from threading import Lock
from typing import Any

import redis
from redis.exceptions import RedisError

from stream.core.errors import BadRecord
from stream.core.events import Acted, decode_event, encode_event, seconds
from stream.redis_keys import KEPT_ACTS

log = logging.getLogger(__name__)
RETRY_SECONDS = 2.0
OWNER_SECONDS = 2.0  # for the process that took a verdict to publish it, before another one does
SECONDS = 30 * 86_400  # then an alert of a day's horizon is long decided
Publish = Callable[[Sequence[Acted]], Awaitable[Sequence[Acted]]]
"""Publishes acts, and returns those that have to be published again."""


class KeptActs:
    """Acts of all processes by action id, in one hash; every call blocks.

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
        self._lock = Lock()
        self._held: set[str] = set()  # ids of this process's acts that Redis has
        self._unsure: set[str] = set()  # and of those that it may have

    def sync(self, acts: Sequence[Acted]) -> bool:
        """Keep these acts and none else of this process; whether Redis has them so."""
        with self._lock:
            wanted = {act.action_id: act for act in acts}
            new = {name: encode_event(act) for name, act in wanted.items() if name not in self._held}
            over = (self._held | self._unsure) - wanted.keys()
            try:
                pipeline = self._client.pipeline()
                if new:
                    pipeline.hset(self._key, mapping=new)
                    pipeline.expire(self._key, SECONDS)
                if over:
                    pipeline.hdel(self._key, *over)
                pipeline.execute()
            except (RedisError, OSError):
                self._unsure |= new.keys()
                return False
            self._held, self._unsure = set(wanted), set()
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


async def keep_open(
    kept: KeptActs,
    open_acts: Callable[[], Sequence[Acted]],
    changed: asyncio.Event,
    retry_seconds: float = RETRY_SECONDS,
) -> None:
    """Keep what is not published yet, each time that `changed` is set, until it is cancelled."""
    while True:
        await changed.wait()
        changed.clear()
        if not await asyncio.to_thread(kept.sync, open_acts()):
            await asyncio.sleep(retry_seconds)
            changed.set()


async def publish_kept(
    kept: KeptActs,
    publish: Publish,
    undo_seconds: float,
    clock: Callable[[], float] = time.time,
    retry_seconds: float = RETRY_SECONDS,
) -> None:
    """Publish what processes before left, once Redis and Kafka are there and it can't be undone any more.

    What its own process publishes or undoes meanwhile is left to it: other pages may be running.
    """
    names: set[str] | None = None
    while True:
        found = await asyncio.to_thread(kept.read)
        if found is not None:
            now = clock()
            left = [act for act in found if names is None or act.action_id in names]
            due = [act for act in left if seconds(act.at) + undo_seconds + OWNER_SECONDS <= now]
            again = {act.action_id for act in await publish(due)} if due else set()
            published = [act for act in due if act.action_id not in again]
            await asyncio.to_thread(kept.drop, published)
            names = {act.action_id for act in left} - {act.action_id for act in published}
            if not names:
                return
        await asyncio.sleep(retry_seconds)


async def publish_last(kept: KeptActs, publish: Publish, acts: Sequence[Acted]) -> None:
    """Publish the last acts of a process; they are in Redis meanwhile, and stay there if Kafka does not take them.

    Those that neither takes go to the log.
    """
    is_kept = await asyncio.to_thread(kept.sync, acts)
    left = list(await publish(acts)) if acts else []
    if is_kept:
        await asyncio.to_thread(kept.sync, left)
        return
    for act in left:
        fields = {"team": act.team, "alert_id": act.alert_id, "kind": act.kind, "action_id": act.action_id}
        log.error("a verdict is lost, since Kafka and Redis are away", extra={"fields": fields})
