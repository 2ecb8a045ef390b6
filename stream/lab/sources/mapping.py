"""The mapping file: which columns of a table are what, as TOML. See deploy/examples/mappings/."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from stream.core import limits
from stream.core.errors import LogError
from stream.core.kinds import AGENT_ENDING, Agent
from stream.lab.sources.times import time_reader

Column = Annotated[str, Meta(min_length=1)]
Columns = Column | Annotated[list[Column], Meta(min_length=1)]  # several are joined by `/`
Kind = Annotated[str, Meta(min_length=1, max_length=limits.NAME_LENGTH)]
Text = Annotated[str, Meta(min_length=1, max_length=limits.NAME_LENGTH)]
REQUIRED = ("team", "rule", "entity")  # of each alert: a column, a default, or both


class TimeRule(Struct, frozen=True, forbid_unknown_fields=True):
    """How times are written: `rfc3339`, `day_first`, `month_first`, or strptime's letters."""

    format: str = "rfc3339"
    zone: str = "UTC"  # of times that don't tell theirs


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
    changed: Column | None = None  # form `update` only: the cell is not as in the alert's row before
    when: dict[Column, str] = {}  # only rows with these values
    actor: Column | None = None  # instead of columns.actor
    agent: Agent | None = None  # who does it, whatever the actor


class Mapping(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a table becomes events."""

    form: Literal["alert", "update"]  # one row an alert, or one row an update of an alert
    columns: ColumnRule
    time: TimeRule = TimeRule()
    delimiter: Annotated[str, Meta(min_length=1, max_length=1)] = ","
    encoding: str = "utf-8-sig"
    missing: tuple[str, ...] = ("", "?")
    defaults: Defaults = Defaults()
    salt: str = ""  # goes into the pseudonyms of actors
    automation: Annotated[list[str], Meta(max_length=limits.PATTERNS)] = []  # patterns of actors that are no people
    action: list[ActionRule] = []


def load_mapping(path: Path) -> Mapping:
    """The mapping of a file.

    Raises:
        LogError: it can't be read, or a field is wrong; the field is named.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise LogError(f"{path}: can't be read: {error.strerror}") from None
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
        raise LogError(f"{where}: {error}") from None
    fault = _fault(mapping)
    if fault:
        raise LogError(f"{where}: {fault}")
    return mapping


def _fault(mapping: Mapping) -> str | None:
    for name in REQUIRED:
        if getattr(mapping.columns, name) is None and getattr(mapping.defaults, name) is None:
            return f"columns.{name} is missing, and every alert needs it; name its column, or set defaults.{name}"
    if mapping.delimiter in '"\r\n\x00':
        return f"delimiter = {mapping.delimiter!r} can't be used; give a comma, a semicolon or a tab"
    for key in mapping.columns.labels:
        if len(key) > limits.LABEL_KEY_LENGTH or "\x00" in key:
            return f"columns.labels has a key that no label may have: at most {limits.LABEL_KEY_LENGTH} characters"
    try:
        time_reader(mapping.time.format, mapping.time.zone)
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
    if rule.kinds and rule.kind_column is None:
        return f"{where}: kinds are values of kind_column; name that column"
    if form == "alert" and rule.at is None:
        return f"{where} has no `at`, the column with the time; name it"
    if form == "alert" and rule.changed is not None:
        return f"{where}: changed is for form = 'update'; remove it"
    if form == "update" and rule.at is not None:
        return f"{where}: at is for form = 'alert', an update's time is columns.at; remove it"
    return None
