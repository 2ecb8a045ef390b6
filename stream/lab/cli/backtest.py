"""`noisegate lab backtest`: train again every so often, beside training once."""

from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from stream.config import load_problem
from stream.console import print_json, stage_bars
from stream.core.errors import LabError
from stream.lab.cli import options
from stream.lab.cli.output import print_figures, table_console
from stream.lab.reporting.formats import weights_words
from stream.models.manifest import LabelWeights

_UNITS = {"d": 1.0, "h": 1 / 24, "w": 7.0}


def backtest_command(
    problem: options.ProblemFile,
    events: options.Events = None,
    decisions: options.Decisions = None,
    simulated: options.Simulated = False,
    skip_bad: options.SkipBad = False,
    sort: options.Sort = False,
    every: Annotated[str, typer.Option(help="Interval between trainings, such as 7d, 12h or 1w.")] = "7d",
    split: Annotated[float, typer.Option(help="Share of the alerts before the first training, by raise time.")] = 0.6,
    seed: Annotated[int, typer.Option(help="Random seed. The same seed and log give the same scores.")] = 7,
    as_json: options.AsJson = False,
) -> None:
    """Train again at intervals, such as every week, with what was known then, and compare with training once."""
    from stream.lab.backtesting import ONCE, RETRAINED, backtest

    definition, days = load_problem(problem), days_of(every)
    with options.chosen_log(events, simulated, skip_bad, sort) as log, stage_bars() as report_progress:
        found = backtest(
            log, definition, every_days=days, split=split, seed=seed, progress=report_progress, decisions=decisions
        )
    if as_json:
        print_json(found)
        return
    console = table_console()
    console.print(f"[bold]Trained again every {every}[/bold]  {escape(found.question)}")
    table = Table(box=SIMPLE)
    for name in ("from", "learnt from", "judged", "acted on", f"AUC {RETRAINED}", ONCE, f"ECE {RETRAINED}", ONCE):
        table.add_column(name, justify="right", no_wrap=True)
    for step in found.steps:
        aucs = [_figure(step.auc[name]) for name in (RETRAINED, ONCE)]
        eces = [_figure(step.ece[name]) for name in (RETRAINED, ONCE)]
        counts = (f"{step.learnt_from:,}", f"{step.judged:,}", f"{step.label_rate:.1%}")
        table.add_row(f"{step.start:%Y-%m-%d}", *counts, *aucs, *eces)
    console.print(table)
    if found.untested:
        console.print(
            f"not tested: {found.untested} of {found.untested + len(found.steps)} steps, no alert can be judged"
        )
    print_figures(console, f"{found.judged:,} alerts judged", found.scores, f"{found.target_detection:.0%}")
    if isinstance(found.weights, LabelWeights):
        console.print(f"judged: {weights_words(found.weights)}", highlight=False)
    console.print(
        "* at thresholds fixed beforehand: at each training for the retrained model, at the first for the others"
    )


def days_of(every: str) -> float:
    """Days of a length such as `7d`, `12h` or `1w`.

    >>> days_of("12h")
    0.5
    """
    number, unit = every[:-1], every[-1:]
    try:
        return float(number) * _UNITS[unit]
    except (ValueError, KeyError):
        raise LabError(f"--every {every}: give a number and a unit, such as 7d, 12h or 1w") from None


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
