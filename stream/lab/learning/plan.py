"""The options of a training, in one place; what they default to is the training as it is shipped."""

import math
from typing import Literal, cast, get_args

from msgspec import Struct

from stream.core.errors import LabError
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
    """

    folds: int = 3
    trials: int = 0
    recency_days: float | None = None
    holdout_weight: float = 1.0
    monotone: bool = True
    calibration: CalibrationChoice = "auto"

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


def make_plan(trials: int, recency_days: float | None, holdout_weight: float, monotone: bool, calibration: str) -> Plan:
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
    )
