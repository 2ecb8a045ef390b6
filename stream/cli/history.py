"""`noisegate history ...`: what is remembered of a team, and folding it anew."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec import Struct

from stream.cli import options
from stream.console import format_time, print_json, stderr_console, stdout_console, strip_control_characters

if TYPE_CHECKING:
    from stream.config import Settings
    from stream.core.state import State
    from stream.scorer.rebuild.report import Report

app = typer.Typer(no_args_is_help=True, help="Show or rebuild the history in Redis.")
WINDOWS = ("1d", "7d", "30d", "ever")
_RECENT = 16  # last outcomes shown
_NEAR, _NEAR_SECONDS = 3, 1.0  # names suggested for an unknown one, found within that time


class Level(Struct, frozen=True):
    """One level's history at its partition's time; counts by half-life, outcomes newest first, 1 = acted on."""

    level: str
    raised: dict[str, float]
    decided: dict[str, float]
    acted: dict[str, float]
    rate: dict[str, float | None]  # acted / decided
    last_outcomes: list[int]
    open: int
    first_raised_at: str | None
    last_raised_at: str | None
    last_decided_at: str | None
    last_acted_at: str | None


@app.command()
def show(
    team: Annotated[str, typer.Argument(help="The team that owns the alerts.")],
    rule: Annotated[str | None, typer.Option(help="Also show the team's history with this rule.")] = None,
    entity: Annotated[str | None, typer.Option(help="Also show its history with this entity.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Show how often a team's alerts were raised, decided and acted on, recently and in total."""
    from stream.core.errors import NoisegateError

    settings = options.settings()
    partition, time, levels = read_levels(settings, team, rule, entity)
    if not levels:
        near = " or ".join(repr(name) for name in near_teams(settings, team))
        raise NoisegateError(
            f"partition {partition}, where team {team!r} belongs, holds no such history",
            f"did you mean {near}?" if near else "check the names",
        )
    if as_json:
        print_json({"team": team, "partition": partition, "time": format_time(time), "levels": levels})
        return
    console = stdout_console()
    console.print(f"[bold]{_escape(team)}[/bold], partition {partition}, at {format_time(time)} (event time)")
    console.print(_table(levels))
    for level in levels:
        recent = " ".join(str(outcome) for outcome in level.last_outcomes) or "none"
        console.print(f"{_escape(level.level)}: last outcomes, newest first: {recent}; {level.open:,} open alerts")
        console.print(
            f"  last raised {level.last_raised_at or 'never'}, decided {level.last_decided_at or 'never'}, "
            f"acted on {level.last_acted_at or 'never'}"
        )


@app.command()
def rebuild(
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Also replace a history that belongs to another Kafka cluster.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Fold the log into a new history and switch to it. The old history serves in the meantime.

    If alerts.events has grown, each record is folded in its team's present partition, and waiting alerts are scored.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

    from stream.scorer.rebuild.run import rebuild as rebuild_history

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=stderr_console()) as bars:
        tasks: dict[int, TaskID] = {}

        def report_progress(partition: int, done: int, todo: int) -> None:
            if partition not in tasks:
                tasks[partition] = bars.add_task(f"partition {partition}")
            bars.update(tasks[partition], completed=done, total=todo)

        rebuilt = rebuild_history(options.settings(), report_progress, take_over)
    if as_json:
        print_json(rebuilt)
        return
    console = stdout_console()
    for one in rebuilt.partitions:
        console.print(
            f"partition {one.partition}: generation {one.generation} serves from offset {one.offset:,}; "
            f"{one.keys_removed:,} old keys removed"
        )
    for sentence in _sentences(rebuilt):
        console.print(sentence, highlight=False, soft_wrap=True)


def _sentences(report: "Report") -> Iterator[str]:
    """What was done to the records, and what is left to do."""
    yield f"{_records(report.folded)} folded"
    if report.placed:
        yield f"of these, from another partition than their team's, and folded with their team: {report.placed:,}"
    if report.misrouted:
        yield (
            f"{_records(report.misrouted)} left out as misrouted; run"
            " `noisegate failed replay --reason misrouted` to have them scored"
        )
    if report.undecodable:
        yield f"{_records(report.undecodable)} left out that can't be used; see `noisegate failed list`"
    if report.unknown_actions:
        mend = "see `noisegate failed list --reason unknown_alert`"
        yield f"actions that found no alert: {report.unknown_actions:,}; {mend}"
    if report.published:
        counts = ", ".join(f"{count:,} {kind}" for kind, count in report.published.items())
        yield f"published, after waiting since the topic grew: {counts}"
    yield from report.notes


def _records(count: int) -> str:
    return f"{count:,} record{'' if count == 1 else 's'}"


def read_levels(
    settings: "Settings", team: str, rule: str | None, entity: str | None
) -> tuple[int, float, list[Level]]:
    """The partition, its time (seconds since 1970) and the levels that there are.

    Raises:
        BrokerError, HistoryAway, HistoryRefused: Kafka or Redis can't say.
    """
    from stream.core.errors import HistoryRefused
    from stream.core.state import unpack_state
    from stream.kafka.partitioner import partition_chooser
    from stream.kafka.records import Part
    from stream.kafka.topics import Topics
    from stream.metrics.scorer import ScorerMetrics
    from stream.scorer.history import Wanted, decode_meta
    from stream.scorer.redis_history import RedisHistory

    problem = settings.load_problem()
    count = Topics(settings).require("events")[settings.topics.events]
    part = Part(settings.topics.events, partition_chooser(settings.kafka.partitioner, count)(team))
    history = RedisHistory.of(settings, problem, ScorerMetrics())
    meta = decode_meta(history.read({part: Wanted(0)})[part].meta)
    if meta is None:
        raise HistoryRefused(f"no history of {part.topic}/{part.partition} is in Redis yet", "is a scorer running?")
    wanted = _keys(team, rule, entity)
    found = history.read({part: Wanted(meta.generation, list(wanted.values()))})[part].levels
    levels = [
        level_of(name, unpack_state(packed), meta.time)
        for name, packed in zip(wanted, found, strict=True)
        if packed is not None
    ]
    return part.partition, meta.time, levels


def near_teams(settings: "Settings", team: str) -> list[str]:
    """Teams that have a history and are called about the same, the nearest first; of those found within a second."""
    from difflib import get_close_matches

    from stream.kafka.records import Part
    from stream.kafka.topics import Topics
    from stream.metrics.scorer import ScorerMetrics
    from stream.scorer.history import Wanted, read_meta_or_none
    from stream.scorer.redis_history import RedisHistory

    history = RedisHistory.of(settings, settings.load_problem(), ScorerMetrics())
    count = Topics(settings).require("events")[settings.topics.events]
    found = history.read({Part(settings.topics.events, number): Wanted(0) for number in range(count)})
    metas = {part: meta for part, one in found.items() if (meta := read_meta_or_none(one.meta)) is not None}
    teams = history.teams({part: meta.generation for part, meta in metas.items()}, _NEAR_SECONDS)
    folded = {name.casefold(): name for name in sorted(teams) if name != team}
    return [folded[name] for name in get_close_matches(team.casefold(), list(folded), _NEAR)]


def level_of(name: str, level: "State", at: float) -> Level:
    """A level's state read at event time `at`, seconds since 1970."""
    from stream.core import state

    decay = state.decay_factors(level[state.LANDMARK], at).tolist()

    def counts(start: int) -> dict[str, float]:
        return {window: level[start + index] * decay[index] for index, window in enumerate(WINDOWS)}

    def moment(field: int) -> str | None:
        return format_time(level[field]) if math.isfinite(level[field]) else None

    decided, acted = counts(state.DECIDED), counts(state.ACTED)
    ring, valid = int(level[state.RING]), min(int(level[state.DECIDED + 3]), _RECENT)
    return Level(
        level=name,
        raised=counts(state.RAISED),
        decided=decided,
        acted=acted,
        rate={window: acted[window] / decided[window] if decided[window] > 1e-9 else None for window in WINDOWS},
        last_outcomes=[ring >> index & 1 for index in range(valid)],
        open=int(level[state.OPEN]),
        first_raised_at=moment(state.FIRST),
        last_raised_at=moment(state.LAST_RAISED),
        last_decided_at=moment(state.LAST_DECIDED),
        last_acted_at=moment(state.LAST_ACTED),
    )


def _keys(team: str, rule: str | None, entity: str | None) -> dict[str, str]:
    """The levels' keys, by what they are called here."""
    from stream.core.levels import level_keys

    of_team, of_rule, of_entity, of_both = level_keys(team, rule or "", entity or "", (), ())
    keys = {team: of_team}
    if rule is not None:
        keys[f"{team} / {rule}"] = of_rule
    if entity is not None:
        keys[f"{team} / {entity}"] = of_entity
    if rule is not None and entity is not None:
        keys[f"{team} / {rule} / {entity}"] = of_both
    return keys


def _table(levels: list[Level]) -> Any:
    from rich.table import Table

    table = Table("level", "half-life")
    for name in ("raised", "decided", "acted on", "rate"):
        table.add_column(name, justify="right")
    for level in levels:
        for window in WINDOWS:
            rate = level.rate[window]
            table.add_row(
                _escape(level.level) if window == WINDOWS[0] else "",
                window,
                f"{level.raised[window]:,.1f}",
                f"{level.decided[window]:,.1f}",
                f"{level.acted[window]:,.1f}",
                "-" if rate is None else f"{rate:.0%}",
                end_section=window == WINDOWS[-1],
            )
    return table


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(strip_control_characters(text))
