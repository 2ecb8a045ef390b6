"""`noisegate settings`: the settings in force, and where each comes from."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec import Struct

from stream.cli import options
from stream.console import print_json, stdout_console
from stream.core.text import HIDDEN, hide_login

_SECRET_CLIENT_SETTING = re.compile(r"password|secret|\.pem$|sasl\.jaas")
_SECRET_TABLES = ("relay_upstream_headers",)


class Setting(Struct, frozen=True):
    """A setting in force.

    Attributes:
        name: as in the settings file; in the environment NOISEGATE_ and the same in capitals.
        value: as it would stand in the settings file, without what is secret.
        origin: the variable or the file that sets it, or `default`.
    """

    name: str
    value: Any
    origin: str


def settings(
    name: Annotated[
        str | None, typer.Argument(help="Only settings whose names contain this.", show_default=False)
    ] = None,
    changed: Annotated[bool, typer.Option("--changed", help="Only settings that have been set.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Show the settings in force and where each comes from: the environment, the settings file or the default.

    Passwords, tokens and other secrets are shown as ***.
    """
    from rich.table import Column, Table

    from stream.core.errors import SettingsError

    found = [one for one in settings_in_force() if (name or "").lower() in one.name]
    if name and not found:
        raise SettingsError(f"no setting has {name!r} in its name", "`noisegate settings` lists all of them")
    shown = [one for one in found if one.origin != "default" or not changed]
    if as_json:
        print_json(shown)
        return
    if not shown:
        stdout_console().print("Nothing is set: every setting has its default.")
        return
    table = Table(*(Column(name, overflow="fold") for name in ("setting", "value", "from")))
    for one in shown:
        table.add_row(one.name, _text(one.value), one.origin)
    stdout_console().print(table)


def settings_in_force() -> list[Setting]:
    """Every setting, in the order of the parts; Kafka client settings are `kafka.NAME`."""
    from stream.config import setting_origins, setting_values

    values, origins = setting_values(options.settings()), setting_origins(file=options.settings_file.get())
    shown = []
    for name, value in values.items():
        if name == "kafka":
            shown += [(f"kafka.{key}", _client_setting(key, text)) for key, text in sorted(value.items())]
        else:
            shown.append((name, _public(name, value)))
    return [Setting(name, value, origins.get(name, "default")) for name, value in shown]


def _client_setting(name: str, value: str) -> str:
    return HIDDEN if _SECRET_CLIENT_SETTING.search(name) else hide_login(value)


def _public(name: str, value: Any) -> Any:
    """A value without its secrets."""
    if name in _SECRET_TABLES:
        return dict.fromkeys(value, HIDDEN)
    if isinstance(value, list):
        return [hide_login(str(one)) for one in value]
    return hide_login(str(value)) if isinstance(value, str | Path) else value


def _text(value: Any) -> str:
    """A value as a line of TOML; a dash where there is none."""
    import json

    if value is None:
        return "-"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_text(one)}" for key, one in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)
