"""Small tables, their mappings, and the way from one to the other."""

from pathlib import Path
from typing import Any

from stream.core.events import Event
from stream.eventlog import read_log
from stream.lab.sources.importer import import_table
from stream.lab.sources.mapping import Mapping, column_names, parse_mapping
from stream.lab.sources.products import PRODUCTS, Overrides, copy_mend, product_table
from stream.lab.sources.summary import Summary
from stream.lab.sources.table import Table

NOW = 1_795_694_400.0  # 2026-11-26T12:00:00Z
ALERT = """
form = "alert"
[columns]
alert_id = "id"
at = "opened"
team = "team"
rule = ["check", "part"]
entity = "host"
labels = { env = "env" }
[defaults]
entity = "unknown"
[[action]]
at = "closed"
kind_column = "outcome"
kinds = { fixed = "remediated", noise = "dismissed" }
actor = "who"
"""
ALERT_HEADER = "id,opened,team,check,part,host,env,closed,outcome,who\n"
ALERT_ROW = "A1,2026-03-01T10:00:00Z,payments,disk,full,db-7,prod,2026-03-01T10:20:00Z,fixed,ana\n"
UPDATE = """
form = "update"
[time]
format = "day_first"
zone = "Europe/Berlin"
[columns]
alert_id = "id"
at = "updated"
team = "team"
rule = "check"
entity = "host"
actor = "who"
[[action]]
changed = "team"
kind = "reassigned"
[[action]]
kind_column = "state"
kinds = { Active = "worked", Closed = "closed" }
"""
UPDATE_HEADER = "id,updated,team,check,host,state,who\n"


def imported(
    text: str, mapping: str | Mapping, folder: Path, name: str = "o.jsonl", source: Path | None = None
) -> tuple[list[Event], Summary]:
    """The events of a table, read back by the lab, and what became of the rows; `source` is a file in its place."""
    table, output = source or folder / "table.csv", folder / name
    if source is None:
        table.write_text(text, encoding="utf-8", newline="")
    rules = parse_mapping(mapping) if isinstance(mapping, str) else mapping
    wanted = sorted(column_names(rules))
    read = Table(table, rules.delimiter, rules.encoding, rules.header_row, rules.sheet, wanted)
    summary = import_table(read, rules, output, accept=True, now=NOW)
    return [line.event for line in read_log(output, grace_seconds=0)], summary


def product_imported(text: str, folder: Path, product: str = "servicenow", **given: Any) -> tuple[list[Event], Summary]:
    """The same of a product's export, by its built-in mapping."""
    path, output = folder / "export.csv", folder / "o.jsonl"
    path.write_text(text, encoding="utf-8", newline="")
    table, mapping = product_table(path, product, Overrides(**given))
    summary = import_table(table, mapping, output, accept=True, now=NOW, mend=copy_mend(PRODUCTS[product]))
    return [line.event for line in read_log(output, grace_seconds=0)], summary
