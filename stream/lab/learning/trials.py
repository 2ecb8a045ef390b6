"""Trials: a bounded, seeded search for parameters by the cross-validation's log loss. The only module with optuna."""

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from stream.core.errors import LabError
from stream.extras import import_extra
from stream.lab.learning.crossval import cross_validate, folds
from stream.lab.learning.parts import Window
from stream.lab.learning.plan import Plan
from stream.lab.learning.trees import Params
from stream.eventlog import Progress

if TYPE_CHECKING:
    from optuna.trial import Trial

_STAGE = "trying parameters"


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
                callbacks=[lambda _, trial: progress(_STAGE, (trial.number + 1) / plan.trials)],
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
