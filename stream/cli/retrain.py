"""`noisegate retrain`: the retraining loop, once; put it in cron."""

import shlex
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from stream.cli import options
from stream.console import print_json, stage_bars


def retrain(
    since: Annotated[
        str | None, typer.Option(help="Use the log from this time on: 90d, 12h, 4w, or a time. Default: all of it.")
    ] = None,
    judge_days: Annotated[
        float, typer.Option(min=0.01, help="Number of matured days at the end of the log to judge on.")
    ] = 14.0,
    seed: Annotated[int, typer.Option(help="Random seed. The same seed and log give the same scores.")] = 7,
    trials: Annotated[
        int, typer.Option(help="Number of parameter sets to try by cross-validation; 0 keeps the defaults.")
    ] = 0,
    recency_days: Annotated[float | None, typer.Option(help="Half-life of a training alert's weight, in days.")] = None,
    titles: Annotated[bool, typer.Option("--titles", help="Learn the rates of the words of titles too.")] = False,
    prior: Annotated[
        list[str] | None,
        typer.Option("--prior", help="Learn the rates of this key too, such as label.region. Several times for more."),
    ] = None,
    estimator: Annotated[
        str | None,
        typer.Option(
            "--estimator", metavar="MODULE:FUNCTION", help="Learn with what this function returns, not LightGBM."
        ),
    ] = None,
    params: Annotated[Path | None, typer.Option("--params", help="TOML file with parameters of LightGBM.")] = None,
    skip_bad: Annotated[
        bool,
        typer.Option(
            "--skip-bad/--no-skip-bad",
            help="Leave out records that are no events, counted by reason, or refuse to train on such a log.",
        ),
    ] = True,
    force: Annotated[
        str | None,
        typer.Option(
            help="Make it challenger even if the gate or the comparison fails. Give the reason; it is recorded."
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Train on the log in Kafka, compare with the champion, publish as challenger. Status 2: trained, but refused."""
    from stream.cli.models_query import live_comparison_of, loader_of
    from stream.core.errors import ModelError, StoreAway
    from stream.core.events import parse_past
    from stream.lab.learning.estimators import load_estimator
    from stream.lab.learning.params import read_params
    from stream.lab.learning.plan import Plan
    from stream.lab.reporting.retrain_report import write
    from stream.lab.retraining import RetrainRequest
    from stream.lab.retraining import retrain as retrain_once
    from stream.lab.sources.pull import pull
    from stream.models.promotion import promote
    from stream.models.store import Store
    from stream.progress import Progress

    settings = options.settings()
    request = RetrainRequest(
        since=None if since is None else parse_past(since, "--since", time.time()),
        judge_days=judge_days,
        seed=seed,
        plan=Plan(
            trials=trials,
            recency_days=recency_days,
            titles=titles,
            priors=tuple(prior or ()),
            estimator=load_estimator(estimator) if estimator else None,
            params=read_params(params) if params else {},
        ),
        skip_bad=skip_bad,
        force=force,
        command=shlex.join(["noisegate", *sys.argv[1:]]),
    )

    def pulled(log: Path, begin: float | None, report_progress: Progress) -> dict[str, int]:
        left_out = pull(settings, log, begin, progress=report_progress).left_out
        return {reason: left.count for reason, left in left_out.items()}

    def promoted(version: str) -> str | None:
        try:
            store = Store(settings.models.store)
            promote(loader_of(settings, store), live_comparison_of(settings, store), version)
        except StoreAway:  # nobody knows whether it was promoted
            raise
        except ModelError as error:
            return str(error)
        return None

    with stage_bars() as report_progress:
        found = retrain_once(settings, request, pulled, promoted, report_progress)
    if as_json:
        print_json(found)
    else:
        sys.stdout.write(write(found))
        sys.stdout.flush()
    raise typer.Exit(found.status)
