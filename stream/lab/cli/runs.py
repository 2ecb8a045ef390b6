"""The run log on the command line: `noisegate lab runs`, and what the other verbs write into it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE
from rich.table import Table

from stream.console import print_json, print_notice
from stream.core.errors import LabError
from stream.lab.cli.options import AsJson
from stream.lab.cli.output import table_console
from stream.lab.runs import FOLDER, Run, hash_of, looks, read_runs, track, write_run

if TYPE_CHECKING:
    from stream.lab.judging.compare_models import ModelComparison, Scored

SIMULATED = "simulated"
_LOOKS = 5  # at one log, from which on a sentence says so


def runs_command(
    models: Annotated[Path, typer.Argument(help="Folder of models.")] = Path("models"), as_json: AsJson = False
) -> None:
    """List the trainings, adoptions and evaluations that a folder of models remembers, oldest first."""
    runs = read_runs(models)
    if as_json:
        print_json(runs)
        return
    if not runs:
        raise LabError(f"{models / FOLDER}: holds no run", "name the folder of models that `lab train` wrote into")
    console = table_console()
    table = Table(box=SIMPLE)
    for name in ("time (UTC)", "run", "model", "log"):
        table.add_column(name, no_wrap=name != "log")
    for name in ("AUC", "ECE", "suppressed", "gate"):
        table.add_column(name, justify="right", no_wrap=True)
    for run in runs:
        figures = None if run.metrics is None else run.metrics.model
        cells = ["-"] * 3
        if figures is not None:
            cells = [f"{value:.3f}" for value in (figures.auc, figures.ece, figures.suppressed_at)]
        table.add_row(f"{run.at:%Y-%m-%d %H:%M}", run.verb, run.model, run.log, *cells, run.gate or "-")
    console.print(table)
    names = {run.log_sha256: run.log for run in runs}
    for log, count in looks(runs).items():
        if count >= _LOOKS:
            console.print(
                f"Models were judged on {names[log]} {count} times. Who chooses by what was seen so often needs newer "
                "alerts to judge by.",
                markup=False,
            )


def record_run(run: Run, folder: Path, tracking: Any, new: bool = True) -> None:
    """Write a run into the run log beside a version's folder, and send it to MLflow where that is wanted.

    An evaluation is noted only where there is a run log already: who only reads a folder of models leaves it alone.
    """
    if new or (folder.parent / FOLDER).is_dir():
        try:
            write_run(run, folder.parent)
        except LabError as error:
            print_notice(f"not noted in the run log: {error}")
    if tracking is not None and (fault := track(tracking, run, folder if new else None)):
        print_notice(fault)


def evaluation_runs(
    comparison: "ModelComparison", scored: "Scored", log: Path, name: str, command: str
) -> Sequence[Run]:
    """A run for each model that was judged."""
    content, now = hash_of(log), datetime.now(UTC)
    return [
        Run(
            at=now,
            verb="evaluate",
            command=command,
            log=name,
            log_sha256=content,
            problem=scored.replayed.problem.id,
            split_at=found.split_at,
            model=found.model,
            metrics=found.metrics,
        )
        for found in comparison.evaluations
    ]
