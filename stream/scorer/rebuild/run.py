"""Fold the log again into a new generation of the history, aside, in the layout that the topic has now.

All partitions are read as one log, merged by record timestamp, and each record is folded into the partition that its
team belongs to now, wherever it lies. Ticks and records that can't be used belong to the partition they lie in. Left
out is what `alerts.failed` holds as misrouted: it was never scored, and `noisegate failed replay` sends it right.

Where workers serve the same layout, each partition is folded up to what was published of it (where its history stands,
or the committed offset if that is further on) and takes its history's place in one atomic step; the serving worker then
finds another meta than its own, drops what it has not published, and goes on from there. The same where Redis was lost:
what lies beyond the committed offsets is left to the workers, which fail what then still lies in an old partition as
misrouted.

Where the topic grew since, workers refuse to run. Then the whole log is folded, and what had not been published when
they stopped is scored and published first, as they would have; see `Backlog`.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

from confluent_kafka import Consumer, KafkaException
from redis.exceptions import RedisError

from stream.config import Settings
from stream.core.errors import BrokerError, HistoryRefused, StoreAway
from stream.core.problem import Problem
from stream.core.text import hide_login
from stream.kafka.clients import client_settings, make_client, producer_settings
from stream.kafka.misrouted import MisroutedRecords
from stream.kafka.publisher import Publisher
from stream.kafka.topics import Topics
from stream.lane.group import SCORER, consumer_group
from stream.lane.redis_fence import RedisFence
from stream.metrics.lane import LaneMetrics
from stream.metrics.scorer import ScorerMetrics
from stream.models.active import ActiveModels
from stream.models.reload import Loader, Reloader
from stream.models.store import Store
from stream.redis_keys import REBUILD_LOCK
from stream.scorer.identity import Identity
from stream.scorer.ownership import refuse_another_cluster
from stream.scorer.rebuild.merge import PartitionProgress
from stream.scorer.rebuild.report import Report
from stream.scorer.rebuild.reprocess import Reprocessor
from stream.scorer.redis_history import RedisHistory

_MODEL_PAUSES = (1.0, 3.0, 6.0)  # before a store that is away is asked again
_LOCK_SECONDS = 30.0  # a rebuild that died holds up the next one so long


def rebuild(
    settings: Settings, progress: PartitionProgress = lambda partition, done, todo: None, take_over: bool = False
) -> Report:
    """Rebuild the history of every partition; that of another Kafka cluster only to `take_over`.

    Raises:
        BrokerError: Kafka can't be reached, gives no more records or takes none.
        HistoryAway: Redis can't be reached; HistoryRefused: it can't be used, is of another cluster, or workers write
            at the same time.
            What served before serves on, in every partition that was not switched yet.
    """
    problem, topics = settings.load_problem(), Topics(settings)
    aside = RedisHistory.of(settings, problem, ScorerMetrics(), aside=True)
    aside.check()
    topics.require("events", "enriched", "outcomes", "failed")
    facts, serving = topics.facts(settings.topics.events), RedisHistory.of(settings, problem, ScorerMetrics())
    mine = Identity(facts.cluster_id, settings.topics.events, facts.topic_id, problem.digest)
    if not take_over:
        refuse_another_cluster(serving, mine, settings.deployment)
    consumer = make_client(
        Consumer,
        {
            **client_settings(settings),
            "group.id": consumer_group(settings.deployment, SCORER),
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "log_level": 0,
        },
    )
    try:
        with _alone(settings):
            return Reprocessor(
                settings,
                problem,
                mine,
                facts.partitions,
                consumer,
                serving,
                aside,
                lambda: MisroutedRecords.of(settings),
                lambda: Publisher({**producer_settings(settings), "log_level": 0}, settings.topics.failed),
                lambda: _load_models(settings, problem),
                progress,
            ).run()
    except KafkaException as error:
        raise BrokerError(f"Kafka can't be read: {error.args[0].str()}") from None
    finally:
        consumer.close()


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """No other rebuild of the deployment runs in this block: two would delete each other's generations.

    Raises:
        HistoryRefused: one does.
    """
    key = REBUILD_LOCK.name(deployment=settings.deployment)
    lock = RedisFence.of(settings, LaneMetrics()).lock(key, _LOCK_SECONDS)
    if not lock.acquire(blocking=False):
        raise HistoryRefused(
            "another `noisegate history rebuild` of this deployment is running",
            f"let it finish, or wait {_LOCK_SECONDS:.0f} s if it died",
        )
    done = Event()

    def renew() -> None:
        while not done.wait(_LOCK_SECONDS / 3):
            with suppress(RedisError):  # a Redis that is away fails the rebuild itself
                lock.reacquire()

    renewer = Thread(target=renew, name="rebuild-lock", daemon=True)
    renewer.start()
    try:
        yield
    finally:
        done.set()
        renewer.join()
        with suppress(RedisError):
            lock.release()


def _load_models(settings: Settings, problem: Problem) -> tuple[ActiveModels, list[str]]:
    """What workers would score with, and why not with what the pointers name.

    Raises:
        StoreAway: the store can't be reached, and no last good copy is here.
    """
    store = Store(settings.models.store)
    loader = Loader(store, problem, settings.models.cache, settings.deployment, settings.models.keys)
    reloader = Reloader(loader, settings.models.poll_seconds, settings.models.challenger_seconds)
    for pause in (*_MODEL_PAUSES, None):
        reloader.poll()
        if reloader.store_up or pause is None:
            break
        time.sleep(pause)
    if not reloader.store_up and not reloader.active.champions:
        raise StoreAway(
            f"{hide_login(settings.models.store)}: the model store can't be reached, but waiting alerts must be scored",
            "make it reachable from this machine, then run `noisegate history rebuild` again",
        )
    return reloader.active, reloader.faults
