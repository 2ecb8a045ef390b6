"""The table of doctor's checks, and those of problem file, topics and partitioner."""

import math
import time
from collections import Counter
from collections.abc import Iterator

from stream.cli.doctor.finding import Check, Finding, Verdict, finding_of
from stream.cli.doctor.history import check_clocks, check_history, check_redis
from stream.cli.doctor.models import check_models, check_simulated
from stream.cli.doctor.relay import check_relay
from stream.cli.doctor.rules import check_closers, check_rules
from stream.cli.doctor.sample import open_sample, sample_events
from stream.cli.doctor.targets import check_targets
from stream.cli.topics import retention_warnings, size_warnings, timestamp_warning, topic_facts
from stream.config import Settings
from stream.core.errors import NoisegateError
from stream.core.events import Acted, Raised, Tick, unknown_fields, words_for
from stream.core.kinds import PERSON, acted_by, is_drill
from stream.core.problem import DAY_SECONDS, Problem
from stream.kafka.partitioner import partition_chooser
from stream.kafka.reader import Reader
from stream.kafka.topics import Topics
from stream.lab.log_warnings import count_names, fields_fault

STRAY_SHARE = 0.05  # fewer are strays, mended long ago perhaps: the log keeps them
GROWTH_TEAMS = 5  # that must have moved before their topic is said to have grown
LEAST_ALERTS = 100  # without an act by a person that are told of
_ACT_DAYS = 7.0
PARTITIONERS = ("murmur2_random", "consistent_random")  # the two that differ where there is a key
_NEEDED = ("events", "enriched", "outcomes", "failed")  # by the scorer
_SAME_COUNT = ("events", "enriched", "outcomes")


def run_checks(settings: Settings) -> Iterator[Finding]:
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
            yield Finding(name, "wrong", error.problem, error.mend)


def check_problem(settings: Settings) -> Iterator[Finding]:
    """The problem file can be read."""
    problem = settings.load_problem()
    yield Finding("problem", "ok", f"{settings.problem}: {problem.id}: {problem.question}")


def check_topics(settings: Settings) -> Iterator[Finding]:
    """Kafka is there, with all topics, equal partition counts, an unlimited log of events, room for any record."""
    facts = topic_facts(Topics(settings))
    yield Finding("kafka", "ok", f"{settings.kafka.bootstrap_servers} answers")
    missing = [fact["name"] for fact in facts if not fact["exists"]]
    needed = [fact["name"] for fact in facts if not fact["exists"] and fact["role"] in _NEEDED]
    if missing:  # the others are of rooms that may not run here
        yield Finding(
            "topics", "wrong" if needed else "warning", f"{', '.join(missing)} missing", "run `noisegate topics create`"
        )
    counts = {fact["name"]: fact["partitions"] for fact in facts if fact["exists"] and fact["role"] in _SAME_COUNT}
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{name} has {count}" for name, count in counts.items())
        mend = "recreate them with as many as alerts.events has, so that a team's partition is the same in all"
        yield Finding("topics", "warning", f"partition counts differ: {found}", mend)
    elif not missing:
        yield Finding("topics", "ok", f"all there, {next(iter(counts.values()))} partitions")
    for warning in retention_warnings(facts):
        yield finding_of("retention", "warning", warning)
    for warning in size_warnings(facts, settings.kafka.bootstrap_servers):
        yield finding_of("record size", "warning", warning)
    if stamped := timestamp_warning(facts, settings.kafka.bootstrap_servers):
        yield finding_of("timestamps", "warning", stamped)


def check_partitioner(settings: Settings) -> Iterator[Finding]:
    """The records of alerts.events are where the setting `partitioner` puts their teams, and are read whole."""
    placed, count, unread = sample_teams(settings)
    if fault := fields_fault(unread):
        yield Finding("fields", "warning", f"{fault.problem}, of the newest records", fault.mend)
    if not placed:
        yield Finding("partitioner", "ok", f"{settings.kafka.partitioner}; no events to check it against yet")
        return
    fits = {}
    for name in dict.fromkeys((settings.kafka.partitioner, *PARTITIONERS)):
        fits[name] = _fits(name, placed, (count,))
    mine, total = fits[settings.kafka.partitioner], len(placed)
    if mine == total:
        yield Finding(
            "partitioner", "ok", f"{total:,} sampled records are where {settings.kafka.partitioner} puts them"
        )
        return
    if before := _count_before(settings.kafka.partitioner, placed, count):
        where = (
            f"sampled records are where {settings.kafka.partitioner} puts them, of {count} partitions or of {before}"
        )
        yield Finding("partitioner", "ok", f"{total:,} {where}: some are from before the topic grew")
        return
    found = f"{total - mine:,} of {total:,} sampled records are not where {settings.kafka.partitioner} puts their teams"
    best = max(fits, key=lambda name: fits[name])
    if fits[best] == total:
        mend = f"the producers use {best}: set NOISEGATE_PARTITIONER={best}, or theirs to {settings.kafka.partitioner}"
    else:
        mend = f"producers disagree ({best} fits most): make all of them use the team as key and the same partitioner"
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
    with open_sample(settings) as reader:
        for event, message in sample_events(reader):
            count_names(unknown_fields(event, message.value() or b""), unread)
            if not isinstance(event, Tick):
                placed.append((event.team, message.partition() or 0))
        return placed, reader.partitions[settings.topics.events], unread


def check_acts(settings: Settings) -> Iterator[Finding]:
    """People act on alerts, so that there is something to learn."""
    alerts, seconds, is_acted_on = sample_acts(settings, settings.load_problem())
    if is_acted_on or alerts < LEAST_ALERTS:
        few = "" if is_acted_on else f"too few alerts to tell: {alerts:,} in {_ACT_DAYS:g} days"
        yield Finding("acts", "ok", few or f"people acted within {_ACT_DAYS:g} days")
        return
    days = seconds / DAY_SECONDS
    when = f"in {_ACT_DAYS:g} days" if days > _ACT_DAYS - 1.0 else f"in the {words_for(seconds)} that were looked at"
    found = f"no act by a person {when} ({alerts:,} alerts): there is nothing to learn"
    mend = (
        "send what people do: webhooks of your incident tool to the intake, or Alertmanager's silences "
        "(intake_alertmanagers); producers of your own say who did it in `agent`"
    )
    yield Finding("acts", "warning", found, mend)


def sample_acts(settings: Settings, problem: Problem) -> tuple[int, float, bool]:
    """Alerts of the last days up to the first act by a person, the seconds they span, and whether there is one.

    It reads for `SAMPLE_SECONDS` at most; the span is then that of what was read.
    """
    actionable = frozenset(problem.outcome.actionable)
    alerts, first, last = 0, math.inf, -math.inf
    with Reader(settings, [settings.topics.events], since=time.time() - _ACT_DAYS * DAY_SECONDS) as reader:
        for event, message in sample_events(reader, None):
            first, last = min(first, message.timestamp()[1]), max(last, message.timestamp()[1])
            if isinstance(event, Tick) or is_drill(event.team):
                continue
            alerts += isinstance(event, Raised)
            if isinstance(event, Acted) and acted_by(event.kind, event.agent, actionable) == PERSON:
                return alerts, 0.0, True
    return alerts, max(last - first, 0.0) / 1000.0, False


CHECKS: dict[str, tuple[Check, *tuple[str, ...]]] = {  # what each needs of those before it
    "problem": (check_problem,),
    "kafka": (check_topics,),
    "partitioner": (check_partitioner, "kafka"),
    "redis": (check_redis,),
    "clock": (check_clocks, "kafka", "redis"),
    "history": (check_history, "problem", "kafka", "redis"),
    "model": (check_models, "problem"),
    "simulated": (check_simulated, "kafka", "model"),
    "acts": (check_acts, "problem", "kafka"),
    "relay": (check_relay,),
    "rules": (check_rules,),
    "closers": (check_closers, "redis", "rules"),
    "targets": (check_targets,),
}
