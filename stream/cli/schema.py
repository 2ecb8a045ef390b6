"""`noisegate schema`: the JSON Schemas of what goes through the topics, and the AsyncAPI document."""

from pathlib import Path
from typing import Annotated, Any

import typer

from stream.console import stdout_console

_ASYNCAPI = "asyncapi"


def schema(
    name: Annotated[
        str | None, typer.Argument(help="Name of a topic, or asyncapi. Without it, the names are listed.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write all of them into this folder, one file a topic, and asyncapi.json.")
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(help="List what changed since the schemas in this folder; status 1 if a change breaks programs."),
    ] = None,
) -> None:
    """Print the JSON Schema of a topic's records or the AsyncAPI document, or list the names."""
    import json

    from stream import __version__
    from stream.core.asyncapi import make_asyncapi
    from stream.core.errors import SettingsError
    from stream.core.schemas import schemas

    known = schemas()
    if out is not None:
        _write(out)
    elif compare is not None:
        _compare(compare, known)
    elif name is None:
        stdout_console().print("\n".join([*sorted(known), _ASYNCAPI]))
    elif name == _ASYNCAPI:
        typer.echo(json.dumps(make_asyncapi(__version__), indent=2))
    elif name in known:
        typer.echo(json.dumps(known[name], indent=2))
    else:
        raise SettingsError(f"there is no schema {name!r}; there are {', '.join([*sorted(known), _ASYNCAPI])}")


def _write(folder: Path) -> None:
    from stream import __version__
    from stream.core.asyncapi import asyncapi_text
    from stream.core.errors import SettingsError
    from stream.core.schemas import schema_files

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in {**schema_files(), f"{_ASYNCAPI}.json": asyncapi_text(__version__)}.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"--out {folder}: can't be written ({error.strerror})", "name another folder") from None


def _compare(folder: Path, present: dict[str, Any]) -> None:
    from stream.core.compatibility import compare_schemas

    changes = compare_schemas(_read(folder), present)
    for change in changes:
        typer.echo(f"{'breaks' if change.breaks else 'fine'}  {change}")
    if not changes:
        typer.echo(f"nothing changed since {folder}")
    if any(change.breaks for change in changes):
        raise typer.Exit(1)


def _read(folder: Path) -> dict[str, Any]:
    """The schemas that stand in a folder, by topic.

    Raises:
        SettingsError: there are none, or a file can't be read.
    """
    import json

    from stream.core.errors import SettingsError

    try:
        documents = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("alerts.*.json"))]
        found = {document["title"]: document for document in documents}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"--compare {folder}: a file there is no schema ({error})", "name a folder that --out has written"
        ) from None
    if not found:
        raise SettingsError(f"--compare {folder}: no schemas are there", "name a folder that --out has written")
    return found
