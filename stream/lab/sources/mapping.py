"""The mapping file: which columns of a table are what, as TOML. See deploy/examples/mappings/."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from stream.core import limits
from stream.core.errors import READABLE, LogError
from stream.core.kinds import AGENT_ENDING, Agent
from stream.lab.sources.times import AUTO, time_reader

Column = Annotated[str, Meta(min_length=1)]
Columns = Column | Annotated[list[Column], Meta(min_length=1)]  # several are joined by `/`
Kind = Annotated[str, Meta(min_length=1, max_length=limits.NAME_LENGTH)]
Text = Annotated[str, Meta(min_length=1, max_length=limits.NAME_LENGTH)]
REQUIRED = ("team", "rule", "entity")  # of each alert: a column, a default, or both


class TimeRule(Struct, frozen=True, forbid_unknown_fields=True):
    """How times are written.

    `auto` finds the formats from the table's times; `rfc3339`, `day_first`, `month_first`, `epoch`, `epoch_ms`,
    `epoch_us`, `epoch_ns` and `excel` are names; everything else is in strptime's letters. Of several formats the first
    counts that reads a time between the years 2000 and 2200.
    """

    format: Text | Annotated[list[Text], Meta(min_length=1)] = AUTO
    zone: str = "UTC"  # of times that don't tell theirs

    @property
    def formats(self) -> list[str]:
        """All formats; empty where they are to be found."""
        if self.format == AUTO:
            return []
        return [self.format] if isinstance(self.format, str) else self.format


class ColumnRule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which column is what."""

    alert_id: Columns
    at: Column  # form `alert`: when it was raised; form `update`: when the row was written
    raised_at: Column | None = None  # form `update`: when the alert was raised, if the first row came later
    update_id: Column | None = None  # form `update`: tells two updates of one time apart that look the same
    team: Columns | None = None
    rule: Columns | None = None
    entity: Columns | None = None
    severity: Columns | None = None
    source: Columns | None = None
    title: Columns | None = None
    actor: Column | None = None
    labels: Annotated[dict[str, Column], Meta(max_length=limits.LABELS)] = {}


class Defaults(Struct, frozen=True, forbid_unknown_fields=True):
    """What stands where a cell is missing."""

    team: Text | None = None
    rule: Text | None = None
    entity: Text | None = None
    severity: Text | None = None
    source: Text | None = None
    title: Text | None = None


class ActionRule(Struct, frozen=True, forbid_unknown_fields=True):
    """What makes an action: a time column of an alert's row, or what an update's row says."""

    at: Column | None = None  # form `alert` only, and needed there
    kind: Kind | None = None
    kind_column: Column | None = None
    kinds: dict[str, Kind] = {}  # values of kind_column and the kinds they mean; none: the value is the kind
    known: list[str] = []  # values of kind_column that mean no action of this part, and need not be reported
    changed: Column | None = None  # form `update` only: the cell is not as in the alert's row before
    when: dict[Column, str] = {}  # only rows with these values
    actor: Column | None = None  # instead of columns.actor
    agent: Agent | None = None  # who does it, whatever the actor


class Mapping(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a table becomes events.

    A column's name matches whatever its case, spaces and underscores; of columns that share a name, the first with a
    value counts. What is None is found from the table.
    """

    form: Literal["alert", "update"]  # one row an alert, or one row an update of an alert
    columns: ColumnRule
    time: TimeRule = TimeRule()
    delimiter: Annotated[str, Meta(min_length=1, max_length=1)] | None = None
    encoding: str | None = None
    header_row: Annotated[int, Meta(ge=1)] | None = None  # the row that names the columns; the first is 1
    sheet: str | None = None  # of a workbook
    names: dict[Column, list[Column]] = {}  # other names of a column; the first that the table has is taken
    optional: list[Column] = []  # columns that a table may lack: what is made of them only is then left out
    missing: tuple[str, ...] = ("", "?")
    defaults: Defaults = Defaults()
    salt: str = ""  # goes into the pseudonyms of actors
    automation: Annotated[list[str], Meta(max_length=limits.PATTERNS)] = []  # patterns of actors that are no people
    action: list[ActionRule] = []


BUILT_IN = Path(__file__).with_name("mappings")  # TOML files, one a product and form


def built_in(name: str) -> Path:
    """The file of a mapping that comes with noisegate.

    Raises:
        LogError: there is none of that name.
    """
    names = sorted(path.stem for path in BUILT_IN.glob("*.toml"))
    if name not in names:
        raise LogError(f"there is no built-in mapping {name!r}", f"name one of {', '.join(names)}")
    return BUILT_IN / f"{name}.toml"


def column_names(mapping: Mapping) -> set[str]:
    """Every name of a column in the mapping, other names included: a header is known by them."""
    columns = mapping.columns
    found = [columns.alert_id, columns.at, columns.raised_at, columns.update_id, columns.team, columns.rule]
    found += [columns.entity, columns.severity, columns.source, columns.title, columns.actor, *columns.labels.values()]
    for rule in mapping.action:
        found += [rule.at, rule.kind_column, rule.changed, rule.actor, *rule.when]
    names = {name for of in found if of for name in ([of] if isinstance(of, str) else of)}
    return names.union(*(others for column, others in mapping.names.items() if column in names))


def folded(name: str) -> str:
    """A column's name as it is compared: case, spaces and underscores do not count.

    >>> folded("Assignment group") == folded("assignment_group")
    True
    """
    return " ".join(name.replace("_", " ").split()).casefold()


def load_mapping(path: Path) -> Mapping:
    """The mapping of a file.

    Raises:
        LogError: it can't be read, or a field is wrong; the field is named.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise LogError(f"{path}: can't be read: {error.strerror}", READABLE) from None
    except UnicodeDecodeError:
        raise LogError(f"{path}: is not UTF-8", "save it as UTF-8") from None
    return parse_mapping(text, str(path))


def parse_mapping(text: str, where: str = "mapping") -> Mapping:
    """The mapping of a text; `where` stands in errors.

    Raises:
        LogError: a field is wrong; it is named.
    """
    try:
        mapping = msgspec.convert(tomllib.loads(text), Mapping)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, RecursionError) as error:
        raise LogError(f"{where}: {error}", "see docs/LAB.md for what a mapping holds") from None
    fault = _fault(mapping)
    if fault:
        raise LogError(f"{where}: {fault}", "see docs/LAB.md for what a mapping holds")
    return mapping


def _fault(mapping: Mapping) -> str | None:
    for name in REQUIRED:
        if getattr(mapping.columns, name) is None and getattr(mapping.defaults, name) is None:
            return f"columns.{name} is missing, and every alert needs it; name its column, or set defaults.{name}"
    if mapping.delimiter is not None and mapping.delimiter in '"\r\n\x00':
        return f"delimiter = {mapping.delimiter!r} can't be used; give a comma, a semicolon or a tab"
    for key in mapping.columns.labels:
        if len(key) > limits.LABEL_KEY_LENGTH or "\x00" in key:
            return f"columns.labels has a key that no label may have: at most {limits.LABEL_KEY_LENGTH} characters"
    try:
        time_reader(mapping.time.formats or "rfc3339", mapping.time.zone)
    except ValueError as error:
        return str(error)
    if mapping.form == "alert":
        for name in ("raised_at", "update_id"):
            if getattr(mapping.columns, name) is not None:
                return f"columns.{name} is for form = 'update'; remove it, as an alert's time is columns.at"
    faults = (_action_fault(number, rule, mapping.form) for number, rule in enumerate(mapping.action, start=1))
    return next((fault for fault in faults if fault), None)


def _action_fault(number: int, rule: ActionRule, form: str) -> str | None:
    where = f"[[action]] {number}"
    if (rule.kind is None) == (rule.kind_column is None):
        return f"{where} needs either kind or kind_column; give one of them"
    for kind in (rule.kind or "", *rule.kinds.values()):
        if AGENT_ENDING.search(kind):
            return f"{where}: kind {kind!r} ends in @person or @automation; set agent instead"
    if (rule.kinds or rule.known) and rule.kind_column is None:
        return f"{where}: kinds are values of kind_column; name that column"
    if form == "alert" and rule.at is None:
        return f"{where} has no `at`, the column with the time; name it"
    if form == "alert" and rule.changed is not None:
        return f"{where}: changed is for form = 'update'; remove it"
    if form == "update" and rule.at is not None:
        return f"{where}: at is for form = 'alert', an update's time is columns.at; remove it"
    return None
