"""The options that verbs share, and the settings that a command runs with."""

from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stream.config import Settings

settings_file: ContextVar[Path | None] = ContextVar("settings_file", default=None)  # what --settings names
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Leave out lines that are no events, counted by reason as the scorer would.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


def settings() -> "Settings":
    """The settings of this command: the environment over the file that --settings names."""
    from stream.config import load_settings

    return load_settings(file=settings_file.get())
