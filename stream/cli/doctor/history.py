"""Doctor's checks of Redis: the server, its clock, and the histories that it keeps."""

import time
from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaException, TopicPartition

from stream.cli.doctor.finding import Finding, finding_of
from stream.config import Settings
from stream.core.errors import BrokerError, Fault, HistoryRefused
from stream.kafka.clients import client_settings, make_client
from stream.kafka.records import Part
from stream.kafka.topics import LOG_APPEND_TIME, TIMESTAMPS, Topics
from stream.lane.batch import Bounds
from stream.lane.evictions import policy_fault
from stream.lane.fence import NO_EVICTION, ServerStatus
from stream.lane.group import SCORER, consumer_group
from stream.lane.redis_fence import RedisFence
from stream.lane.topic_identity import REBUILD
from stream.metrics.lane import LaneMetrics
from stream.scorer.clocks import BOUND_SECONDS, clock_fault, difference
from stream.scorer.history import Meta, decode_meta
from stream.scorer.identity import Identity, conflict
from stream.scorer.ownership import check_compatible, evicted_fault
from stream.scorer.redis_history import RedisHistory

_ANSWER_SECONDS = 10.0
_READ_SECONDS = 2.0  # for the last record of every partition


def check_redis(settings: Settings) -> Iterator[Finding]:
    """Redis is there, can be written and never evicts."""
    status = open_history(settings).status()
    if status.policy != NO_EVICTION:
        yield finding_of("redis", "wrong", policy_fault(status.policy))
    else:
        yield Finding("redis", "ok", f"answers, noeviction, version {redis_version(settings)}")


def check_clocks(settings: Settings) -> Iterator[Finding]:
    """This machine's clock agrees with Redis's and, as far as the log shows, with the broker's."""
    history = open_history(settings)
    asked_at = time.time()
    clock = history.status().clock or asked_at
    ahead = {"Redis": difference(asked_at, clock, time.time())}
    if Topics(settings).configs(settings.topics.events).get(TIMESTAMPS) == LOG_APPEND_TIME:
        newest = newest_timestamp(settings)  # stamped in the past: it tells of a clock that is behind, not ahead
        ahead["the broker"] = min(time.time() - newest, 0.0) if newest else 0.0
    wrong = {whose: seconds for whose, seconds in ahead.items() if abs(seconds) > BOUND_SECONDS}
    for whose, seconds in wrong.items():
        yield finding_of("clock", "wrong", clock_fault(seconds, whose))
    if not wrong:
        yield Finding("clock", "ok", f"within {BOUND_SECONDS:.0f} s of {' and '.join(ahead)}")


def check_history(settings: Settings) -> Iterator[Finding]:
    """The histories in Redis are of this cluster, topic, problem and code, and the log goes on where they stand."""
    problem, history = settings.load_problem(), open_history(settings)
    bounds = bounds_of(settings)
    identity, first = history.holder(), next(iter(bounds))
    mine = Identity(bounds[first].cluster_id, first.topic, bounds[first].topic_id, problem.digest)
    if identity is not None and (fault := conflict(identity, mine, settings.deployment)):
        yield finding_of("history", "wrong", fault)
        return
    status, metas = history.status(), []
    faults: list[Fault] = []
    for part in bounds:
        try:
            if (meta := decode_meta(history.read_metas([part])[part])) is not None:
                check_compatible(part, bounds[part], meta, problem)
                metas.append(meta)
        except HistoryRefused as error:
            faults.append(Fault(error.problem, error.mend))
    faults += [fault for meta in metas if (fault := suspicion(meta, status))]
    for fault in dict.fromkeys(faults):
        yield finding_of("history", "wrong", fault)
    if not faults:
        folded = sum(meta.offset for meta in metas)
        yield Finding(
            "history", "ok", f"{len(metas)} of {len(bounds)} partitions have a history; {folded:,} records folded"
        )


def suspicion(meta: Meta, status: ServerStatus) -> Fault | None:
    """Why a history can't be trusted; None where it can."""
    if meta.suspect:
        return Fault(meta.suspect, REBUILD)
    evicted = status.evicted_since(meta.evictions)
    return evicted_fault(evicted) if evicted else None


def bounds_of(settings: Settings) -> dict[Part, Bounds]:
    """What Kafka knows of each partition of the events, but for what was committed."""
    topics = Topics(settings)
    topics.require("events")
    facts = topics.facts(settings.topics.events)
    bounds = {}
    with _Offsets(settings) as offsets:
        for number in range(facts.partitions):
            begin, end = offsets.of(number)
            known = end if settings.kafka.end_offsets else None
            part = Part(settings.topics.events, number)
            bounds[part] = Bounds(None, begin, known, facts.topic_id, facts.partitions, facts.cluster_id)
    return bounds


def newest_timestamp(settings: Settings) -> float | None:
    """The latest timestamp of the last record of each partition, seconds since 1970; None where nothing was read."""
    newest = None
    with _Offsets(settings) as offsets:
        count = Topics(settings).require("events")[settings.topics.events]
        lasts = [(number, end - 1) for number in range(count) for begin, end in [offsets.of(number)] if end > begin]
        for timestamp in offsets.timestamps(lasts):
            newest = max(newest or timestamp, timestamp)
    return newest


class _Offsets:
    """A consumer that looks at the partitions of the events. Raises BrokerError where it can't."""

    def __init__(self, settings: Settings) -> None:
        self._topic = settings.topics.events
        self._consumer = make_client(
            Consumer,
            {
                **client_settings(settings),
                "group.id": consumer_group(settings.deployment, SCORER),
                "enable.auto.commit": False,
                "log_level": 0,
            },
        )

    def __enter__(self) -> "_Offsets":
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def of(self, partition: int) -> tuple[int, int]:
        """Where a partition begins, and the offset after its last record."""
        try:
            begin, end = self._consumer.get_watermark_offsets(
                TopicPartition(self._topic, partition), timeout=_ANSWER_SECONDS
            )
        except KafkaException as error:
            raise BrokerError(f"Kafka can't say what {self._topic} holds: {error.args[0].str()}") from None
        return int(begin), int(end)

    def timestamps(self, offsets: list[tuple[int, int]]) -> Iterator[float]:
        """Timestamps of these records, seconds since 1970, as far as they come within a short time."""
        self._consumer.assign([TopicPartition(self._topic, *one) for one in offsets])
        deadline, waiting = time.monotonic() + _READ_SECONDS, {number for number, _ in offsets}
        while waiting and time.monotonic() < deadline:
            for message in self._consumer.consume(len(offsets), 0.2):
                if message.error() is None:
                    waiting.discard(message.partition() or 0)
                    yield message.timestamp()[1] / 1000.0


def open_history(settings: Settings) -> RedisHistory:
    """The history, to look at."""
    fence = RedisFence.of(settings, LaneMetrics())  # the times that keys live matter to writers only
    return RedisHistory(fence, settings.deployment, forget_days=1.0, ledger_seconds=1.0)


def redis_version(settings: Settings) -> str:
    """What the server calls itself."""
    import redis

    try:
        with redis.Redis.from_url(settings.redis.url, socket_timeout=settings.redis.timeout_seconds) as client:
            server = client.info("server")
    except redis.RedisError:
        return "unknown"
    return str(server.get("valkey_version") or server.get("redis_version") or "unknown")
