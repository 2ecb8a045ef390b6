"""`python -m benchmarks.acting`: ninety days of acting by a rule, with and without a hold-out; no servers.

What the weekly model's scores are worth on ALL alerts, by the need that only the simulation knows. Writes
`benchmarks/results/acting.json` and the part of RESULTS.md between two marks. SIMULATED.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from benchmarks.acting_worlds import (
    A_DAY,
    KEPT,
    LAST_DAYS,
    LOST,
    LOST_PAIR_ERROR,
    LOST_RATE,
    MOST_ERROR,
    MOST_PAIR_ERROR,
    MOST_RATE_ERROR,
    PLAIN,
    WORLDS,
    Figures,
    is_lost,
    keeps_limits,
    mean_of,
    measure_worlds,
)
from benchmarks.machine import machine
from benchmarks.parts import put_part
from stream.simulation import acting

_HERE = Path(__file__).parent
BEGIN, END = "<!-- acting: written by python -m benchmarks.acting -->", "<!-- acting: end -->"
FIRST_SEED, SEEDS = 201, 8  # seeds 1 to 20 were looked at while this was made
_SHOWN = ("team.rate_30d", "pair.rate_30d", "pair.decided_30d", "score")
_HEAD = """\
## What acting does to labels (SIMULATED)

Written by `{command}` on {day}. A rule acts for {acting.ACTING_DAYS} days on what scores below
{acting.MAX_PROBABILITY:g}, in {acting.TEAMS} teams with {acting.RULES} rules and {alerts:g} alerts a day, beside storms
of {storms}. The model is trained again every week on all labels there are. {turned:.0%} of the quiet pairs of team and
rule turn, each on a day of its own. The trip is left out, which would stop the rule. Figures are of the last {last}
days, means of {seeds} seeds; all but `judged` is over all alerts, by what needed people, and
`judged` is what the lab sees in its labels.

| | error | by team, rule | judged | rate | judged | AUC | judged | turned pairs: need | score | need paused |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"""
_HISTORY_HEAD = f"""
History grows by what people were shown. Evidence of the same days, and drift (PSI) of the last week against the same
alerts where no rule acts:

| | held out at the end | labels | effective | strong | some | weak, none | {" | ".join(_SHOWN)} | would trip |
|---|{"---:|" * (7 + len(_SHOWN))}"""


def section(document: dict[str, Any]) -> str:
    """The part of RESULTS.md."""
    head = _HEAD.format(
        command=document["command"],
        day=document["date"][:10],
        acting=acting,
        alerts=A_DAY,
        storms="{} to {}".format(*acting.STORM_SIZES),
        turned=acting.TURNED_SHARE,
        last=LAST_DAYS,
        seeds=len(document["seeds"]),
    )
    worlds = document["worlds"]
    quality = [_row(name, _quality(of)) for name, of in worlds.items()]
    history = [_row(name, _history(name, of, len(document["seeds"]))) for name, of in worlds.items()]
    return "\n".join([head, *quality, _HISTORY_HEAD, *history, "", *_limits(document)])


def _row(name: str, cells: Sequence[str]) -> str:
    return f"| {name} | {' | '.join(cells)} |"


def _quality(of: Mapping[str, Any]) -> list[str]:
    errors = [_points(of[name]) for name in ("error", "pair_error", "judged_error")]
    rates = [f"{of[name]:.1%}" for name in ("rate", "judged_rate")]
    aucs = [f"{of[name]:.2f}" for name in ("auc", "judged_auc")]
    return [*errors, *rates, *aucs, *(f"{of[name]:.0%}" for name in ("turned_need", "turned_score", "missed"))]


def _history(name: str, of: Mapping[str, Any], seeds: int) -> list[str]:
    none, weak, some, strong = of["evidence"]
    policy = WORLDS[name][0]
    shares = [f"{share:.0%}" for share in (strong, some, weak + none)]
    drifts = [f"{of['drift'][feature]:.2f}" for feature in _SHOWN]
    tripped = f"{of['tripped']} of {seeds}" if policy.acts and policy.floor else ""
    return [f"{of['share']:.0%}", f"{of['labels']:,.0f}", f"{of['effective']:,.0f}", *shares, *drifts, tripped]


def _points(error: float) -> str:
    return f"{100 * error:.1f} points"


def _limits(document: dict[str, Any]) -> list[str]:
    """What was stated beforehand, whether it holds of the means, and in how many seeds it holds of one."""
    limits, count = document["limits"], len(document["seeds"])
    texts = {
        "kept": f"Stated beforehand, with the hold-out and weights: error at most {_points(MOST_ERROR)}, by team and "
        f"rule at most {MOST_PAIR_ERROR:g} times that without a rule, the judged rate within a factor of "
        f"{MOST_RATE_ERROR:g} of the true one",
        "lost": f"Without a hold-out the error by team and rule is above {LOST_PAIR_ERROR:g} times that without a "
        f"rule, and the judged rate above {LOST_RATE:g} times the true one",
    }
    return [
        f"- {text}: {'holds' if limits[name]['of_means'] else 'does not hold'} of the means, and in "
        f"{limits[name]['seeds']} of {count} seeds alone."
        for name, text in texts.items()
    ]


def summarised(found: Mapping[int, Mapping[str, Figures]]) -> dict[str, Any]:
    """The document: means over seeds, and in how many of them the stated limits hold."""
    means = {name: mean_of([figures[name] for figures in found.values()]) for name in WORLDS}
    worlds: dict[str, Any] = {name: msgspec.to_builtins(figures) for name, figures in means.items()}
    for name, of in worlds.items():
        del of["tripped_day"]
        of["tripped"] = sum(figures[name].tripped_day is not None for figures in found.values())
    checks = {"kept": (keeps_limits, KEPT), "lost": (is_lost, LOST)}
    limits = {
        key: {
            "of_means": check(means[name], means[PLAIN]),
            "seeds": sum(check(figures[name], figures[PLAIN]) for figures in found.values()),
        }
        for key, (check, name) in checks.items()
    }
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": "python -m benchmarks.acting",
        "machine": machine(),
        "seeds": list(found),
        "limits": limits,
        "worlds": worlds,
        "by_seed": {str(seed): _limited(figures) for seed, figures in found.items()},
    }


def _limited(figures: Mapping[str, Figures]) -> dict[str, Any]:
    """What the limits look at, in the worlds that they are stated of."""
    names = ("error", "pair_error", "rate", "judged_rate")
    return {world: {name: getattr(figures[world], name) for name in names} for world in (PLAIN, KEPT, LOST)}


def main(
    seeds: Annotated[int, typer.Option(min=1, help="Organisations.")] = SEEDS,
    first_seed: Annotated[int, typer.Option(help="The first of them.")] = FIRST_SEED,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    quick: Annotated[bool, typer.Option("--quick", help="A smoke run that writes nothing.")] = False,
) -> None:
    """Simulate all worlds, and write the JSON and the part of RESULTS.md."""
    with ProcessPoolExecutor(jobs) as pool:
        numbers = range(first_seed, first_seed + (1 if quick else seeds))
        found = dict(zip(numbers, pool.map(measure_worlds, numbers), strict=True))
    document = summarised(found)
    if not quick:
        (_HERE / "results" / "acting.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        put_part(_HERE / "RESULTS.md", f"{BEGIN}\n{section(document)}\n{END}\n", BEGIN, END)
    sys.stdout.write(section(document) + "\n")


if __name__ == "__main__":
    typer.run(main)
