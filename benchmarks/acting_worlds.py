"""The worlds of `benchmarks.acting`: what rule and people do, the lab's learner, and the figures of a run."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from stream.core import drift
from stream.core.frame import Array, Labels, Matrix
from stream.lab.judging import metrics
from stream.lab.judging.drift import counted
from stream.lab.learning import calibration, trees
from stream.lab.reference import spread
from stream.lab.weights import effective_size, weighted_mean, weights_from
from stream.simulation import acting
from stream.simulation.acting import Alerts, Learn, Policy, Predict, Run

A_DAY = 160.0
ROUNDS, RATE = 40, 0.1  # of the trees: fewer and larger steps than in training, to be done in time
LATER = 0.2  # the share of the labels that calibrates them
LAST_DAYS, WEEK = 30, 7  # judged are the last of the ninety

# Stated before the seeds above were run: what a hold-out keeps where people look for themselves, and what is lost
# without one.
MOST_ERROR = 0.03  # calibration error over all alerts
MOST_PAIR_ERROR = 1.3  # calibration error by team and rule, in units of that without a rule
MOST_RATE_ERROR = 1.25  # the label rate as judged, in units of the true one, or the other way round
LOST_PAIR_ERROR, LOST_RATE = 1.3, 1.5  # without a hold-out the same are above these

PLAIN, KEPT, LOST = "no rule acts", "hold-out, weighed", "no hold-out"
WORLDS: Mapping[str, tuple[Policy, bool]] = {  # policy, and whether labels are weighed
    PLAIN: (Policy(acts=False), True),
    KEPT: (Policy(), True),
    "hold-out, not weighed": (Policy(), False),
    "5 % from the first day, weighed": (Policy(steps=False), True),
    "5 % from the first day, not weighed": (Policy(steps=False), False),
    LOST: (Policy(floor=0.0), True),
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
