"""`python -m benchmarks.drift_alarms`: how often drift rings where there is none, and how soon where there is some.

Months of an organisation that stands still, by seed; the rule of the recording rules beside naive ones, each evaluated
every hour over sliding windows. Then changes are injected 30 days after training. Seeds 1 to 10 were looked at while
the rule was made; the default starts above them.
"""

import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer
from msgspec import Struct

from benchmarks import drift_world as world
from benchmarks.drift_power import Delay, broken, changes
from benchmarks.drift_rules import Alarms, alarms
from benchmarks.machine import machine

FIRST_SEED = 101
OUT = Path(__file__).parent / "results" / "drift_alarms.json"
HOURS = world.WATCHED_DAYS * 24


class Rate(Struct, frozen=True):
    """Alarms of a rule over all seeds. The interval is a bootstrap's over seeds, 95 %."""

    alarms: int
    months: float
    a_month: float
    low: float
    high: float
    seeds_with_any: int
    time_share: float
    features: dict[str, int]  # hours of ringing, the five with the most


class Figures(Struct, frozen=True):
    """drift_alarms.json."""

    date: str
    command: str
    machine: dict[str, str | int | float]
    seeds: list[int]
    watched_features: int
    reference_rows: float
    rows_24h: float
    calm: dict[str, dict[str, Rate]]
    with_floods: dict[str, dict[str, Rate]]
    power_seeds: list[int]
    broken: dict[str, Delay]
    changes: dict[str, Delay]


class Run(Struct, frozen=True):
    """One seed's."""

    seed: int
    calm: dict[str, dict[str, Alarms]]
    flooded: dict[str, dict[str, Alarms]]
    reference_rows: int
    rows_24h: float
    watched: int
    broken: dict[str, Delay]
    changes: dict[str, Delay]


def main(
    seeds: Annotated[int, typer.Option(min=1, help="Organisations without drift.")] = 50,
    first_seed: Annotated[int, typer.Option(help="The first of them.")] = FIRST_SEED,
    power_seeds: Annotated[int, typer.Option(min=0, help="Of them, into how many changes are injected.")] = 5,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    out: Annotated[Path, typer.Option(help="Where to write.")] = OUT,
) -> None:
    """Measure, and write the JSON; what is done stands in it at any time."""
    numbers = range(first_seed, first_seed + seeds)
    options = f"--seeds {seeds} --first-seed {first_seed} --power-seeds {power_seeds}"
    runs: list[Run] = []
    with ProcessPoolExecutor(jobs) as pool:
        waiting = [pool.submit(run, seed, seed - first_seed < power_seeds) for seed in numbers]
        for done in as_completed(waiting):
            runs = sorted([*runs, done.result()], key=lambda each: each.seed)
            figures = summarised(runs, f"python -m benchmarks.drift_alarms {options}")
            out.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=1) + b"\n")
            sys.stderr.write(f"drift_alarms: {len(runs)} of {seeds}\n")
    sys.stdout.write(table(figures))


def run(seed: int, power: bool) -> Run:
    """Simulate, train, watch."""
    replayed = world.organisation(seed)
    end = world.split(replayed)
    trained = world.train(replayed, end, seed)
    seen = world.watch(replayed, end, trained)
    return Run(
        seed=seed,
        calm=alarms(trained, seen, HOURS, calm=True),
        flooded=alarms(trained, seen, HOURS, calm=False),
        reference_rows=trained.reference.rows,
        rows_24h=len(seen.hour) / (world.WATCHED_DAYS + 7),
        watched=len(world.ringing(trained)),
        broken=broken(trained, seen) if power else {},
        changes=changes(trained, end, seed) if power else {},
    )


def summarised(runs: list[Run], command: str) -> Figures:
    """All seeds together."""
    return Figures(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        machine=machine(),
        seeds=[each.seed for each in runs],
        watched_features=max(each.watched for each in runs),
        reference_rows=round(float(np.mean([each.reference_rows for each in runs]))),
        rows_24h=round(float(np.mean([each.rows_24h for each in runs]))),
        calm=_rates([each.calm for each in runs]),
        with_floods=_rates([each.flooded for each in runs]),
        power_seeds=[each.seed for each in runs if each.broken],
        broken=_pooled([each.broken for each in runs if each.broken]),
        changes=_pooled([each.changes for each in runs if each.changes]),
    )


def table(figures: Figures) -> str:
    """The figures for docs/DRIFT.md, as Markdown."""
    lines = ["| rule | window | false alarms a month (95 %) | time ringing | seeds with any |", "|---|---|---|---|---|"]
    for rule, by_window in figures.calm.items():
        for window, r in by_window.items():
            told = f"{r.a_month:.2f} ({r.low:.2f} to {r.high:.2f})"
            lines.append(
                f"| {rule} | {window} | {told} | {r.time_share:.1%} | {r.seeds_with_any} of {len(figures.seeds)} |"
            )
    lines += ["", "| change | rang | 24 h window: median, worst | 7 d window: median, worst |", "|---|---|---|---|"]
    for name, delay in {**figures.changes, **figures.broken}.items():
        lines.append(f"| {name} | {delay.rang} of {delay.tried} | {_hours(delay.day)} | {_hours(delay.week)} |")
    return "\n".join(lines) + "\n"


def _hours(hours: list[int]) -> str:
    if not hours:
        return "never"
    return f"{len(hours)} times: {float(np.median(hours)):.0f} h, {max(hours)} h"


def _rates(found: list[dict[str, dict[str, Alarms]]]) -> dict[str, dict[str, Rate]]:
    return {
        rule: {window: _rate([each[rule][window] for each in found]) for window in by_window}
        for rule, by_window in found[0].items()
    }


def _rate(found: list[Alarms]) -> Rate:
    counts, months = np.array([each.alarms for each in found]), np.array([each.months for each in found])
    drawn = np.random.default_rng(0).integers(len(found), size=(2_000, len(found)))
    low, high = np.quantile(counts[drawn].sum(axis=1) / months[drawn].sum(axis=1), (0.025, 0.975))
    features: dict[str, int] = {}
    for each in found:
        for name, hours in each.features.items():
            features[name] = features.get(name, 0) + hours
    top = dict(sorted(features.items(), key=lambda item: -item[1])[:5])
    ringing = sum(each.ringing_hours for each in found)
    return Rate(
        alarms=int(counts.sum()),
        months=float(months.sum()),
        a_month=float(counts.sum() / months.sum()),
        low=float(low),
        high=float(high),
        seeds_with_any=int((counts > 0).sum()),
        time_share=float(ringing / (months.sum() * 720)),
        features=top,
    )


def _pooled(found: list[dict[str, Delay]]) -> dict[str, Delay]:
    names = found[0] if found else {}
    return {name: Delay.pooled([each[name] for each in found]) for name in names}


if __name__ == "__main__":
    typer.run(main)
