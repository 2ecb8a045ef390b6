"""Progress on standard error, for whatever takes a person's time."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.segment import Segment

from stream.console import strip_lines

Told = Callable[[str, float], None]  # what is being done, and the share of it that is done


class PlainConsole(Console):
    """A console on which nothing but its own styles can steer the terminal, whatever text it is given."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As the console does, with a space for each character of a text that is no letter to be seen."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=strip_lines(segment.text))


@cache
def stderr_console() -> Console:
    """The one console of standard error: what is printed on it while bars are shown goes above them."""
    return PlainConsole(stderr=True, highlight=False)


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
