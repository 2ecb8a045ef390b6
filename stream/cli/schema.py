"""`noisegate schema`: the JSON Schemas of what goes through the topics."""

from typing import Annotated

import typer

from stream.cli import options


def schema(
    name: Annotated[str | None, typer.Argument(help="Name of a topic. Without it, the names are listed.")] = None,
) -> None:
    """Print the JSON Schema of a topic's records, or list the topics that have one."""
    import json

    from stream.core.errors import SettingsError
    from stream.core.schemas import schemas

    known = schemas()
    if name is None:
        stdout_console().print("\n".join(sorted(known)))
    elif name in known:
        typer.echo(json.dumps(known[name], indent=2))
    else:
        raise SettingsError(f"there is no schema {name!r}; there are {', '.join(sorted(known))}")
