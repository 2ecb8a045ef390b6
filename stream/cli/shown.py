"""What all verbs share: the settings they run with, and where what they say goes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from stream.config import Settings

settings_file: ContextVar[Path | None] = ContextVar("settings_file", default=None)  # what --settings names
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


def settings() -> "Settings":
    """The settings of this command: the environment over the file that --settings names."""
    from stream.config import load_settings

    return load_settings(file=settings_file.get())


def out() -> "Console":
    """Standard output, for reports."""
    from stream.bars import PlainConsole

    return PlainConsole(soft_wrap=True, highlight=False)


def progress() -> "Console":
    """Standard error, for progress."""
    from stream.bars import stderr_console

    return stderr_console()


def say_waiting(sentence: str) -> None:
    """What a call waits for, on standard error."""
    progress().print(sentence, markup=False, soft_wrap=True)


def say_json(report: Any) -> None:
    """One line of JSON on standard output."""
    import msgspec

    from stream.console import escape_json

    sys.stdout.write(escape_json(msgspec.json.encode(report).decode()) + "\n")
    sys.stdout.flush()


@contextmanager
def bar(what: str, total: float) -> Iterator[Any]:
    """A progress bar on standard error; call what is given with how much is done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=progress()) as bars:
        task = bars.add_task(what, total=total)
        yield lambda done: bars.update(task, completed=done)


def when(at: float) -> str:
    """Seconds since 1970 as RFC 3339; a dash for never."""
    import math
    from datetime import UTC, datetime

    if not math.isfinite(at):
        return "-"
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
