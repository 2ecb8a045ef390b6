"""The verbs `noisegate lab ...`. Results on standard output, everything else on standard error."""

import shlex
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stream.bars import stage_bars
from stream.core.errors import LabError, ProblemError
from stream.core.problem import Problem, parse_problem
from stream.lab.judging.judge import MODEL
from stream.models.manifest import Figures, Metrics

_WIDTH = 110
app = typer.Typer(no_args_is_help=True, help="Make and judge models (extra: lab).")

Events = Annotated[Path | None, typer.Option(help="An event log, .jsonl or .jsonl.gz, in order of time.")]
Simulated = Annotated[bool, typer.Option("--simulated", help="The simulated organisation's log, instead of a file.")]
ProblemFile = Annotated[Path, typer.Option(help="The problem file (TOML): what is predicted.")]
AsJson = Annotated[bool, typer.Option("--json", help="One line of JSON on standard output.")]


@app.command("train")
def train_command(
    problem: ProblemFile,
    out: Annotated[Path, typer.Option(help="The folder of models; the new version becomes a folder in it.")],
    events: Events = None,
    simulated: Simulated = False,
    split: Annotated[float, typer.Option(help="Share of the alerts, by raise time, to learn from.")] = 0.6,
    seed: Annotated[int, typer.Option(help="The same seed and log give the same scores.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Train a model on a log, judge it on the rest, write it as a new version."""
    from stream.lab.training import train
    from stream.models.artifact import verify

    definition = _read_problem(problem)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"--out {out}: can't be made a folder ({error.strerror}); name another") from None
    command = shlex.join(["noisegate", *sys.argv[1:]])
    with _log_of(events, simulated) as log, stage_bars() as told:
        folder = train(log, definition, out, split=split, seed=seed, command=command, progress=told)
    manifest = verify(folder)
    if as_json:
        _say_json({"folder": str(folder), "version": manifest.version, "metrics": manifest.metrics})
        return
    console = _console()
    console.print(f"[bold]{escape(str(folder))}[/bold]  learnt from {manifest.training.used:,} alerts")
    if manifest.metrics is not None:
        _say_metrics(console, manifest.metrics, manifest.training.simulated)
    console.print(
        f"To serve it, write its name into the pointer: echo {manifest.version} > {escape(str(out))}/CHAMPION"
        " (scorers with this NOISEGATE_MODELS_DIR take it within seconds)"
    )


@app.command("evaluate")
def evaluate_command(
    model: Annotated[Path, typer.Option(help="A version's folder, or a folder of versions.")],
    events: Events = None,
    simulated: Simulated = False,
    as_json: AsJson = False,
) -> None:
    """Judge a model beside the baselines, on the alerts of a log after the model's split."""
    from stream.lab.judging.evaluate import evaluate

    with _log_of(events, simulated) as log, stage_bars() as told:
        evaluation = evaluate(log, model, told)
    if as_json:
        _say_json(evaluation)
        return
    console = _console()
    console.print(f"[bold]{evaluation.model}[/bold]  {escape(evaluation.question)}")
    console.print(
        f"after {evaluation.split_at:%Y-%m-%d %H:%M} UTC; not judged: {evaluation.excluded:,} visibility-only or in a "
        f"flood, {evaluation.young:,} whose horizon had not passed"
    )
    _say_metrics(console, evaluation.metrics, evaluation.simulated)


def _read_problem(path: Path) -> Problem:
    try:
        return parse_problem(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ProblemError(f"{path}: can't be read: {getattr(error, 'strerror', None) or error}") from None


@contextmanager
def _log_of(events: Path | None, simulated: bool) -> Iterator[Path]:
    """The log that is meant; the simulated one is written to a temporary file."""
    if (events is None) == (not simulated):
        raise LabError("name one log: --events FILE, or --simulated")
    if events is not None:
        yield events
        return
    from stream.dev.organisation import write_events

    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "simulated.jsonl.gz"
        write_events(log)
        yield log


def _console() -> Console:
    """Standard output; wide enough for the table where it is no terminal."""
    return Console() if sys.stdout.isatty() else Console(width=_WIDTH)


def _say_json(result: object) -> None:
    sys.stdout.write(msgspec.json.encode(result).decode() + "\n")


def _say_metrics(console: Console, metrics: Metrics, simulated: bool) -> None:
    kept = f"{metrics.target_detection:.0%}"
    title = f"{metrics.judged:,} alerts judged, {metrics.label_rate:.1%} acted on{' (SIMULATED)' if simulated else ''}"
    table = Table(title=title, title_justify="left", box=SIMPLE)
    table.add_column("score", no_wrap=True)
    for name in ("AUC", "ECE", "Brier", "log loss", f"suppressed at {kept}", "detection*", "suppressed*"):
        table.add_column(name, justify="right", no_wrap=not name.startswith("suppressed "))
    for name, figures in {MODEL: metrics.model, **metrics.baselines}.items():
        table.add_row(name, *_cells(figures), style="bold" if name == MODEL else None)
    console.print(table)
    console.print(f"* at the threshold that kept {kept} on the end of the training window")


def _cells(of: Figures) -> list[str]:
    values = (of.auc, of.ece, of.brier, of.log_loss, of.suppressed_at, of.detection, of.suppressed)
    return [f"{value:.3f}" for value in values]
