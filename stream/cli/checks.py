"""What `noisegate doctor` looks at: one function a thing, each says what it found and how to mend what is wrong."""

import time
from collections.abc import Callable, Iterator
from typing import Literal

from msgspec import Struct

from stream.cli.promoting import load_checked
from stream.cli.topics import retention_warnings, topic_facts
from stream.config import Settings
from stream.core.errors import BadRecord, ModelError, NoisegateError, SettingsError, StoreAway
from stream.core.events import Tick, decode_event
from stream.core.fold import VERSION
from stream.kafka import Topics, partition_chooser
from stream.lane.batch import Part
from stream.metrics import Metrics
from stream.models.pointers import CHALLENGER, CHAMPION
from stream.models.store import Store
from stream.reader import Reader
from stream.scorer.history import Wanted, decode_meta
from stream.scorer.redis_history import RedisHistory

SAMPLED = 500  # records of each partition
SAMPLE_SECONDS = 10.0
STRAY_SHARE = 0.05  # fewer are strays, mended long ago perhaps: the log keeps them
PARTITIONERS = ("murmur2_random", "consistent_random")  # the two that differ where there is a key
_SAME_COUNT = ("events", "enriched", "outcomes")

Verdict = Literal["ok", "warning", "wrong"]


class Finding(Struct, frozen=True):
    """What one check found; a mend where something is to be done."""

    check: str
    verdict: Verdict
    found: str
    mend: str | None = None


Check = Callable[[Settings], Iterator[Finding]]


def examine(settings: Settings) -> Iterator[Finding]:
    """Run every check whose needs were met; one that can't go on says why."""
    gone: set[str] = set()
    for name, (check, *needs) in CHECKS.items():
        if gone & {*needs}:
            gone.add(name)
            continue
        try:
            yield from check(settings)
        except NoisegateError as error:
            gone.add(name)
            found, _, mend = str(error).rpartition("; ")
            yield Finding(name, "wrong", found or mend, mend if found else None)


def check_problem(settings: Settings) -> Iterator[Finding]:
    """The problem file can be read."""
    problem = settings.load_problem()
    yield Finding("problem", "ok", f"{settings.problem}: {problem.id}: {problem.question}")


def check_topics(settings: Settings) -> Iterator[Finding]:
    """Kafka is there, with all topics, equal partition counts and an unlimited log of events."""
    facts = topic_facts(Topics(settings))
    yield Finding("kafka", "ok", f"{settings.kafka_bootstrap_servers} answers")
    missing = [fact["name"] for fact in facts if not fact["exists"]]
    if missing:
        yield Finding("topics", "wrong", f"{', '.join(missing)} missing", "run `noisegate topics create`")
    counts = {fact["name"]: fact["partitions"] for fact in facts if fact["exists"] and fact["role"] in _SAME_COUNT}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} has {count}" for name, count in counts.items())
        mend = "make them anew with as many as alerts.events has, so that a team's records are in the same partition"
        yield Finding("topics", "warning", f"partition counts differ: {told}", mend)
    elif not missing:
        yield Finding("topics", "ok", f"all there, {next(iter(counts.values()))} partitions")
    for warning in retention_warnings(facts):
        found, _, mend = warning.rpartition("; ")
        yield Finding("retention", "warning", found, mend)


def check_partitioner(settings: Settings) -> Iterator[Finding]:
    """The records of alerts.events are where the setting `partitioner` puts their teams."""
    placed, count = sample_teams(settings)
    if not placed:
        yield Finding("partitioner", "ok", f"{settings.partitioner}; no events to hold it against yet")
        return
    fits = {}
    for name in dict.fromkeys((settings.partitioner, *PARTITIONERS)):
        choose = partition_chooser(name, count)
        fits[name] = sum(choose(team) == partition for team, partition in placed)
    mine, total = fits[settings.partitioner], len(placed)
    if mine == total:
        yield Finding("partitioner", "ok", f"{total:,} sampled records are where {settings.partitioner} puts them")
        return
    found = f"{total - mine:,} of {total:,} sampled records are not where {settings.partitioner} puts their teams"
    best = max(fits, key=lambda name: fits[name])
    if fits[best] == total:
        mend = f"the producers use {best}: set NOISEGATE_PARTITIONER={best}, or theirs to {settings.partitioner}"
    else:
        mend = f"producers disagree ({best} fits most): give all of them the key team and one partitioner"
    verdict: Verdict = "warning" if mine > (1.0 - STRAY_SHARE) * total else "wrong"
    yield Finding("partitioner", verdict, found, f"{mend}; then `noisegate failed replay --reason misrouted`")


def sample_teams(settings: Settings) -> tuple[list[tuple[str, int]], int]:
    """Teams and partitions of some records of alerts.events, and how many partitions it has."""
    placed = []
    with Reader(settings, [settings.events_topic], SAMPLED if settings.broker_end_offsets else None) as reader:
        deadline, read = time.monotonic() + SAMPLE_SECONDS, 0
        count = reader.partitions[settings.events_topic]
        while not reader.at_end and read < SAMPLED * count and time.monotonic() < deadline:
            found = reader.read(0.2, SAMPLED)
            read += len(found)
            for message in found:
                try:
                    event = decode_event(message.value() or b"")
                except BadRecord:
                    continue
                if not isinstance(event, Tick):
                    placed.append((event.team, message.partition() or 0))
    return placed, count


def check_redis(settings: Settings) -> Iterator[Finding]:
    """Redis is there and never evicts."""
    open_history(settings).check()
    yield Finding("redis", "ok", f"answers, noeviction, version {redis_version(settings)}")


def check_history(settings: Settings) -> Iterator[Finding]:
    """The histories in Redis are of this topic, this problem and this code."""
    problem, topics = settings.load_problem(), Topics(settings)
    count, topic_id = topics.require("events")[settings.events_topic], topics.topic_id(settings.events_topic)
    found = open_history(settings).read({Part(settings.events_topic, number): Wanted(0) for number in range(count)})
    metas = [meta for meta in (decode_meta(one.meta) for one in found.values()) if meta]
    theirs = {(meta.topic_id, meta.layout, meta.problem, meta.fold_version) for meta in metas}
    if theirs - {(topic_id, count, problem.digest, VERSION)}:
        fault = "the history in Redis is of another topic, partition count, problem or fold than now"
        yield Finding("history", "wrong", fault, "run `noisegate history rebuild`")
    else:
        folded = sum(meta.offset for meta in metas)
        yield Finding("history", "ok", f"{len(metas)} of {count} partitions have one, {folded:,} records folded")


def open_history(settings: Settings) -> RedisHistory:
    """The history, to look at."""
    return RedisHistory(
        settings.redis_url,
        settings.deployment,
        settings.history_timeout_seconds,
        forget_days=1.0,
        ledger_seconds=1.0,
        metrics=Metrics(),
    )  # the times that keys live matter to writers only


def redis_version(settings: Settings) -> str:
    """What the server calls itself."""
    import redis

    try:
        with redis.Redis.from_url(settings.redis_url, socket_timeout=settings.history_timeout_seconds) as client:
            told = client.info("server")
    except redis.RedisError:
        return "unknown"
    return str(told.get("valkey_version") or told.get("redis_version") or "unknown")


def check_models(settings: Settings) -> Iterator[Finding]:
    """The champion can be served for this problem."""
    try:
        store = Store(settings.model_store)
        pointer, challenger = store.pointer(CHAMPION), store.pointer(CHALLENGER)
    except StoreAway as error:
        yield Finding("model", "wrong", str(error), "let this machine reach model_store")
        return
    except ModelError as error:
        yield Finding("model", "wrong", str(error), "run `noisegate models rollback`, or promote a sound version")
        return
    if pointer is None:
        mend = "train a model (`noisegate lab train`) and `noisegate models promote` it; until then alerts are unscored"
        yield Finding("model", "warning", f"{settings.model_store}: no CHAMPION", mend)
    for version in pointer.versions if pointer else ():
        yield check_version(settings, store, version, "run `noisegate models rollback`, or promote a sound version")
    for version in challenger.versions if challenger else ():
        yield check_version(
            settings, store, version, "run `noisegate models challenge --none`, or name a sound version"
        )


def check_version(settings: Settings, store: Store, version: str, mend: str) -> Finding:
    """A version that a pointer names can be served."""
    try:
        load_checked(settings, store, version)
    except SettingsError as error:
        return Finding("model", "wrong", str(error), "set model_keys to a file of public keys")
    except ModelError as error:
        return Finding("model", "wrong", str(error), mend)
    return Finding("model", "ok", f"{version} can be served")


CHECKS: dict[str, tuple[Check, *tuple[str, ...]]] = {  # what each needs of those before it
    "problem": (check_problem,),
    "kafka": (check_topics,),
    "partitioner": (check_partitioner, "kafka"),
    "redis": (check_redis,),
    "history": (check_history, "problem", "kafka", "redis"),
    "model": (check_models, "problem"),
}
