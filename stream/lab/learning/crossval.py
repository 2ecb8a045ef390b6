"""Cross-validation in order of time: each fold learns from all that was known before it, and is judged on what follows.

It tells how steady the training is within its own window. Nothing is chosen by it but parameters, in trials: a bounded,
seeded search. The only module with optuna.
"""

import itertools
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import Struct

from stream.core.errors import LabError
from stream.core.events import moment
from stream.core.frame import Mask
from stream.extras import import_extra
from stream.lab.judging.metrics import auc, log_loss
from stream.lab.learning import calibration
from stream.lab.learning.params import Params
from stream.lab.learning.plan import Plan
from stream.lab.learning.trees import try_rounds
from stream.lab.split import Split, Window, between, has_enough, split_at_share, trainable
from stream.lab.weights import label_weights
from stream.models.manifest import Calibration, FoldFigures
from stream.progress import Progress

if TYPE_CHECKING:
    from optuna.trial import Trial

_SEARCH_STAGE = "trying parameters"


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


def search(window: Window, seed: int, plan: Plan, progress: Progress) -> Params:
    """The parameters with the least mean log loss over the folds; none where no trial beats the defaults.

    Raises:
        LabError: the extra is not installed, or the window is too small to compare anything on.
    """
    optuna = import_optuna()
    if not folds(window, plan.folds):
        raise LabError("the training window is too small for trials: no fold holds enough alerts of both outcomes")
    least = _loss(window, seed, plan, {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
            study.optimize(
                lambda trial: _loss(window, seed, plan, _suggested(trial)),
                n_trials=plan.trials,
                callbacks=[lambda _, trial: progress(_SEARCH_STAGE, (trial.number + 1) / plan.trials)],
            )
        finally:
            optuna.logging.set_verbosity(before)
    return dict(study.best_params) if study.best_value < least else {}


def import_optuna() -> Any:
    """The library.

    Raises:
        LabError: the extra is not installed.
    """
    return import_extra("optuna", "lab", "trials need", LabError)


def _judged(window: Window, fold: Fold, seed: int, plan: Plan, tuned: Params) -> FoldFigures:
    fitted = try_rounds(window, fold.earlier, fold.later, seed, plan, tuned, lambda share: None)
    matrix, y = window.take(fold.later)
    scores = calibration.apply(Calibration(), fitted.logits(matrix))
    weights = label_weights(window.replayed, fold.later)
    return FoldFigures(
        start=moment(fold.start.at),
        learnt=int(np.count_nonzero(fold.earlier)),
        judged=len(y),
        auc=auc(y, scores, weights),
        log_loss=log_loss(y, scores, weights),
        rounds=fitted.rounds,
    )


def _suggested(trial: "Trial") -> Params:
    return {
        "num_leaves": trial.suggest_int("num_leaves", 3, 31, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.1, log=True),
        "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 5, 200, log=True),
        "lambda_l2": trial.suggest_float("lambda_l2", 0.1, 100.0, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.3, 1.0),
    }


def _loss(window: Window, seed: int, plan: Plan, tuned: Params) -> float:
    figures = cross_validate(window, seed, plan, tuned, lambda share: None)
    return float(np.mean([fold.log_loss for fold in figures]))
