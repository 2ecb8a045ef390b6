"""The options of a training, in one place; what they default to is the training as it is shipped."""

import math
from typing import Literal, cast, get_args

from msgspec import Struct

from stream.core.errors import LabError
from stream.core.frame import is_prior_key
from stream.lab.learning.estimators import Estimator
from stream.lab.learning.params import Params, check_params
from stream.lab.replaying import Replayed

CalibrationChoice = Literal["auto", "none", "platt", "isotonic"]
FOLDS_MOST, TRIALS_MOST = 20, 1_000


class Plan(Struct, frozen=True, kw_only=True):
    """How to learn from a training window.

    Attributes:
        folds: of the cross-validation in order of time; 0 for none.
        trials: how many parameter sets are tried; 0 keeps the defaults.
        recency_days: the half-life of a training alert's weight; None weighs all alike.
        holdout_weight: the weight of alerts that were held out of automation, where no decisions tell it.
        monotone: a higher rate never lowers the score.
        calibration: auto takes the one with the least log loss on later data.
        estimator: what learns in place of LightGBM's trees.
        params: of LightGBM, over the defaults.
        priors: more keys whose rates are learnt, such as `label.region`; common ones are found without.
        titles: whether rates of the words of titles are learnt too.
        features: the names of the features that are read, in their order; all there are where it is empty.
    """

    folds: int = 3
    trials: int = 0
    recency_days: float | None = None
    holdout_weight: float = 1.0
    monotone: bool = True
    calibration: CalibrationChoice = "auto"
    estimator: Estimator | None = None
    params: Params = {}
    priors: tuple[str, ...] = ()
    titles: bool = False
    features: tuple[str, ...] = ()

    @property
    def options(self) -> dict[str, str | int | float | bool | None]:
        """The options as a manifest notes them; those of later versions only where they were given."""
        noted: dict[str, str | int | float | bool | None] = {
            name: getattr(self, name)
            for name in ("folds", "trials", "recency_days", "holdout_weight", "monotone", "calibration")
        }
        if self.estimator is not None:
            noted |= {"estimator": self.estimator.name, "monotone": False}
        if self.priors:
            noted["priors"] = ", ".join(self.priors)
        return {**noted, "titles": True} if self.titles else noted

    def __post_init__(self) -> None:
        """Hold the options to their bounds.

        Raises:
            LabError: one is out of them.
        """
        if not 0 <= self.folds <= FOLDS_MOST:
            raise LabError(f"folds={self.folds}: give a number from 0 to {FOLDS_MOST}")
        if not 0 <= self.trials <= TRIALS_MOST:
            raise LabError(f"trials={self.trials}: give a number from 0 to {TRIALS_MOST}")
        if self.trials and not self.folds:
            raise LabError("trials are compared by cross-validation: give at least one fold")
        if self.recency_days is not None and not (0.0 < self.recency_days < math.inf):
            raise LabError(f"recency_days={self.recency_days:g}: give a half-life above 0")
        if not 0.0 < self.holdout_weight < math.inf:
            raise LabError(f"holdout_weight={self.holdout_weight:g}: give a weight above 0")
        if self.calibration not in get_args(CalibrationChoice):
            raise LabError(f"calibration={self.calibration}: give one of {', '.join(get_args(CalibrationChoice))}")
        if self.estimator is not None and (self.params or self.trials):
            raise LabError("params and trials are of LightGBM, and an estimator learns in its place", "leave one out")
        check_params(self.params)
        strange = [key for key in self.priors if not is_prior_key(key)]
        if strange:
            raise LabError(f"{strange[0]!r} is no key of priors", "name a label as `label.region`")


def check_weights(replayed: Replayed, plan: Plan) -> None:
    """Hold a plan to a log whose held-out alerts are weighed by their decisions.

    Raises:
        LabError: the plan weighs them too.
    """
    if replayed.p_act is not None and plan.holdout_weight != 1.0:
        raise LabError(
            "decisions give the weight of each alert that was held out, and holdout_weight another",
            "give one of the two",
        )


def make_plan(
    trials: int,
    recency_days: float | None,
    holdout_weight: float,
    monotone: bool,
    calibration: str,
    *,
    estimator: Estimator | None = None,
    params: Params | None = None,
    priors: tuple[str, ...] = (),
    titles: bool = False,
    features: tuple[str, ...] = (),
) -> Plan:
    """A plan of options as a command line gives them.

    Raises:
        LabError: one is out of its bounds.
    """
    return Plan(
        trials=trials,
        recency_days=recency_days,
        holdout_weight=holdout_weight,
        monotone=monotone,
        calibration=cast(CalibrationChoice, calibration),  # the plan itself refuses others
        estimator=estimator,
        params=params or {},
        priors=priors,
        titles=titles,
        features=features,
    )
