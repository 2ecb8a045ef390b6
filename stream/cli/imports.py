"""`noisegate import csv` and `noisegate import servicenow`: a table into an event log."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli import options
from stream.console import print_json, stage_bars, stdout_console

if TYPE_CHECKING:
    from stream.lab.sources.mapping import Mapping
    from stream.lab.sources.table import Table

app = typer.Typer(no_args_is_help=True, help="Turn a table into an event log.")
Output = Annotated[Path, typer.Option("--output", "-o", help="Event log to write, .jsonl or .jsonl.gz.")]
Source = Annotated[
    Path, typer.Argument(help="Table to read: a CSV file, plain or .gz, whose first line names the columns.")
]


@app.callback()
def verbs() -> None:
    """Turn a table into an event log."""


@app.command("csv")
def csv_table(
    file: Source,
    mapping: Annotated[Path, typer.Option(help="TOML file that says which column is what.")],
    output: Output,
    as_json: options.AsJson = False,
) -> None:
    """Import any table, by a mapping file. Rows that can't be used are counted by reason."""
    from stream.lab.sources.mapping import load_mapping
    from stream.lab.sources.table import Table

    rules = load_mapping(mapping)
    _import(Table(file, rules.delimiter, rules.encoding), rules, output, as_json)


@app.command("servicenow")
def servicenow(
    file: Source,
    output: Output,
    time_format: Annotated[
        str, typer.Option(help="Format of times: rfc3339, day_first, month_first, or a strptime format.")
    ] = "rfc3339",
    zone: Annotated[str, typer.Option(help="Time zone of times that do not name one.")] = "UTC",
    encoding: Annotated[str, typer.Option(help="Text encoding of the export.")] = "utf-8-sig",
    automation: Annotated[
        list[str] | None,
        typer.Option(
            help="Pattern of accounts that are not people, such as 'svc_*'. Adds to the built-in ones; may be repeated."
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Import an incident export of ServiceNow, with one row for each incident or each update of one."""
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
    from stream.lab.sources.importer import import_table

    with stage_bars() as report_progress:
        summary = import_table(table, mapping, output, report_progress)
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
