"""The verbs `noisegate lab ...`. Results on standard output, everything else on standard error."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from stream.config import load_problem
from stream.console import print_json, print_notice, stage_bars, strip_control_characters
from stream.core.errors import LabError
from stream.lab.cli.audit import audit_command
from stream.lab.cli.backtest import backtest_command
from stream.lab.cli.options import AsJson, Decisions, Events, ProblemFile, Simulated, SkipBad, Sort, chosen_log
from stream.lab.cli.output import print_metrics, table_console
from stream.lab.cli.pull import pull_command
from stream.lab.reporting.formats import weights_words
from stream.models.manifest import Manifest

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Train and judge models (extra: lab).")

app.command("backtest")(backtest_command)
app.command("audit")(audit_command)
app.command("pull")(pull_command)


@app.command("train")
def train_command(
    problem: ProblemFile,
    out: Annotated[Path, typer.Option(help="Folder of models. The new version becomes a folder in it.")],
    events: Events = None,
    decisions: Decisions = None,
    simulated: Simulated = False,
    skip_bad: SkipBad = False,
    sort: Sort = False,
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
    definition = load_problem(problem)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"--out {out}: this folder can't be created ({error.strerror})", "name another") from None
    command = shlex.join(["noisegate", *sys.argv[1:]])
    with chosen_log(events, simulated, skip_bad, sort) as log, stage_bars() as report_progress:
        folder = train(
            log,
            definition,
            out,
            split=split,
            seed=seed,
            plan=plan,
            command=command,
            progress=report_progress,
            notice=print_notice,
            decisions=decisions,
        )
    manifest = verify(folder)
    if as_json:
        print_json({"folder": str(folder), "version": manifest.version, "metrics": manifest.metrics})
        return
    _print_trained(folder, manifest, problem, out)


@app.command("evaluate")
def evaluate_command(
    model: Annotated[Path, typer.Option(help="Folder of a version, or a folder of versions.")],
    events: Events = None,
    decisions: Decisions = None,
    simulated: Simulated = False,
    skip_bad: SkipBad = False,
    sort: Sort = False,
    as_json: AsJson = False,
) -> None:
    """Judge a model and the baselines on the alerts of a log after the model's split."""
    from stream.lab.judging.evaluation import evaluate

    with chosen_log(events, simulated, skip_bad, sort) as log, stage_bars() as report_progress:
        evaluation = evaluate(log, model, report_progress, decisions)
    if as_json:
        print_json(evaluation)
        return
    console = table_console()
    console.print(f"[bold]{evaluation.model}[/bold]  {escape(evaluation.question)}")
    console.print(
        f"after {evaluation.split_at:%Y-%m-%d %H:%M} UTC; not judged: {evaluation.excluded:,} visibility-only or in a "
        f"flood, {evaluation.young:,} whose horizon had not passed"
    )
    print_metrics(console, evaluation.metrics, evaluation.simulated)


def _print_trained(folder: Path, manifest: Manifest, problem: Path, out: Path) -> None:
    console = table_console()
    console.print(f"[bold]{escape(str(folder))}[/bold]  learnt from {manifest.training.used:,} alerts")
    if manifest.metrics is not None:
        print_metrics(console, manifest.metrics, manifest.training.simulated)
    if manifest.training.weights is not None:
        console.print(f"learnt from: {weights_words(manifest.training.weights)}", highlight=False)
    if manifest.gate is not None and not manifest.gate.passed:
        verb = "could not be tested" if manifest.gate.result == "not tested" else "failed"
        why = escape(strip_control_characters("; ".join(manifest.gate.faults)))
        console.print(
            f"The gate {verb}: {why}. `noisegate models promote` refuses this version unless you give a reason; "
            f"see {escape(str(folder / 'report.html'))}"
        )
        return
    served = shlex.join([f"NOISEGATE_PROBLEM={problem.resolve()}", f"NOISEGATE_MODEL_STORE={out.resolve()}"])
    console.print(
        f"To serve it: {escape(served)} noisegate models promote {manifest.version}"
        " (scorers with these two settings load it within seconds)"
    )
