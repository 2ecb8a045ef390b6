"""Gradient-boosted trees, and how much each alert weighs in them. The only module that imports lightgbm."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from msgspec import Struct

from stream.core.errors import LabError
from stream.core.features import Feature
from stream.core.frame import Array, Labels, Mask, Matrix
from stream.core.ledger import HELD_OUT
from stream.core.problem import DAY_SECONDS
from stream.extras import import_extra
from stream.lab.learning.estimators import FittedModel
from stream.lab.learning.params import Params
from stream.lab.learning.plan import Plan
from stream.lab.replaying import Replayed
from stream.lab.split import Window
from stream.lab.weights import label_weights

ROUNDS_MOST = 600
ROUNDS_LEAST = 50
ROUNDS_UNTRIED = 150  # where there is too little data to find a number
PATIENCE = 60  # rounds without a better log loss
_MONOTONE = "monotone_constraints_method"  # without it in the parameters, no direction is held
_LEAF_MOST, _LEAF_LEAST, _LEAVES_WORTH = 100, 5, 100


class Trees(Struct, frozen=True):
    """A fitted booster."""

    booster: Any
    rounds: int

    def logits(self, matrix: Matrix) -> Array:
        """Raw scores, float64[N]: the logit before calibration."""
        return cast(Array, self.booster.predict(matrix, raw_score=True, num_threads=1))

    def dump(self) -> dict[str, Any]:
        """The trees as nested dicts."""
        return cast(dict[str, Any], self.booster.dump_model())


def params_for(rows: int, seed: int, monotone: bool = True) -> Params:
    """Parameters for a training window of so many rows; the monotone directions come from the feature table."""
    params: Params = {
        "objective": "binary",
        "metric": "binary_logloss",
        "num_leaves": 7,
        "learning_rate": 0.03,
        "min_data_in_leaf": int(np.clip(rows // _LEAVES_WORTH, _LEAF_LEAST, _LEAF_MOST)),
        "feature_fraction": 0.5,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 10.0,
        _MONOTONE: "advanced",
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbose": -1,
    }
    if not monotone:
        del params[_MONOTONE]
    return params


def planned_params(rows: int, seed: int, plan: Plan, tuned: Params) -> Params:
    """The parameters for so many rows: the plan's over the defaults, those that trials found over both."""
    return {**params_for(rows, seed, plan.monotone), **plan.params, **tuned}


def fit(
    matrix: Matrix,
    labels: Labels,
    features: Sequence[Feature],
    params: Params,
    rounds: int,
    report_progress: Callable[[float], None],
    weights: Array | None = None,
) -> Trees:
    """Fit so many rounds."""
    lightgbm = import_lightgbm()
    callbacks = [lambda env: report_progress((env.iteration + 1) / rounds)]
    data = lightgbm.Dataset(matrix, labels, weight=weights)
    return Trees(lightgbm.train(_with_directions(params, features), data, rounds, callbacks=callbacks), rounds)


def fit_until_best(
    matrix: Matrix,
    labels: Labels,
    later: tuple[Matrix, Labels, Array | None],
    features: Sequence[Feature],
    params: Params,
    report_progress: Callable[[float], None],
    weights: Array | None = None,
) -> Trees:
    """Fit until the log loss on later rows, with their weights, no longer falls; the best number of rounds is kept."""
    lightgbm = import_lightgbm()
    data = lightgbm.Dataset(matrix, labels, weight=weights)
    callbacks = [
        lightgbm.early_stopping(PATIENCE, verbose=False),
        lambda env: report_progress((env.iteration + 1) / ROUNDS_MOST),
    ]
    booster = lightgbm.train(
        _with_directions(params, features),
        data,
        ROUNDS_MOST,
        valid_sets=[lightgbm.Dataset(later[0], later[1], weight=later[2], reference=data)],
        callbacks=callbacks,
    )
    report_progress(1.0)
    return Trees(booster, max(int(booster.best_iteration), ROUNDS_LEAST))


def weights_of(replayed: Replayed, mask: Mask, plan: Plan) -> Array | None:
    """The weight of each alert of the mask when learnt from, their mean 1; None where all weigh the same."""
    standing = label_weights(replayed, mask)
    if plan.recency_days is None and plan.holdout_weight == 1.0:
        return None if standing is None else standing / standing.mean()
    chosen = np.flatnonzero(mask)
    weights = np.where(replayed.flags[chosen] & HELD_OUT, plan.holdout_weight, 1.0)
    if standing is not None:
        weights = weights * standing
    if plan.recency_days is not None:
        age_days = (replayed.at[chosen].max() - replayed.at[chosen]) / DAY_SECONDS
        weights = weights * np.exp2(-age_days / plan.recency_days)
    return np.asarray(weights / weights.mean())


def try_rounds(
    window: Window,
    earlier: Mask,
    later: Mask,
    seed: int,
    plan: Plan,
    tuned: Params,
    report_progress: Callable[[float], None],
) -> FittedModel:
    """Trees of the earlier part, with the number of rounds that is best on the later one; or the plan's estimator."""
    matrix, labels = window.take(earlier)
    weights = weights_of(window.replayed, earlier, plan)
    if plan.estimator is not None:
        return plan.estimator.fit(matrix, labels, weights)
    params = planned_params(len(labels), seed, plan, tuned)
    validation = (*window.take(later), label_weights(window.replayed, later))
    return fit_until_best(matrix, labels, validation, window.features, params, report_progress, weights)


def import_lightgbm() -> Any:
    """The library.

    Raises:
        LabError: the extra is not installed.
    """
    return import_extra("lightgbm", "lab", "training needs", LabError)


def _with_directions(params: Params, features: Sequence[Feature]) -> dict[str, Any]:
    if _MONOTONE not in params:
        return dict(params)
    return {**params, "monotone_constraints": [feature.monotone for feature in features]}
