"""Cross-validation in order of time: each fold learns from all that was known before it, and is judged on what follows.

Nothing is chosen by it but parameters, in trials: it tells how steady the training is within its own window.
"""

import itertools
from collections.abc import Callable

import numpy as np
from msgspec import Struct

from stream.core.events import moment
from stream.lab.judging.metrics import auc, log_loss
from stream.lab.learning import calibration
from stream.lab.learning.plan import Plan
from stream.lab.learning.trees import Params, try_rounds
from stream.lab.window import Mask, Split, Window, between, has_enough, split_at_share, trainable
from stream.models.manifest import Calibration, FoldFigures


class Fold(Struct, frozen=True, eq=False):
    """One fold: `earlier` was known at `start` and is learnt from, `later` is judged."""

    start: Split
    earlier: Mask
    later: Mask


def folds(window: Window, count: int) -> list[Fold]:
    """The expanding folds that hold enough alerts: fold k of K learns from the first k of K + 1 parts."""
    replayed, end = window.replayed, window.end
    if not count or end.alert < 2:
        return []
    edges = [*(split_at_share(replayed, part / (count + 1), end.alert) for part in range(1, count + 1)), end]
    made = [
        Fold(start, trainable(replayed, start), between(replayed, start, stop))
        for start, stop in itertools.pairwise(edges)
    ]
    return [fold for fold in made if has_enough(window, fold.earlier, fold.later)]


def cross_validate(
    window: Window, seed: int, plan: Plan, tuned: Params, report_progress: Callable[[float], None]
) -> list[FoldFigures]:
    """The figures of each fold, its scores not calibrated; the number of rounds is the best for the fold."""
    made = folds(window, plan.folds)
    figures = []
    for number, fold in enumerate(made):
        figures.append(_judged(window, fold, seed, plan, tuned))
        report_progress((number + 1) / len(made))
    return figures


def _judged(window: Window, fold: Fold, seed: int, plan: Plan, tuned: Params) -> FoldFigures:
    fitted = try_rounds(window, fold.earlier, fold.later, seed, plan, tuned, lambda share: None)
    matrix, y = window.take(fold.later)
    scores = calibration.apply(Calibration(), fitted.logits(matrix))
    return FoldFigures(
        start=moment(fold.start.at),
        learnt=int(np.count_nonzero(fold.earlier)),
        judged=len(y),
        auc=auc(y, scores),
        log_loss=log_loss(y, scores),
        rounds=fitted.rounds,
    )
