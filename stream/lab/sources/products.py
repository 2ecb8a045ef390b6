"""Which mapping reads a table, one of a file or a built-in one, and what a person gives beside it."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from stream.core.errors import LogError
from stream.lab.sources.mapping import Mapping, TimeRule, built_in, column_names, load_mapping
from stream.lab.sources.summary import Summary
from stream.lab.sources.table import Table
from stream.lab.sources.times import AUTO, time_reader
from stream.progress import no_progress

PRODUCTS = {"servicenow": ("servicenow_updates", "servicenow"), "jira": ("jira",), "zabbix": ("zabbix",)}
_AUDIT = ("documentkey", "fieldname")  # of a sys_audit export
_LOOKED_AT = 1_000  # rows


class Overrides(Struct, frozen=True, kw_only=True):
    """What a person gives instead of what a mapping says or what is found; None and empty give nothing."""

    delimiter: str | None = None
    encoding: str | None = None
    header_row: int | None = None
    sheet: str | None = None
    formats: Sequence[str] = ()
    zone: str | None = None
    automation: Sequence[str] = ()


def mapped_table(path: Path, mapping_file: Path, given: Overrides) -> tuple[Table, Mapping]:
    """A table and the mapping of a file.

    Raises:
        LogError: either can't be read, or what is given can't be used.
    """
    mapping = _with(load_mapping(mapping_file), given)
    return _table(path, mapping, sorted(column_names(mapping))), mapping


def product_table(path: Path, product: str, given: Overrides) -> tuple[Table, Mapping]:
    """An export of a product, and the one of its mappings that fits.

    Raises:
        LogError: the table can't be read, is no such export, or what is given can't be used.
    """
    mappings = {name: _with(load_mapping(built_in(name)), given) for name in PRODUCTS[product]}
    first = next(iter(mappings.values()))
    names = {name for of in mappings.values() for name in column_names(of)}
    table = _table(path, first, sorted(names | set(_AUDIT)))
    return table, mappings[product_mapping(product, table)]


def product_mapping(product: str, table: Table) -> str:
    """The name of the product's mapping that fits the table.

    Raises:
        LogError: it is an export of the product that holds no alerts.
    """
    if product != "servicenow":
        return PRODUCTS[product][0]
    if all(table.places([name]) for name in _AUDIT):
        raise LogError(
            f"{table.path}: is a sys_audit export, which names no team and no rule", "export the incident table instead"
        )
    updated = table.places(["sys_updated_on", "sys_updated_at", "Updated"])
    counted = table.places(["incident_state", "sys_mod_count", "Updates"])
    if not (updated and counted):
        return "servicenow"
    ends = table.places(["resolved_at", "Resolved"]) or table.places(["closed_at", "Closed"])
    return "servicenow" if ends and not _repeats(table, ["number", "Incident"]) else "servicenow_updates"


def copy_mend(names: Sequence[str]) -> str:
    """What helps where a built-in mapping does not fit a table."""
    lines = " or ".join(f"`noisegate import mapping {name} > m.toml`" for name in names)
    return f"copy the mapping ({lines}), name your column there and use `noisegate import csv --mapping m.toml`"


def _repeats(table: Table, names: Sequence[str]) -> bool:
    """Whether the column has a value twice in its first rows."""
    places, seen = table.places(names), set[str]()
    for number, row in table.rows(places[:1], Summary(), no_progress) if places else ():
        if row[0] in seen:
            return True
        seen.add(row[0])
        if number > _LOOKED_AT:
            break
    return False


def _table(path: Path, mapping: Mapping, wanted: Sequence[str]) -> Table:
    return Table(path, mapping.delimiter, mapping.encoding, mapping.header_row, mapping.sheet, wanted)


def _with(mapping: Mapping, given: Overrides) -> Mapping:
    """The mapping with what is given in the place of what it says.

    Raises:
        LogError: a format, the zone or the delimiter can't be used.
    """
    delimiter = {"tab": "\t", "\\t": "\t"}.get(given.delimiter or "", given.delimiter)
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n\x00'):
        raise LogError(f"--delimiter {delimiter!r} can't be used", "give one character, or tab")
    formats = [] if list(given.formats) == [AUTO] else list(given.formats)
    time = mapping.time
    if given.formats:
        time = replace(time, format=formats or AUTO)
    if given.zone is not None:
        time = replace(time, zone=given.zone)
    try:
        time_reader(time.formats or "rfc3339", time.zone)
    except ValueError as error:
        raise LogError(str(error)) from None
    return replace(
        mapping,
        time=TimeRule(time.format, time.zone),
        delimiter=delimiter or mapping.delimiter,
        encoding=given.encoding or mapping.encoding,
        header_row=given.header_row or mapping.header_row,
        sheet=given.sheet or mapping.sheet,
        automation=[*mapping.automation, *given.automation],
    )
