"""`noisegate schema`: the JSON Schemas of what goes through the topics."""

from importlib import import_module
from typing import Annotated

import typer

from stream.cli import shown

MODULE = "stream.core.schemas"


def schema(
    name: Annotated[str | None, typer.Argument(help="One record's name; default: their names.")] = None,
) -> None:
    """Print the JSON Schema of a record, or the names of all that have one."""
    import json

    from stream.core.errors import SettingsError

    known: dict[str, dict[str, object]] = import_module(MODULE).schemas()
    if name is None:
        shown.out().print("\n".join(sorted(known)))
    elif name in known:
        typer.echo(json.dumps(known[name], indent=2))
    else:
        raise SettingsError(f"no record is called {name!r}; there are {', '.join(sorted(known))}")
