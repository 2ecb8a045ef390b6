"""How each source is read: one TOML with a table a source, over defaults. See deploy/sources.toml."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from stream.core import limits
from stream.core.errors import SettingsError
from stream.sources.mapping_rules import MappingRules, parse_mapping
from stream.sources.missing import MISSING
from stream.sources.times import zone_of

Name = Annotated[str, Meta(min_length=1, max_length=limits.NAME_LENGTH)]
Place = Annotated[str, Meta(min_length=1, max_length=limits.NAME_LENGTH)]
Places = Annotated[tuple[Place, ...], Meta(max_length=limits.LABELS)]
MAP = "map/"
_LABELLED = re.compile(r"(label|annotation):.+", re.DOTALL)
_KEY = re.compile(r"\.([A-Za-z_]\w*)|\[(\d+)\]|\[\.\.\.\]")


class SourceOptions(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How one source is read. A place is `label:NAME`, `annotation:NAME`, or a field that the source's docs name.

    Attributes:
        team: places that may name the owner, the likeliest first; empty: in the order of the source's reader.
        default_team: the owner where none of them names one.
        teams: for a place, which of its values belong to which team; of such a place only these values count.
        rule: places of the alerting rule's name.
        entity: places of what an alert fired for.
        strip_port: whether `host:9100` and `[::1]:9100` are the entities `host` and `::1`.
        severity: places of the severity.
        title: places of the text that people read.
        labels_first: labels that are kept before others where there are more than 64.
        identity_ignore: labels that do not tell alerts apart, such as a replica's name or a measured value.
        missing: texts that stand for no value; `...` stands for any text, such as in `{{...}}`.
        zone: the time zone of times that do not tell theirs.
        automation: patterns of accounts that are no people, such as `svc-*`.
        open_days: how long a firing of which nothing is heard counts as open.
        states: of ServiceNow: states in another language, and the state of `docs/INTAKE.md` that each means.
        mapping: of a source `map.NAME`: the mapping file, beside this one.
    """

    team: Places = ()
    default_team: Name = "unowned"
    teams: dict[Place, dict[str, Name]] = {}
    rule: Places = ()
    default_rule: Name = "unknown"
    entity: Places = ()
    default_entity: Name = "unknown"
    strip_port: bool = True
    severity: Places = ()
    title: Places = ()
    labels_first: Places = ()
    identity_ignore: Places = ()
    missing: tuple[Annotated[str, Meta(min_length=1, max_length=limits.NAME_LENGTH)], ...] = MISSING
    zone: str = "UTC"
    automation: Annotated[tuple[str, ...], Meta(max_length=limits.PATTERNS)] = ()
    open_days: Annotated[float, Meta(gt=0, le=limits.HISTORY_DAYS)] = 7.0
    states: dict[str, str] = {}
    mapping: str | None = None


_LABELS = SourceOptions(
    team=("label:team", "label:owner", "label:squad", "label:service"),
    rule=("label:alertname", "label:rule", "label:rulename"),
    entity=tuple(
        f"label:{name}"
        for name in (
            *("instance", "host", "hostname", "node", "nodename", "pod", "container", "device", "volume", "queue"),
            *("topic", "endpoint", "url", "service", "job_name", "job", "namespace", "cluster", "zone", "region"),
        )
    ),
    severity=("label:severity", "label:priority", "label:level"),
    title=("annotation:summary", "annotation:title", "annotation:message", "annotation:description"),
    identity_ignore=("replica", "prometheus_replica", "__replica__", "thanos_replica", "value", "current_value"),
)
DEFAULTS: dict[str, SourceOptions] = {
    "alertmanager": _LABELS,
    "grafana": msgspec.structs.replace(
        _LABELS,
        team=(*_LABELS.team, "label:grafana_folder"),
        title=(*_LABELS.title, "annotation:Error"),
        identity_ignore=(*_LABELS.identity_ignore, "grafana_state_reason"),
    ),
    "events": SourceOptions(),
    "cloudevents": SourceOptions(),
    "pagerduty": SourceOptions(),
    "opsgenie": SourceOptions(),
    "jsm": SourceOptions(),
    "servicenow": SourceOptions(),
}
"""The sources that there are without a file; each table of the file is laid over its own."""


class Sources(Struct, frozen=True):
    """The options of all sources, read once."""

    options: Mapping[str, SourceOptions] = msgspec.field(default_factory=lambda: DEFAULTS)
    mappings: Mapping[str, MappingRules] = {}

    def of(self, source: str) -> SourceOptions:
        """The options of a source such as `alertmanager` or `map/zabbix`.

        Raises:
            SettingsError: there is no such source; those that there are are named.
        """
        found = self.options.get(source)
        if found is None:
            raise SettingsError(f"there is no source {source!r}; there are {', '.join(sorted(self.options))}")
        return found


def load_sources(path: Path | None) -> Sources:
    """The options of a file over the defaults, and the mappings that it names; without a file the defaults.

    Raises:
        SettingsError: naming file, key, value and the mend.
    """
    if path is None:
        return Sources()
    try:
        tables = tomllib.loads(path.expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"sources = {str(path)!r} can't be read: {error.strerror}; name a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"sources = {str(path)!r} is not TOML: {error}; mend the file") from None
    maps = tables.pop("map", {})
    if not isinstance(maps, dict):
        raise SettingsError(f"{path}: map = {maps!r} is no table; write [map.NAME] for each mapping")
    options = dict(DEFAULTS)
    for name, table in tables.items():
        if name not in DEFAULTS:
            raise SettingsError(
                f"{path}: [{name}] is no source; use {', '.join(DEFAULTS)}, or [map.{name}] for a mapping of your own"
            )
        options[name] = _options(path, name, table, DEFAULTS[name])
    mappings = {}
    for name, table in maps.items():
        source = _options(path, f"map.{name}", table, SourceOptions())
        options[MAP + name], mappings[MAP + name] = source, _mapping(path, name, source)
    return Sources(options, mappings)


def _mapping(path: Path, name: str, source: SourceOptions) -> MappingRules:
    if source.mapping is None:
        raise SettingsError(f"{path}: map.{name}.mapping is not there; name the mapping file")
    file = path.expanduser().parent / source.mapping
    try:
        return parse_mapping(file.read_text(encoding="utf-8"), str(file))
    except OSError as error:
        raise SettingsError(
            f"{path}: map.{name}.mapping = {source.mapping!r} can't be read: {error.strerror}; name a mapping file"
        ) from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: map.{name}.mapping = {source.mapping!r} is not UTF-8; save it so") from None


def _options(path: Path, name: str, table: Any, default: SourceOptions) -> SourceOptions:
    if not isinstance(table, dict):
        raise SettingsError(f"{path}: {name} = {table!r} is no table; write [{name}] and its keys below")
    try:
        options = msgspec.convert({**msgspec.structs.asdict(default), **table}, SourceOptions)
    except msgspec.ValidationError as error:
        raise SettingsError(_fault(path, name, table, str(error))) from None
    try:
        zone_of(options.zone)
    except ValueError as error:
        raise SettingsError(f"{path}: {name}.zone = {error}") from None
    if default.rule:
        for key in ("team", "rule", "entity", "severity", "title"):
            for place in getattr(options, key):
                if _LABELLED.fullmatch(place) is None:
                    raise SettingsError(f"{path}: {name}.{key} has {place!r}; write label:NAME or annotation:NAME")
    return options


def _fault(path: Path, name: str, table: Mapping[str, Any], detail: str) -> str:
    """A fault of msgspec's as file, key, value and mend."""
    what, _, where = detail.partition(" - at `$")
    if found := re.search(r"unknown field `(.*)`", detail):
        known = ", ".join(SourceOptions.__struct_fields__)
        return f"{path}: {name}.{found[1]} is no option; use one of {known}"
    value: Any = table
    for key, index in re.findall(r"\.([A-Za-z_]\w*)|\[(\d+)\]", where):
        value = value[key] if key else list(value)[int(index)]
    return f"{path}: {name}{where.rstrip('`')} = {value!r}: {what[:1].lower()}{what[1:]}; change it"
