"""`noisegate import csv` and `noisegate import servicenow`: a table into an event log."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli import options

if TYPE_CHECKING:
    from stream.lab.sources.mapping import Mapping
    from stream.lab.sources.table import Table

app = typer.Typer(no_args_is_help=True, help="Turn a table of your own into an event log.")
Output = Annotated[Path, typer.Option("--output", "-o", help="The event log to write, .jsonl or .jsonl.gz.")]
Source = Annotated[Path, typer.Argument(help="The table, CSV, plain or .gz, its first line naming the columns.")]


@app.callback()
def verbs() -> None:
    """Turn a table of your own into an event log."""


@app.command("csv")
def csv_table(
    file: Source,
    mapping: Annotated[Path, typer.Option(help="A TOML file: which column is what.")],
    output: Output,
    as_json: options.AsJson = False,
) -> None:
    """Any table, by a mapping file; rows that can't be used are counted by reason."""
    from stream.lab.sources.mapping import load_mapping
    from stream.lab.sources.table import Table

    rules = load_mapping(mapping)
    _import(Table(file, rules.delimiter, rules.encoding), rules, output, as_json)


@app.command("servicenow")
def servicenow(
    file: Source,
    output: Output,
    time_format: Annotated[
        str, typer.Option(help="How times are written: rfc3339, day_first, month_first or strptime's letters.")
    ] = "rfc3339",
    zone: Annotated[str, typer.Option(help="The time zone of times that don't tell theirs.")] = "UTC",
    encoding: Annotated[str, typer.Option(help="The export's encoding.")] = "utf-8-sig",
    automation: Annotated[
        list[str] | None,
        typer.Option(help="Pattern of an account that is no person, such as 'svc_*'; beside the usual ones."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """An incident export of ServiceNow: one row an incident, or one row an update of one."""
    from stream.core.errors import LogError
    from stream.lab.sources.mapping import TimeRule
    from stream.lab.sources.servicenow import AUTOMATION, servicenow_mapping
    from stream.lab.sources.table import Table
    from stream.lab.sources.times import time_reader

    try:
        time_reader(time_format, zone)
    except ValueError as error:
        raise LogError(str(error)) from None
    table = Table(file, encoding=encoding)
    mapping = servicenow_mapping(table, TimeRule(time_format, zone), (*AUTOMATION, *(automation or ())))
    _import(table, mapping, output, as_json)


def _import(table: "Table", mapping: "Mapping", output: Path, as_json: bool) -> None:
    from stream.bars import stage_bars
    from stream.lab.sources.importing import import_table

    with stage_bars(stderr_console()) as told:
        summary = import_table(table, mapping, output, told)
    if as_json:
        print_json(summary)
        return
    console = stdout_console()
    console.print(f"{summary.rows:,} rows made {summary.alerts:,} alerts and {summary.actions:,} actions", markup=False)
    for what, counts in (("rows", summary.dropped_rows), ("actions", summary.dropped_actions)):
        for reason, dropped in counts.items():
            told_as = f"dropped {dropped.count:,} {what}: {reason}, the first in row {dropped.first_row}"
            console.print(told_as, markup=False)
    console.print(f"written to {output}", markup=False)
