"""`noisegate retrain`: the retraining loop, once; put it in cron."""

import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli import options
from stream.console import print_json, stage_bars

if TYPE_CHECKING:
    from stream.config import Settings
    from stream.lab.learning.plan import Plan
    from stream.lab.reporting.retrain_report import RetrainResult
    from stream.lab.retraining import Pull
    from stream.lab.store_state import Promote
    from stream.progress import Progress

Since = Annotated[
    str | None, typer.Option(help="Use the log from this time on: 90d, 12h, 4w, or a time. Default: all of it.")
]
JudgeDays = Annotated[float, typer.Option(min=0.01, help="Number of matured days at the end of the log to judge on.")]
Seed = Annotated[int, typer.Option(help="Random seed. The same seed and log give the same scores.")]
Trials = Annotated[int, typer.Option(help="Number of parameter sets to try by cross-validation; 0 keeps the defaults.")]
RecencyDays = Annotated[float | None, typer.Option(help="Half-life of a training alert's weight, in days.")]
Titles = Annotated[bool, typer.Option("--titles", help="Learn the rates of the words of titles too.")]
Prior = Annotated[
    list[str] | None,
    typer.Option("--prior", help="Learn the rates of this key too, such as label.region. Several times for more."),
]
EstimatorName = Annotated[
    str | None,
    typer.Option("--estimator", metavar="MODULE:FUNCTION", help="Learn with what this function returns, not LightGBM."),
]
ParamsFile = Annotated[Path | None, typer.Option("--params", help="TOML file with parameters of LightGBM.")]
SkipBad = Annotated[
    bool,
    typer.Option(
        "--skip-bad/--no-skip-bad",
        help="Leave out records that are no events, counted by reason, or refuse to train on such a log.",
    ),
]
Force = Annotated[
    str | None,
    typer.Option(help="Make it challenger even if the gate or the comparison fails. Give the reason; it is recorded."),
]


def retrain(
    since: Since = None,
    judge_days: JudgeDays = 14.0,
    seed: Seed = 7,
    trials: Trials = 0,
    recency_days: RecencyDays = None,
    titles: Titles = False,
    prior: Prior = None,
    estimator: EstimatorName = None,
    params: ParamsFile = None,
    skip_bad: SkipBad = True,
    force: Force = None,
    as_json: options.AsJson = False,
) -> None:
    """Train on the log in Kafka, compare with the champion, publish as challenger. Status 2: trained, but refused."""
    from stream.core.events import parse_past
    from stream.lab import retraining
    from stream.lab.sources.decisions import read_decision_topic

    settings = options.settings()
    request = retraining.RetrainRequest(
        since=None if since is None else parse_past(since, "--since", time.time()),
        judge_days=judge_days,
        seed=seed,
        plan=_plan(trials, recency_days, titles, prior, estimator, params),
        skip_bad=skip_bad,
        force=force,
        command=shlex.join(["noisegate", *sys.argv[1:]]),
    )
    pull, promote = _puller(settings), _promoter(settings)
    with stage_bars() as report_progress:
        found = retraining.retrain(
            settings, request, pull, promote, report_progress, decisions=lambda: read_decision_topic(settings)
        )
    _print(found, as_json)
    raise typer.Exit(found.status)


def _plan(
    trials: int,
    recency_days: float | None,
    titles: bool,
    prior: list[str] | None,
    estimator: str | None,
    params: Path | None,
) -> "Plan":
    from stream.lab.learning.estimators import load_estimator
    from stream.lab.learning.params import read_params
    from stream.lab.learning.plan import Plan

    return Plan(
        trials=trials,
        recency_days=recency_days,
        titles=titles,
        priors=tuple(prior or ()),
        estimator=load_estimator(estimator) if estimator else None,
        params=read_params(params) if params else {},
    )


def _print(found: "RetrainResult", as_json: bool) -> None:
    from stream.lab.reporting.retrain_report import write

    if as_json:
        print_json(found)
        return
    sys.stdout.write(write(found))
    sys.stdout.flush()


def _puller(settings: "Settings") -> "Pull":
    from stream.lab.sources.pull import pull

    def pulled(log: Path, begin: float | None, report_progress: "Progress") -> dict[str, int]:
        left_out = pull(settings, log, begin, progress=report_progress).left_out
        return {reason: left.count for reason, left in left_out.items()}

    return pulled


def _promoter(settings: "Settings") -> "Promote":
    from stream.cli.models_query import live_comparison_of, loader_of
    from stream.core.errors import ModelError, StoreAway
    from stream.models.promotion import promote
    from stream.models.store import Store

    def promoted(version: str) -> str | None:
        try:
            store = Store(settings.models.store)
            promote(loader_of(settings, store), live_comparison_of(settings, store), version)
        except StoreAway:  # nobody knows whether it was promoted
            raise
        except ModelError as error:
            return str(error)
        return None

    return promoted
