"""`noisegate lab pull`: what is in Kafka, as an event log to train on."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from stream.console import print_json, stage_bars
from stream.lab.cli import options
from stream.lab.cli.output import table_console
from stream.lab.log_warnings import fields_sentence

_WHEN = "a length before now (30d, 12h) or a time (2026-03-01T00:00:00Z)"


def pull_command(
    context: typer.Context,
    output: Annotated[Path, typer.Option("--output", "-o", help="Event log to write: .jsonl, .jsonl.gz or .parquet.")],
    since: Annotated[str | None, typer.Option(help=f"Start, in event time: {_WHEN}. Default: the beginning.")] = None,
    until: Annotated[str | None, typer.Option(help=f"End (exclusive), in event time: {_WHEN}.")] = None,
    decisions: Annotated[
        Path | None,
        typer.Option(help="File to write the hold-out decisions of rules to (.jsonl or .jsonl.gz), for --decisions."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Write alerts.events from Kafka to an event log, in the order in which the live folds saw it."""
    from stream.config import load_settings
    from stream.core.events import parse_past, parse_when
    from stream.lab.sources.decisions import pull_decisions
    from stream.lab.sources.pull import Pulled, pull

    settings = load_settings(file=context.obj)
    now = time.time()
    begin = None if since is None else parse_past(since, "--since", now)
    end = None if until is None else parse_when(until, "--until", now)
    with stage_bars() as report_progress:
        pulled: Pulled = pull(settings, output, begin, end, report_progress)
    held_out = None if decisions is None else pull_decisions(settings, decisions)
    if as_json:
        print_json(pulled)
        return
    console = table_console()
    console.print(
        f"{pulled.records:,} records of {escape(pulled.topic)} made {pulled.alerts:,} alerts, {pulled.actions:,} "
        f"actions and {pulled.ticks:,} ticks ({pulled.ticks_left_out:,} that change nothing were left out), "
        f"{pulled.first_at:%Y-%m-%d %H:%M} to {pulled.last_at:%Y-%m-%d %H:%M} UTC",
        highlight=False,
    )
    if pulled.outside:
        console.print(f"outside of --since and --until: {pulled.outside:,}", highlight=False)
    if pulled.moved:
        console.print(f"later than the grace, put where they happened: {pulled.moved:,}", highlight=False)
    if pulled.elsewhere:
        console.print(
            f"in another partition than their team's, written before the topic grew: {pulled.elsewhere:,}",
            highlight=False,
        )
    for reason, left in pulled.left_out.items():
        console.print(f"left out: {left.count:,} {reason}, the first {escape(left.first)}", highlight=False)
    if unread := fields_sentence(pulled.unknown_fields):
        console.print(unread, markup=False, highlight=False)
    console.print(f"written to {escape(pulled.output)}", highlight=False)
    if decisions is not None:
        console.print(f"{held_out:,} hold-out decisions written to {escape(str(decisions))}", highlight=False)
