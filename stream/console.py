"""What is shown on a terminal: text without control characters, the two consoles, progress bars, JSON."""

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache

import msgspec
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from stream.core.text import strip_control_characters as strip_control_characters
from stream.progress import Progress


def strip_lines(text: str) -> str:
    """The text as `strip_control_characters` gives it, but with its line ends.

    >>> strip_lines("disk\\x1b[2J\\nfull")
    'disk [2J\\nfull'
    """
    return "\n".join(map(strip_control_characters, text.split("\n")))


def escape_json(document: str) -> str:
    """A JSON document of one line with escapes for everything that could steer a terminal; it reads as the same value.

    >>> escape_json('{"title":"disk \\x9b31m"}')
    '{"title":"disk \\\\u009b31m"}'
    """
    if document.isprintable():
        return document
    return "".join(letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in document)


class SafeConsole(Console):
    """A console on which nothing but its own styles can steer the terminal, whatever text it prints."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of a rich console, with a space for each control character in their text."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=strip_lines(segment.text))


def stdout_console() -> Console:
    """Standard output, for reports in lines that the terminal wraps."""
    return SafeConsole(soft_wrap=True, highlight=False)


@cache
def stderr_console() -> Console:
    """The one console of standard error: what is printed on it while bars are shown goes above them."""
    return SafeConsole(stderr=True, highlight=False)


def print_notice(sentence: str) -> None:
    """Print a sentence on standard error, above any bars."""
    stderr_console().print(sentence, markup=False, soft_wrap=True)


def print_json(value: object) -> None:
    """Print anything msgspec can encode on standard output, as one line of JSON."""
    sys.stdout.write(escape_json(msgspec.json.encode(value).decode()) + "\n")
    sys.stdout.flush()


def format_time(at: float) -> str:
    """Seconds since 1970 as RFC 3339 in UTC; a dash for what is not finite.

    >>> format_time(86400.0), format_time(math.inf)
    ('1970-01-02T00:00:00Z', '-')
    """
    if not math.isfinite(at):
        return "-"
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


@contextmanager
def stage_bars(console: Console | None = None) -> Iterator[Progress]:
    """One bar a stage, on standard error by default; a stage has a bar from its first report on."""
    from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description:32}"), BarColumn(), TimeElapsedColumn())
    bars = Bars(*columns, console=console or stderr_console())
    tasks: dict[str, TaskID] = {}

    def report_progress(stage: str, share: float) -> None:
        if not tasks:
            bars.start()
        if stage not in tasks:
            tasks[stage] = bars.add_task(stage, total=1.0)
        bars.update(tasks[stage], completed=share)

    try:
        yield report_progress
    finally:
        if tasks:  # without one it would end in an empty line
            bars.stop()


@contextmanager
def count_bar(description: str, total: float) -> Iterator[Callable[[float], None]]:
    """A bar on standard error that shows a count of a total; the result takes the count so far."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=stderr_console()) as bars:
        task = bars.add_task(description, total=total)
        yield lambda done: bars.update(task, completed=done)
