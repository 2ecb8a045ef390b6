"""`python -m benchmarks.drift_real LOG PROBLEM`: what would have rung on a real log after training at 60 % of it."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks import drift_world as world
from benchmarks.drift_rules import WINDOWS, evaluate
from benchmarks.drift_world import HOUR, Trained, Watched, ringing, sums
from stream.core import drift
from stream.core.problem import parse_problem
from stream.eventlog import read_log
from stream.lab.replaying import replay
from stream.lab.split import split_at_share
from stream.lab.training import SEED, SPLIT
from stream.models.reference import chance

_SHOWN = 12


def main(
    log: Annotated[Path, typer.Argument(help="An event log.")],
    problem: Annotated[Path, typer.Argument(help="Its problem file.")],
) -> None:
    """Print a table of what rings first, and of the largest indices."""
    rules = parse_problem(problem.read_text(), problem.name)
    replayed = replay(read_log(log, rules.outcome.grace_minutes * 60.0), rules)
    end = split_at_share(replayed, SPLIT)
    trained = world.train(replayed, end, SEED)
    watched = world.watch(replayed, end, trained)
    hours = int((replayed.at.max() - end.at) // HOUR) + 1
    sys.stdout.write(table(trained, watched, hours, end.at))


def table(trained: Trained, watched: Watched, hours: int, since: float) -> str:
    """Markdown: by feature and window, when it first rang, for which share of the time, and its index at the end."""
    lines = [
        f"{trained.reference.rows} rows of reference, {len(ringing(trained))} may ring, {hours / 24:.0f} days watched",
        "",
        "| feature | window | first rang | time ringing | largest index | at the end | its threshold then |",
        "|---|---|---|---|---|---|---|",
    ]
    found = [_line(trained, watched, hours, since, name, window) for name in ringing(trained) for window in WINDOWS]
    shown = sorted((each for each in found if each[0] > 0.0), key=lambda each: -each[0])
    lines += [line for _, line in shown[:_SHOWN]]
    lines += ["", f"{len(shown)} of {len(found)} feature windows rang; {max(len(shown) - _SHOWN, 0)} not in the table"]
    lines += _score_lines(trained, watched, hours, since)
    return "\n".join(lines) + "\n"


def _score_lines(trained: Trained, watched: Watched, hours: int, since: float) -> list[str]:
    return ["", *(_line(trained, watched, hours, since, world.SCORE, window)[1] for window in WINDOWS)]


def _line(trained: Trained, watched: Watched, hours: int, since: float, name: str, window: str) -> tuple[float, str]:
    """The share of time it rang, and its row."""
    spread = ringing(trained)[name]
    rows = trained.reference.rows
    counts = sums(watched.column(trained.chosen, name), watched.hour, spread.edges, hours, WINDOWS[window])
    index = drift.psi_each(counts, [*spread.shares, spread.missing], rows)
    rung = evaluate(counts, spread, trained, window)["ours"]
    effect = {"24h": spread.design_effect, "7d": spread.design_effect_7d}[window]
    threshold = chance(spread, len(ringing(trained)), effect or 1.0) * (1.0 / float(counts[-1].sum()) + 1.0 / rows)
    first = "never"
    if rung.any():
        after = float(np.flatnonzero(rung)[0]) + 1.0
        day = datetime.fromtimestamp(since, UTC) + timedelta(hours=after)
        first = f"{day:%Y-%m-%d}, day {after / 24:.1f}"
    share = float(rung.mean())
    told = f"| {name} | {window} | {first} | {share:.0%} | {index.max():.2f} | {index[-1]:.2f} | {threshold:.2f} |"
    return share, told


if __name__ == "__main__":
    typer.run(main)
