"""What the lab's verbs share: their options, the log that is meant, tables and JSON."""

import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from stream.bars import PlainConsole, stderr_console
from stream.core.errors import LabError, ProblemError
from stream.core.problem import Problem, parse_problem
from stream.lab.judging.judge import MODEL
from stream.models.manifest import Figures, Metrics
from stream.console import escape_json

_WIDTH = 110

Events = Annotated[Path | None, typer.Option(help="Event log: .jsonl, .jsonl.gz or .parquet, in order of time.")]
Simulated = Annotated[bool, typer.Option("--simulated", help="Use the simulated organisation's log instead of a file.")]
ProblemFile = Annotated[Path, typer.Option(help="Problem file (TOML): what to predict.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one line of JSON on standard output.")]


def read_problem(path: Path) -> Problem:
    """The problem file that an option names."""
    try:
        return parse_problem(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ProblemError(f"{path}: can't be read: {getattr(error, 'strerror', None) or error}") from None


@contextmanager
def log_of(events: Path | None, simulated: bool) -> Iterator[Path]:
    """The log that is meant; the simulated one is written to a temporary file."""
    if (events is None) == (not simulated):
        raise LabError("name one log: --events FILE or --simulated")
    if events is not None:
        yield events
        return
    from stream.simulation import write_events

    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "simulated.jsonl.gz"
        write_events(log)
        yield log


def console() -> Console:
    """Standard output; wide enough for the table where it is no terminal."""
    return PlainConsole() if sys.stdout.isatty() else PlainConsole(width=_WIDTH)


def notice(sentence: str) -> None:
    """A sentence on standard error, beside the bars."""
    stderr_console().print(sentence, markup=False, soft_wrap=True)


def say_json(result: object) -> None:
    """One line on standard output."""
    sys.stdout.write(escape_json(msgspec.json.encode(result).decode()) + "\n")


def say_metrics(console: Console, metrics: Metrics, simulated: bool) -> None:
    """The model beside the baselines."""
    kept = f"{metrics.target_detection:.0%}"
    title = f"{metrics.judged:,} alerts judged, {metrics.label_rate:.1%} acted on{' (SIMULATED)' if simulated else ''}"
    say_figures(console, title, {MODEL: metrics.model, **metrics.baselines}, kept)
    console.print(f"* at the threshold that kept {kept} on the end of the training window")


def say_figures(console: Console, title: str, scores: Mapping[str, Figures], kept: str) -> None:
    """A row a score, the first in bold."""
    table = Table(title=title, title_justify="left", box=SIMPLE)
    table.add_column("score", no_wrap=True)
    for name in ("AUC", "ECE", "Brier", "log loss", f"suppressed at {kept}", "detection*", "suppressed*"):
        table.add_column(name, justify="right", no_wrap=not name.startswith("suppressed "))
    for number, (name, figures) in enumerate(scores.items()):
        table.add_row(name, *_cells(figures), style=None if number else "bold")
    console.print(table)


def _cells(of: Figures) -> list[str]:
    values = (of.auc, of.ece, of.brier, of.log_loss, of.suppressed_at, of.detection, of.suppressed)
    return [f"{value:.3f}" for value in values]
