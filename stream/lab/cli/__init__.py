"""The verbs `noisegate lab ...`. Results on standard output, everything else on standard error."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from stream.bars import stage_bars
from stream.core.errors import LabError
from stream.lab.cli.audit import audit_command
from stream.lab.cli.backtest import backtest_command
from stream.lab.cli.pull import pull_command
from stream.lab.cli.shown import (
    AsJson,
    Events,
    ProblemFile,
    Simulated,
    console,
    log_of,
    notice,
    read_problem,
    say_json,
    say_metrics,
)
from stream.console import strip_control_characters

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Train and judge models (extra: lab).")

app.command("backtest")(backtest_command)
app.command("audit")(audit_command)
app.command("pull")(pull_command)


@app.command("train")
def train_command(
    problem: ProblemFile,
    out: Annotated[Path, typer.Option(help="Folder of models. The new version becomes a folder in it.")],
    events: Events = None,
    simulated: Simulated = False,
    split: Annotated[float, typer.Option(help="Share of the alerts to train on, by raise time.")] = 0.6,
    seed: Annotated[int, typer.Option(help="Random seed. The same seed and log give the same scores.")] = 7,
    trials: Annotated[
        int, typer.Option(help="Number of parameter sets to try by cross-validation; 0 keeps the defaults.")
    ] = 0,
    recency_days: Annotated[float | None, typer.Option(help="Half-life of a training alert's weight, in days.")] = None,
    holdout_weight: Annotated[float, typer.Option(help="Weight of alerts that were held out from rules.")] = 1.0,
    monotone: Annotated[bool, typer.Option(help="Train so that a higher rate never lowers the score.")] = True,
    calibration: Annotated[str, typer.Option(help="Calibration: auto, none, platt or isotonic.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Train a model on the first part of a log, judge it on the rest, and write it as a new version."""
    from stream.lab.learning.plan import make_plan
    from stream.lab.training import train
    from stream.models.artifact import verify

    plan = make_plan(trials, recency_days, holdout_weight, monotone, calibration)
    definition = read_problem(problem)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"--out {out}: this folder can't be created ({error.strerror})", f"name another") from None
    command = shlex.join(["noisegate", *sys.argv[1:]])
    with log_of(events, simulated) as log, stage_bars() as told:
        folder = train(
            log, definition, out, split=split, seed=seed, plan=plan, command=command, progress=told, notice=notice
        )
    manifest = verify(folder)
    if as_json:
        say_json({"folder": str(folder), "version": manifest.version, "metrics": manifest.metrics})
        return
    shown = console()
    shown.print(f"[bold]{escape(str(folder))}[/bold]  learnt from {manifest.training.used:,} alerts")
    if manifest.metrics is not None:
        say_metrics(shown, manifest.metrics, manifest.training.simulated)
    if manifest.gate is not None and not manifest.gate.passed:
        said = "could not be tested" if manifest.gate.result == "not tested" else "failed"
        why = escape(strip_control_characters("; ".join(manifest.gate.faults)))
        shown.print(
            f"The gate {said}: {why}. `noisegate models promote` refuses this version unless you give a reason; "
            f"see {escape(str(folder / 'report.html'))}"
        )
        return
    served = shlex.join([f"NOISEGATE_PROBLEM={problem.resolve()}", f"NOISEGATE_MODEL_STORE={out.resolve()}"])
    shown.print(
        f"To serve it: {escape(served)} noisegate models promote {manifest.version}"
        " (scorers with these two settings load it within seconds)"
    )


@app.command("evaluate")
def evaluate_command(
    model: Annotated[Path, typer.Option(help="Folder of a version, or a folder of versions.")],
    events: Events = None,
    simulated: Simulated = False,
    as_json: AsJson = False,
) -> None:
    """Judge a model and the baselines on the alerts of a log after the model's split."""
    from stream.lab.judging.evaluate import evaluate

    with log_of(events, simulated) as log, stage_bars() as told:
        evaluation = evaluate(log, model, told)
    if as_json:
        say_json(evaluation)
        return
    shown = console()
    shown.print(f"[bold]{evaluation.model}[/bold]  {escape(evaluation.question)}")
    shown.print(
        f"after {evaluation.split_at:%Y-%m-%d %H:%M} UTC; not judged: {evaluation.excluded:,} visibility-only or in a "
        f"flood, {evaluation.young:,} whose horizon had not passed"
    )
    say_metrics(shown, evaluation.metrics, evaluation.simulated)
