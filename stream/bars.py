"""Progress on standard error, for whatever takes a person's time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

Told = Callable[[str, float], None]  # what is being done, and the share of it that is done


@cache
def stderr_console() -> Console:
    """The one console of standard error: what is printed on it while bars are shown goes above them."""
    return Console(stderr=True, highlight=False)


@contextmanager
def stage_bars(console: Console | None = None) -> Iterator[Told]:
    """One bar a stage; a stage is there once something was told of it."""
    columns = (TextColumn("{task.description:32}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console or stderr_console()) as bars:
        tasks: dict[str, TaskID] = {}

        def told(what: str, share: float) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=1.0)
            bars.update(tasks[what], completed=share)

        yield told
