"""`noisegate import`: a table into an event log, by a mapping of one's own or by one that comes with noisegate."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli import options
from stream.console import print_json, print_notice, stage_bars, stdout_console

if TYPE_CHECKING:
    from stream.lab.sources.mapping import Mapping
    from stream.lab.sources.summary import Summary
    from stream.lab.sources.table import Table

NOT_WRITTEN = 3  # the exit status where a log would be worthless

app = typer.Typer(no_args_is_help=True, help="Turn a table into an event log.")
Output = Annotated[Path, typer.Option("--output", "-o", help="Event log to write, .jsonl or .jsonl.gz.")]
Source = Annotated[Path, typer.Argument(help="Table to read: a CSV file, plain or .gz, or an Excel workbook.")]
TimeFormat = Annotated[
    list[str] | None,
    typer.Option(
        help="Format of times: auto, rfc3339, day_first, month_first, epoch, epoch_ms, epoch_us, epoch_ns, excel or a "
        "strptime format. May be repeated; the first that reads a time counts. Default: the mapping's, or auto.",
        show_default=False,
    ),
]
Zone = Annotated[
    str | None,
    typer.Option(help="Time zone of times that do not name one. Default: the mapping's, or UTC.", show_default=False),
]
Encoding = Annotated[
    str | None, typer.Option(help="Text encoding. Default: the mapping's, or found.", show_default=False)
]
Delimiter = Annotated[
    str | None, typer.Option(help="Delimiter of cells, or tab. Default: the mapping's, or found.", show_default=False)
]
HeaderRow = Annotated[
    int | None,
    typer.Option(
        min=1, help="Row that names the columns. Default: the mapping's, or found in the first 50.", show_default=False
    ),
]
Sheet = Annotated[
    str | None, typer.Option(help="Sheet of a workbook. Default: the one with the columns.", show_default=False)
]
Automation = Annotated[
    list[str] | None,
    typer.Option(
        help="Pattern of accounts that are not people, such as 'svc_*'. Adds to those of the mapping; may be repeated."
    ),
]
Accept = Annotated[
    bool, typer.Option("--accept", help="Write the log although a finding says that it would be worthless.")
]


@app.callback()
def verbs() -> None:
    """Turn a table into an event log."""


@app.command("csv")
def csv_table(
    file: Source,
    mapping: Annotated[Path, typer.Option(help="TOML file that says which column is what.")],
    output: Output,
    time_format: TimeFormat = None,
    zone: Zone = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    header_row: HeaderRow = None,
    sheet: Sheet = None,
    automation: Automation = None,
    accept: Accept = False,
    as_json: options.AsJson = False,
) -> None:
    """Import any table, by a mapping file. Rows that can't be used are counted by reason."""
    from stream.lab.sources.products import Overrides, mapped_table

    given = Overrides(
        delimiter=delimiter, encoding=encoding, header_row=header_row, sheet=sheet, formats=time_format or (),
        zone=zone, automation=automation or (),
    )  # fmt: skip
    table, rules = mapped_table(file, mapping, given)
    _import(table, rules, output, accept, as_json)


def _product_verb(product: str) -> Callable[..., None]:
    def verb(
        file: Source,
        output: Output,
        time_format: TimeFormat = None,
        zone: Zone = None,
        encoding: Encoding = None,
        delimiter: Delimiter = None,
        header_row: HeaderRow = None,
        sheet: Sheet = None,
        automation: Automation = None,
        accept: Accept = False,
        as_json: options.AsJson = False,
    ) -> None:
        from stream.lab.sources.products import PRODUCTS, Overrides, copy_mend, product_table

        given = Overrides(
            delimiter=delimiter,
            encoding=encoding,
            header_row=header_row,
            sheet=sheet,
            formats=time_format or (),
            zone=zone,
            automation=automation or (),
        )
        table, rules = product_table(file, product, given)
        _import(table, rules, output, accept, as_json, copy_mend(PRODUCTS[product]))

    return verb


for _product, _what in {
    "servicenow": "an incident export of ServiceNow, with one row for each incident or each update of one",
    "jira": "Jira's CSV export of a search, with one row for each issue",
    "zabbix": "Zabbix's export of problems, with one row for each problem",
}.items():
    app.command(_product, help=f"Import {_what}.")(_product_verb(_product))


@app.command("mapping")
def mapping(
    name: Annotated[str, typer.Argument(help="Mapping to print: servicenow, servicenow_updates, jira or zabbix.")],
) -> None:
    """Print a mapping that comes with noisegate, to copy and change for `import csv`."""
    from stream.lab.sources.mapping import built_in

    sys.stdout.write(built_in(name).read_text(encoding="utf-8"))


def _import(
    table: "Table", rules: "Mapping", output: Path, accept: bool, as_json: bool, mend: str | None = None
) -> None:
    from stream.lab.sources.importer import import_table

    with stage_bars() as report_progress:
        summary = import_table(table, rules, output, report_progress, accept=accept, mend=mend)
    if as_json:
        print_json(summary)
    else:
        _print_summary(summary)
    if not summary.written:
        print_notice(f"noisegate: {output} was not written, as it would be worthless; --accept writes it all the same")
        raise typer.Exit(NOT_WRITTEN)
    if not as_json:
        stdout_console().print(f"written to {output}", markup=False)


def _print_summary(summary: "Summary") -> None:
    from stream.lab.sources.summary import shown

    console = stdout_console()
    console.print(f"{summary.rows:,} rows made {summary.alerts:,} alerts and {summary.actions:,} actions", markup=False)
    for what, counts in (("rows", summary.dropped_rows), ("actions", summary.dropped_actions)):
        for reason, dropped in counts.items():
            value = "" if dropped.first_value is None else f": {shown(dropped.first_value)}"
            console.print(
                f"dropped {dropped.count:,} {what}: {reason}, the first in row {dropped.first_row}{value}", markup=False
            )
    if summary.read_as:
        console.print(f"read as: {'; '.join(summary.read_as)}", markup=False)
    for finding in summary.findings:
        console.print(f"! {finding.text}", markup=False)
