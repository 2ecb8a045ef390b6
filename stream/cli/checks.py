"""What `noisegate doctor` looks at: one function a thing, each says what it found and how to mend what is wrong."""

import time
from collections import Counter
from collections.abc import Iterator

from stream.cli.finding import Check, Finding, Verdict
from stream.cli.history_checks import check_clocks, check_history, check_redis
from stream.cli.promoting import load_checked
from stream.cli.topics import retention_warnings, size_warnings, timestamp_warning, topic_facts
from stream.config import Settings
from stream.core.errors import BadRecord, ModelError, NoisegateError, SettingsError, StoreAway
from stream.core.events import Raised, Tick, decode_event, is_simulated, unknown_fields
from stream.kafka import Topics, partition_chooser
from stream.lab.unused import count_names, fields_sentence
from stream.models.loading import Loader
from stream.models.pointers import CHALLENGER, CHAMPION
from stream.models.store import Store, no_champion
from stream.reader import Reader

SAMPLED = 500  # records of each partition
SAMPLE_SECONDS = 10.0
STRAY_SHARE = 0.05  # fewer are strays, mended long ago perhaps: the log keeps them
GROWTH_TEAMS = 5  # that must have moved before their topic is said to have grown
PARTITIONERS = ("murmur2_random", "consistent_random")  # the two that differ where there is a key
_SAME_COUNT = ("events", "enriched", "outcomes")


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
    """Kafka is there, with all topics, equal partition counts, an unlimited log of events, room for any record."""
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
    for warning in size_warnings(facts, settings.kafka_bootstrap_servers):
        found, _, mend = warning.rpartition("; ")
        yield Finding("record size", "warning", found, mend)
    if stamped := timestamp_warning(facts, settings.kafka_bootstrap_servers):
        found, _, mend = stamped.rpartition("; ")
        yield Finding("timestamps", "warning", found, mend)


def check_partitioner(settings: Settings) -> Iterator[Finding]:
    """The records of alerts.events are where the setting `partitioner` puts their teams, and are read whole."""
    placed, count, unread = sample_teams(settings)
    if told := fields_sentence(unread):
        found, _, mend = told.removesuffix(".").rpartition("; ")
        yield Finding("fields", "warning", f"{found}, of the newest records", mend)
    if not placed:
        yield Finding("partitioner", "ok", f"{settings.partitioner}; no events to hold it against yet")
        return
    fits = {}
    for name in dict.fromkeys((settings.partitioner, *PARTITIONERS)):
        fits[name] = _fits(name, placed, (count,))
    mine, total = fits[settings.partitioner], len(placed)
    if mine == total:
        yield Finding("partitioner", "ok", f"{total:,} sampled records are where {settings.partitioner} puts them")
        return
    if before := _count_before(settings.partitioner, placed, count):
        told = f"sampled records are where {settings.partitioner} puts them, of {count} partitions or of {before}"
        yield Finding("partitioner", "ok", f"{total:,} {told}, as from before the topic grew")
        return
    found = f"{total - mine:,} of {total:,} sampled records are not where {settings.partitioner} puts their teams"
    best = max(fits, key=lambda name: fits[name])
    if fits[best] == total:
        mend = f"the producers use {best}: set NOISEGATE_PARTITIONER={best}, or theirs to {settings.partitioner}"
    else:
        mend = f"producers disagree ({best} fits most): give all of them the key team and one partitioner"
    verdict: Verdict = "warning" if mine > (1.0 - STRAY_SHARE) * total else "wrong"
    yield Finding("partitioner", verdict, found, f"{mend}; then `noisegate failed replay --reason misrouted`")


def _count_before(partitioner: str, placed: list[tuple[str, int]], count: int) -> int | None:
    """The partition count that a topic had before it grew, where that explains every record that is elsewhere now.

    Few teams prove nothing: some count explains one record in a wrong partition almost always.
    """
    choose = partition_chooser(partitioner, count)
    moved = [(team, partition) for team, partition in placed if choose(team) != partition]
    if len({team for team, _ in moved}) < GROWTH_TEAMS:
        return None
    counts = (earlier for earlier in range(count - 1, 0, -1) if _fits(partitioner, moved, (earlier,)) == len(moved))
    return next(counts, None)


def _fits(partitioner: str, placed: list[tuple[str, int]], counts: tuple[int, ...]) -> int:
    """How many records are where a partitioner puts their teams, of any of these partition counts."""
    choosers = [partition_chooser(partitioner, count) for count in counts]
    return sum(any(choose(team) == partition for choose in choosers) for team, partition in placed)


def sample_teams(settings: Settings) -> tuple[list[tuple[str, int]], int, Counter[str]]:
    """Teams and partitions of some records of alerts.events, its partition count, and fields that nothing reads."""
    placed, unread = [], Counter[str]()
    with Reader(settings, [settings.events_topic], SAMPLED if settings.broker_end_offsets else None) as reader:
        deadline, read = time.monotonic() + SAMPLE_SECONDS, 0
        count = reader.partitions[settings.events_topic]
        while not reader.at_end and read < SAMPLED * count and time.monotonic() < deadline:
            found = reader.read(0.05, SAMPLED)
            read += len(found)
            for message in found:
                value = message.value() or b""
                try:
                    event = decode_event(value)
                except BadRecord:
                    continue
                count_names(unknown_fields(event, value), unread)
                if not isinstance(event, Tick):
                    placed.append((event.team, message.partition() or 0))
    return placed, count, unread


def check_models(settings: Settings) -> Iterator[Finding]:
    """The champion can be served for this problem."""
    try:
        store = Store(settings.model_store)
        loader = Loader(store, settings.load_problem(), settings.model_cache, settings.deployment)
        loader.pointer_bytes(CHAMPION)  # a store that was emptied is away
        pointer, challenger = store.pointer(CHAMPION), store.pointer(CHALLENGER)
    except StoreAway as error:
        found, _, mend = str(error).partition("; ")
        yield Finding("model", "wrong", found, mend or "let this machine reach model_store")
        return
    except ModelError as error:
        yield Finding("model", "wrong", str(error), "run `noisegate models rollback`, or promote a sound version")
        return
    if pointer is None:
        found, _, mend = no_champion(store).partition("; ")
        yield Finding("model", "warning", found, mend)
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


def check_simulated(settings: Settings) -> Iterator[Finding]:
    """A champion made of simulated alerts scores simulated alerts only."""
    store = Store(settings.model_store)
    pointer = store.pointer(CHAMPION)
    made_up = [one for one in (pointer.versions if pointer else ()) if store.manifest(one).training.simulated]
    if not made_up:
        return
    alerts = sample_alerts(settings)
    real = sum(not is_simulated(alert) for alert in alerts)
    if real:
        found = (
            f"{', '.join(made_up)} was made of simulated alerts, and {real:,} of {len(alerts):,} sampled alerts are "
            "not simulated: their scores mean nothing, and are flagged `simulated`"
        )
        mend = "train a model on your own log (`noisegate lab train`), and name its store in NOISEGATE_MODEL_STORE"
        yield Finding("simulated", "warning", found, mend)


def sample_alerts(settings: Settings) -> list[Raised]:
    """Some of the newest alerts of alerts.events."""
    alerts: list[Raised] = []
    with Reader(settings, [settings.events_topic], SAMPLED if settings.broker_end_offsets else None) as reader:
        deadline, read = time.monotonic() + SAMPLE_SECONDS, 0
        most = SAMPLED * reader.partitions[settings.events_topic]
        while not reader.at_end and read < most and time.monotonic() < deadline:
            found = reader.read(0.05, SAMPLED)
            read += len(found)
            for message in found:
                try:
                    event = decode_event(message.value() or b"")
                except BadRecord:
                    continue
                if isinstance(event, Raised):
                    alerts.append(event)
    return alerts


CHECKS: dict[str, tuple[Check, *tuple[str, ...]]] = {  # what each needs of those before it
    "problem": (check_problem,),
    "kafka": (check_topics,),
    "partitioner": (check_partitioner, "kafka"),
    "redis": (check_redis,),
    "clock": (check_clocks, "kafka", "redis"),
    "history": (check_history, "problem", "kafka", "redis"),
    "model": (check_models, "problem"),
    "simulated": (check_simulated, "kafka", "model"),
}
