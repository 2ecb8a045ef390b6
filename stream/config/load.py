"""Settings from the environment and an optional TOML file, by flat names."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import fields

from stream.config.rooms import VERDICT_KINDS, TriageSettings
from stream.config.settings import PARTS, GeneralSettings, Settings, zone_of
from stream.core.errors import SettingsError

PREFIX = "NOISEGATE_"
_KAFKA = "NOISEGATE_KAFKA_"
OTHER_TEAMS = "other"
_SECRET = ("redis_url", "intake_alertmanagers", "relay_alertmanagers", "relay_upstream_headers")  # may hold a password
_INLINE = (  # in the environment inline TOML
    "team_groups",
    "quiet_receivers",
    "relay_upstream_headers",
    "triage_verdicts",
)
_LISTS = (  # in the environment separated by commas, or inline TOML
    "intake_alertmanagers",
    "relay_alertmanagers",
    "relay_forward_headers",
    "closer_rules",
    "severities",
    "triage_cors_origins",
    "triage_hosts",
    "triage_reasons",
    "triage_shift_ends",
)


def setting_names() -> list[str]:
    """The flat name of every setting, as in the settings file."""
    return list(_kinds())


def make_settings(**values: Any) -> Settings:
    """Settings from values by their flat names; all others have their defaults.

    Raises:
        SettingsError: naming key and value.
    """
    return _convert(values, "arguments")


def setting_values(settings: Settings) -> dict[str, Any]:
    """Every setting's value by its flat name, in the order of the parts."""
    values = {one.encode_name: getattr(settings, one.name) for one in fields(GeneralSettings)}
    for name, kind in PARTS.items():
        values |= {one.encode_name: getattr(getattr(settings, name), one.name) for one in fields(kind)}
    return values


def change_settings(settings: Settings, **values: Any) -> Settings:
    """The settings with other values by their flat names; errors as `make_settings`."""
    return _convert({**setting_values(settings), **values}, "arguments")


def load_settings(environment: Mapping[str, str] | None = None, file: Path | None = None) -> Settings:
    """Settings from a TOML file (`file`, or what NOISEGATE_SETTINGS names) and, over it, the environment.

    Raises:
        SettingsError: naming key and value.
    """
    values, _, source = _gather(environment, file)
    return _convert(values, source)


def setting_origins(environment: Mapping[str, str] | None = None, file: Path | None = None) -> dict[str, str]:
    """Where each setting that is set comes from: a variable's name or the file's path, by the setting's flat name.

    A setting that is missing has its default. Kafka client settings are `kafka.NAME`. Errors as `load_settings`.
    """
    return _gather(environment, file)[1]


def _gather(environment: Mapping[str, str] | None, file: Path | None) -> tuple[dict[str, Any], dict[str, str], str]:
    """The values by flat name, where each comes from, and the place that an error names."""
    env = os.environ if environment is None else environment
    path = file or (Path(env["NOISEGATE_SETTINGS"]) if env.get("NOISEGATE_SETTINGS") else None)
    values: dict[str, Any] = _read(path) if path else {}
    client = values.pop("kafka", {})
    if not isinstance(client, dict):
        raise SettingsError(
            f"kafka = {client!r} ({path}) is not a table", "write it as [kafka] with one line a setting"
        )
    kafka = {str(key): str(value) for key, value in client.items()}
    origins = dict.fromkeys([*values, *(f"kafka.{key}" for key in kafka)], str(path))
    known = set(setting_names())
    for key, value in env.items():
        name = key.removeprefix(PREFIX).lower()
        if not key.startswith(PREFIX) or key == "NOISEGATE_SETTINGS":
            continue
        if name in _INLINE:
            values[name] = _inline(value)
        elif name in _LISTS:
            values[name] = _inline(value) if value.lstrip().startswith("[") else _listed(value)
        elif name in known and name != "kafka":
            values[name] = value
        elif key.startswith(_KAFKA):
            setting = key.removeprefix(_KAFKA).lower().replace("_", ".")
            kafka[setting], name = value, f"kafka.{setting}"
        else:
            raise SettingsError(f"{key} is set, but noisegate has no such setting", "see README, Settings")
        origins[name] = key
    return {**values, "kafka": kafka}, origins, str(path) if path else "the environment"


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"the settings file {str(path)!r} can't be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the settings file {str(path)!r} is not TOML: {error}") from None


def _kinds() -> dict[str, type[Struct]]:
    """The part that each setting is in, by its flat name."""
    kinds: tuple[type[Struct], ...] = (GeneralSettings, *PARTS.values())
    return {one.encode_name: kind for kind in kinds for one in fields(kind)}


def _convert(values: dict[str, Any], source: str) -> Settings:
    kinds = _kinds()
    for name, value in values.items():
        try:
            msgspec.convert({name: value}, kinds.get(name, GeneralSettings), strict=False, dec_hook=_path)
        except msgspec.ValidationError as error:
            shown = "***" if name in _SECRET else repr(value)
            raise SettingsError(f"{name} = {shown} ({source}): {error}") from None
    nested = {name: _own(kind, values) for name, kind in PARTS.items()}
    settings = msgspec.convert({**_own(GeneralSettings, values), **nested}, Settings, strict=False, dec_hook=_path)
    if not settings.redis.url.startswith(("redis://", "rediss://", "unix://")):
        raise SettingsError("redis_url must begin with redis://, rediss:// or unix://")
    _check_triage(settings.triage)
    if OTHER_TEAMS in settings.metrics.team_groups:
        raise SettingsError(
            f"team_groups names a group {OTHER_TEAMS!r}, which is reserved for teams in no group", "rename it"
        )
    return settings


def _check_triage(triage: TriageSettings) -> None:
    missing = sorted(set(VERDICT_KINDS) - set(triage.verdicts))
    if missing:
        raise SettingsError(f"triage_verdicts = {triage.verdicts!r} lacks {missing[0]!r}", "name a kind for it")
    try:
        zone_of(triage.time_zone)
    except (KeyError, ValueError, OSError):
        raise SettingsError(
            f"triage_time_zone = {triage.time_zone!r} is no time zone", "write it as Europe/Berlin"
        ) from None


def _own(kind: type[Struct], values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that are settings of one part."""
    names = {one.encode_name for one in fields(kind)}
    return {name: value for name, value in values.items() if name in names}


def _listed(value: str) -> list[str]:
    return [one.strip() for one in value.split(",") if one.strip()]


def _inline(value: str) -> Any:
    """The value of an inline TOML table; what is none is left for the check of its type to refuse."""
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value


def _path(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str | Path) and value:
        return Path(value)
    raise ValueError("it must be a path")
