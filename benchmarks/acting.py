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
import numpy as np
import typer
from msgspec import Struct
from msgspec.structs import replace

from benchmarks.machine import machine
from benchmarks.parts import put_part
from stream.core import drift
from stream.core.frame import Array, Labels, Matrix
from stream.lab.judging import metrics
from stream.lab.judging.drift import counted
from stream.lab.learning import calibration, trees
from stream.lab.reference import spread
from stream.lab.weights import effective_size, weighted_mean, weights_from
from stream.simulation import acting
from stream.simulation.acting import Alerts, Learn, Policy, Predict, Run

_HERE = Path(__file__).parent
BEGIN, END = "<!-- acting: written by python -m benchmarks.acting -->", "<!-- acting: end -->"
FIRST_SEED, SEEDS, A_DAY = 201, 8, 160.0  # seeds 1 to 20 were looked at while this was made
ROUNDS, RATE = 40, 0.1  # of the trees: fewer and larger steps than in training, to be done in time
LATER = 0.2  # the share of the labels that calibrates them
LAST_DAYS, WEEK = 30, 7  # judged are the last of the ninety

# Stated before the seeds above were run: what a hold-out keeps where people look for themselves, and what is lost
# without one.
MOST_ERROR = 0.03  # calibration error over all alerts
MOST_PAIR_ERROR = 1.3  # calibration error by team and rule, in units of that without a rule
MOST_RATE_ERROR = 1.25  # the label rate as judged, in units of the true one, or the other way round
LOST_PAIR_ERROR, LOST_RATE = 1.3, 1.5  # without a hold-out the same are above these

PLAIN = "no rule acts"
WORLDS: Mapping[str, tuple[Policy, bool]] = {  # policy, and whether labels are weighed
    PLAIN: (Policy(acts=False), True),
    "hold-out, weighed": (Policy(), True),
    "hold-out, not weighed": (Policy(), False),
    "5 % from the first day, weighed": (Policy(steps=False), True),
    "5 % from the first day, not weighed": (Policy(steps=False), False),
    "no hold-out": (Policy(floor=0.0), True),
    "no hold-out, paused is noise": (Policy(floor=0.0, paused_is_noise=True), False),
    "no rule acts, a third believes": (Policy(acts=False, belief=0.33), True),
    "hold-out, weighed, a third believes": (Policy(belief=0.33), True),
    "no rule acts, all believe": (Policy(acts=False, belief=1.0), True),
    "hold-out, weighed, all believe": (Policy(belief=1.0), True),
}


class Figures(Struct, frozen=True, kw_only=True):
    """One world's last thirty days. Needs are the truth, over all alerts; judged is what the lab sees in its labels.

    Attributes:
        error: calibration error over all alerts, scores beside needs.
        pair_error: mean gap between score and need of a team and rule, by alerts.
        judged_error: calibration error by the labels there are.
        turned_score, turned_need: means of the alerts of quiet pairs that began to need people.
        missed: the share of all need that lay in what the rule paused.
        rate, judged_rate: of what needed people, and of the labels; `label_rate` is the latter without weights.
        auc, judged_auc: by what needed people, and by the labels.
        labels, effective: how many, and how many of equal weight would tell as much.
        share: held out on the last day.
        evidence: shares of none, weak, some and strong.
        drift: PSI of the last week, by feature and of the score, against the same alerts where no rule acts.
        tripped_day: days until the trip would have stopped the rule.
    """

    error: float
    pair_error: float
    judged_error: float
    turned_score: float
    turned_need: float
    missed: float
    rate: float
    judged_rate: float
    label_rate: float
    auc: float
    judged_auc: float
    labels: float
    effective: float
    share: float
    evidence: list[float]
    drift: dict[str, float]
    tripped_day: int | None


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


def learner(weighed: bool, seed: int = 7) -> Learn:
    """The lab's trees and calibration, the latter on the last fifth of the labels, as training does it."""

    def learn(matrix: Matrix, y: Labels, p_act: Array) -> Predict:
        weights = weights_from(p_act) if weighed else None
        split = int(len(y) * (1.0 - LATER))
        first = _fit(matrix[:split], y[:split], None if weights is None else weights[:split], seed)
        later = None if weights is None else weights[split:]
        chosen = calibration.choose(y[split:], first.logits(matrix[split:]), "auto", later)
        fitted = _fit(matrix, y, weights, seed)
        return lambda rows: calibration.apply(chosen, fitted.logits(rows))

    return learn


def _fit(matrix: Matrix, y: Labels, weights: Array | None, seed: int) -> trees.Trees:
    params = {**trees.params_for(len(y), seed, monotone=False), "learning_rate": RATE}
    scaled = None if weights is None else weights / weights.mean()
    return trees.fit(matrix, y, [], params, ROUNDS, lambda share: None, scaled)


def measure(alerts: Alerts, done: Run, plain: Run, weighed: bool) -> Figures:
    """The figures of a run's last days; `plain` is the run in which no rule acts."""
    last = alerts.day >= acting.DAYS - LAST_DAYS
    score, need, label, turned = done.score[last], alerts.need[last], done.label[last], alerts.turned[last]
    needed = (alerts.act_draw[last] < need).astype(np.int8)
    known = label != acting.UNKNOWN
    y, p = label[known], score[known]
    weights = weights_from(done.p_act[last][known]) if weighed else None
    gaps = np.bincount(alerts.pair[last], weights=score - need)
    return Figures(
        error=calibration_error(score, need),
        pair_error=float(np.abs(gaps).sum() / len(score)),
        judged_error=metrics.ece(y, p, weights=weights),
        turned_score=float(score[turned].mean()),
        turned_need=float(need[turned].mean()),
        missed=float(need[done.paused[last]].sum() / need.sum()),
        rate=float(needed.mean()),
        judged_rate=weighted_mean(y, weights),
        label_rate=float(y.mean()),
        auc=metrics.auc(needed, score),
        judged_auc=metrics.auc(y, p, weights),
        labels=float(len(y)),
        effective=float(len(y)) if weights is None else effective_size(weights),
        share=float(done.share[-1]),
        evidence=(np.bincount(done.evidence[last], minlength=4) / last.sum()).tolist(),
        drift=drift_of(alerts, done, plain),
        tripped_day=done.tripped_day,
    )


def calibration_error(score: Array, need: Array, bins: int = metrics.BINS) -> float:
    """Mean gap between score and need over bins of equal size by score, by size."""
    parts = np.array_split(np.argsort(score, kind="stable"), bins)
    return float(sum(len(part) * abs(score[part].mean() - need[part].mean()) for part in parts) / len(score))


def drift_of(alerts: Alerts, done: Run, plain: Run) -> dict[str, float]:
    """PSI of each feature and of the score in the last week, against the same alerts where no rule acts."""
    week = alerts.day >= acting.DAYS - WEEK
    found = {}
    for name, values, without in (
        *((name, done.features[week, at], plain.features[week, at]) for at, name in enumerate(acting.FEATURES)),
        ("score", done.score[week], plain.score[week]),
    ):
        known = spread(without.astype(np.float64))
        shares = [*known.shares, known.missing]
        found[name] = drift.psi(counted(values.astype(np.float64), known), shares, float(week.sum()))
    return found


def measure_worlds(seed: int, a_day: float = A_DAY, names: Sequence[str] = tuple(WORLDS)) -> dict[str, Figures]:
    """The figures of some worlds on the same alerts; that in which no rule acts is always among them."""
    alerts = acting.make_alerts(seed, a_day)
    runs = {
        name: acting.run(alerts, WORLDS[name][0], learner(WORLDS[name][1])) for name in dict.fromkeys((PLAIN, *names))
    }
    return {name: measure(alerts, done, runs[PLAIN], WORLDS[name][1]) for name, done in runs.items()}


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


def keeps_limits(figures: Figures, plain: Figures) -> bool:
    """Whether a world keeps what is stated of a hold-out."""
    rate = figures.judged_rate / figures.rate
    return (
        figures.error <= MOST_ERROR
        and figures.pair_error <= MOST_PAIR_ERROR * plain.pair_error
        and 1.0 / MOST_RATE_ERROR <= rate <= MOST_RATE_ERROR
    )


def is_lost(figures: Figures, plain: Figures) -> bool:
    """Whether a world fails as is stated of one without a hold-out."""
    return figures.pair_error > LOST_PAIR_ERROR * plain.pair_error and figures.judged_rate > LOST_RATE * figures.rate


def summarised(found: Mapping[int, Mapping[str, Figures]]) -> dict[str, Any]:
    """The document: means over seeds, and in how many of them the stated limits hold."""
    means = {name: mean_of([figures[name] for figures in found.values()]) for name in WORLDS}
    worlds: dict[str, Any] = {name: msgspec.to_builtins(figures) for name, figures in means.items()}
    for name, of in worlds.items():
        del of["tripped_day"]
        of["tripped"] = sum(figures[name].tripped_day is not None for figures in found.values())
    checks = {"kept": (keeps_limits, "hold-out, weighed"), "lost": (is_lost, "no hold-out")}
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
        "by_seed": {str(seed): msgspec.to_builtins(figures) for seed, figures in found.items()},
    }


def mean_of(figures: Sequence[Figures]) -> Figures:
    """The mean of each figure; of the day of a trip there is none."""
    each = [msgspec.to_builtins(replace(one, tripped_day=None)) for one in figures]
    means = {key: _mean([one[key] for one in each]) for key in each[0] if key != "tripped_day"}
    return msgspec.convert({**means, "tripped_day": None}, Figures)


def _mean(values: list[Any]) -> Any:
    """The mean of numbers, or of what lists and tables hold at the same place."""
    if isinstance(values[0], dict):
        return {key: _mean([value[key] for value in values]) for key in values[0]}
    if isinstance(values[0], list):
        return [_mean(list(column)) for column in zip(*values, strict=True)]
    return float(np.mean(values))


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
