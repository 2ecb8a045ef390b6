"""The model's quality by week after training, and how often to train it again."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from stream.core.frame import Array, Labels
from stream.lab.judging import metrics
from stream.lab.judging.baselines import title_of
from stream.lab.judging.metrics import Z_95, losses
from stream.lab.judging.report_schema import Ageing, AgeWeek
from stream.lab.weights import effective_count, effective_size, weighted_mean

WEEK = 7 * 86_400.0
LEAST = 50  # alerts of a week, for its figures and for the advice
IN_A_ROW = 2


def judge_ageing(
    at: Array, y: Labels, p: Array, best: tuple[str, Array], detection: float, weights: Array | None = None
) -> Ageing:
    """The quality by week since training, with advice on how often to train.

    `at` are seconds from the split to each raise, `best` is the best baseline and its scores; all arrays are [N]. The
    advice follows one rule: the gain in log loss over the best baseline has vanished in the first of two weeks in a
    row (of those with 50 alerts at least) in which its 95 % interval reaches down to zero.
    """
    week = np.floor(at / WEEK).astype(np.int64)
    numbers = [int(number) for number in np.unique(week)]
    by_week = {number: None if weights is None else weights[week == number] for number in numbers}
    weeks = [_week(number, y[week == number], p[week == number], detection, w) for number, w in by_week.items()]
    name, scores = title_of(best[0]), best[1]
    return Ageing(weeks, *_advice(by_week, week, losses(y, scores) - losses(y, p), name))


def _week(number: int, y: Labels, p: Array, detection: float, weights: Array | None) -> AgeWeek:
    enough = effective_count(len(y), weights) >= LEAST
    both = enough and 0 < int(y.sum()) < len(y)
    return AgeWeek(
        week=number + 1,
        count=len(y),
        rate=weighted_mean(y, weights),
        auc=metrics.auc(y, p, weights) if both else None,
        ece=metrics.ece(y, p, weights=weights) if enough else None,
        suppressed_target=metrics.suppressed_at(y, p, detection, weights) if both else None,
    )


def vanished(gains: Array, weights: Array | None = None) -> bool:
    """Whether the mean of paired gains, float64[N], is not surely above zero (normal interval, 95 %)."""
    if weights is not None:
        mean, size = weighted_mean(gains, weights), effective_size(weights)
        spread = math.sqrt(float((weights**2 * (gains - mean) ** 2).sum()) * size / max(size - 1.0, 1.0))
        return mean - Z_95 * spread / float(weights.sum()) <= 0.0
    return float(gains.mean()) - Z_95 * float(gains.std(ddof=1)) / math.sqrt(len(gains)) <= 0.0


def _advice(
    by_week: Mapping[int, Array | None], week: NDArray[np.int64], gains: Array, name: str
) -> tuple[str, bool | None]:
    """The advice, and whether the gain lasted; `by_week` are the weights of each week's alerts."""
    sizes = {number: effective_count(int(np.count_nonzero(week == number)), w) for number, w in by_week.items()}
    judged = [number for number, size in sizes.items() if size >= LEAST]
    if len(judged) < IN_A_ROW:
        return (
            f"How the model ages was not tested: {len(judged)} of {len(by_week)} weeks after training has at least "
            f"{LEAST} judged alerts, {IN_A_ROW} are needed."
        ), None
    gone = [vanished(gains[week == number], by_week[number]) for number in judged]
    first = next((i for i in range(len(gone)) if all(gone[i : i + IN_A_ROW]) and i + IN_A_ROW <= len(gone)), None)
    if first is None:
        return (
            f"In no two weeks running of the {len(judged)} after training did the gain in log loss over {name} vanish: "
            "the model need not be trained more often than that."
        ), True
    if first == 0:
        return (
            f"The gain in log loss over {name} is not sure from the first week on: training more often won't help.",
            (False),
        )
    number = judged[first]
    every = f"{number} weeks" if number > 1 else "week"
    return (
        f"The gain in log loss over {name} vanishes in week {number + 1} after training: train again every {every}.",
        False,
    )
