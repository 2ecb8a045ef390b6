"""`noisegate schema`: the JSON Schemas of what goes through the topics."""

from pathlib import Path
from typing import Annotated

import typer

from stream.console import stdout_console


def schema(
    name: Annotated[str | None, typer.Argument(help="Name of a topic. Without it, the names are listed.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write all of them into this folder, one file a topic.")] = None,
) -> None:
    """Print the JSON Schema of a topic's records, or list the topics that have one."""
    import json

    from stream.core.errors import SettingsError
    from stream.core.schemas import schemas

    known = schemas()
    if out is not None:
        _write(out)
    elif name is None:
        stdout_console().print("\n".join(sorted(known)))
    elif name in known:
        typer.echo(json.dumps(known[name], indent=2))
    else:
        raise SettingsError(f"there is no schema {name!r}; there are {', '.join(sorted(known))}")


def _write(folder: Path) -> None:
    from stream.core.errors import SettingsError
    from stream.core.schemas import schema_files

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in schema_files().items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"--out {folder}: can't be written ({error.strerror})", "name another folder") from None
