"""The verbs `noisegate lab ...`. Results on standard output, everything else on standard error."""

import os
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from stream.console import stage_bars
from stream.lab.cli.adopt import adopt_command
from stream.lab.cli.audit import audit_command
from stream.lab.cli.backtest import backtest_command
from stream.lab.cli.options import (
    AsJson,
    Calibration,
    Decisions,
    EstimatorName,
    Events,
    ParamsFile,
    Prior,
    ProblemFile,
    Simulated,
    SkipBad,
    Sort,
    Split,
    Titles,
    chosen_log,
)
from stream.lab.cli.output import print_comparison, print_evaluation
from stream.lab.cli.pull import pull_command
from stream.lab.cli.runs import SIMULATED, evaluation_runs, record_run, runs_command
from stream.lab.cli.version import write_version
from stream.lab.runs import require_tracking

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Train and judge models (extra: lab).")

app.command("backtest")(backtest_command)
app.command("audit")(audit_command)
app.command("pull")(pull_command)
app.command("adopt")(adopt_command)
app.command("runs")(runs_command)


@app.command("train")
def train_command(
    problem: ProblemFile,
    out: Annotated[Path, typer.Option(help="Folder of models. The new version becomes a folder in it.")],
    events: Events = None,
    decisions: Decisions = None,
    simulated: Simulated = False,
    skip_bad: SkipBad = False,
    sort: Sort = False,
    split: Split = 0.6,
    seed: Annotated[int, typer.Option(help="Random seed. The same seed and log give the same scores.")] = 7,
    trials: Annotated[
        int, typer.Option(help="Number of parameter sets to try by cross-validation; 0 keeps the defaults.")
    ] = 0,
    recency_days: Annotated[float | None, typer.Option(help="Half-life of a training alert's weight, in days.")] = None,
    holdout_weight: Annotated[float, typer.Option(help="Weight of alerts that were held out from rules.")] = 1.0,
    monotone: Annotated[bool, typer.Option(help="Train so that a higher rate never lowers the score.")] = True,
    calibration: Calibration = "auto",
    estimator: EstimatorName = None,
    params: ParamsFile = None,
    prior: Prior = None,
    titles: Titles = False,
    as_json: AsJson = False,
) -> None:
    """Train a model on the first part of a log, judge it on the rest, and write it as a new version."""
    from stream.lab.learning.estimators import load_estimator
    from stream.lab.learning.params import read_params
    from stream.lab.learning.plan import make_plan
    from stream.lab.training import train

    plan = make_plan(
        trials,
        recency_days,
        holdout_weight,
        monotone,
        calibration,
        estimator=load_estimator(estimator) if estimator else None,
        params=read_params(params) if params else None,
        priors=tuple(prior or ()),
        titles=titles,
    )
    make = partial(train, split=split, seed=seed, plan=plan, decisions=decisions)
    write_version("train", make, (events, simulated, skip_bad, sort), problem, out, as_json)


@app.command("evaluate")
def evaluate_command(
    model: Annotated[
        list[Path],
        typer.Option(help="Folder of a version, or a folder of versions. Give it several times to compare models."),
    ],
    events: Events = None,
    decisions: Decisions = None,
    simulated: Simulated = False,
    skip_bad: SkipBad = False,
    sort: Sort = False,
    scores: Annotated[
        Path | None,
        typer.Option(help="Write each alert's score and what pushed it to this file: .parquet (extra: lab) or .csv."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Judge models and the baselines on the alerts of a log after the models' splits."""
    from stream.lab.judging.compare_models import compare_models, score_models
    from stream.lab.score_file import check_score_path, write_scores
    from stream.models.store import find

    tracking = require_tracking(os.environ)
    if scores is not None:
        check_score_path(scores)
    command, name = shlex.join(["noisegate", *sys.argv[1:]]), events.name if events else SIMULATED
    with chosen_log(events, simulated, skip_bad, sort) as log, stage_bars() as report_progress:
        scored = score_models(log, model, report_progress, decisions)
        comparison = compare_models(scored)
        if scores is not None:
            report_progress("finding reasons", 0.0)
            write_scores(scored, scores)
            report_progress("finding reasons", 1.0)
        runs = evaluation_runs(comparison, scored, log, name, command)
    for place, run in zip(model, runs, strict=True):
        record_run(run, find(place), tracking, new=False)
    if len(model) > 1:
        print_comparison(comparison, as_json)
        return
    print_evaluation(comparison.evaluations[0], as_json)
