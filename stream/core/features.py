"""The features: one table, from the rows that the fold collects to the model's float32 matrix.

Every feature is a name, a version, a group, a unit, a meaning and a vectorised definition over a `Frame`. NaN means
not known. Changing what a name means takes a new version: a model trained on the old one is then refused.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from msgspec import Struct

from stream.core import state
from stream.core.errors import ModelMismatch
from stream.core.frame import SMOOTHING, WINDOWS, Array, Frame, Matrix, level_index
from stream.core.titles import SIDES, TITLE


class Feature(Struct, frozen=True):
    """One line of the table."""

    name: str
    group: str  # history, alert, time, load
    unit: str
    meaning: str
    of: Callable[[Frame], Array]
    version: int = 1
    monotone: int = 0  # 1: the probability must not fall as the value rises
    watch: Literal["ring", "show"] = "ring"  # show: its drift says more of the clock or of history's age than of change
    needs: tuple[str, ...] = ()  # levels and prior keys without which the feature is not there


TITLE_FEATURES = tuple(f"prior.{side}" for side in SIDES)


def table(labels: Sequence[str], priors: Sequence[str], added: Sequence[Feature] = ()) -> dict[str, Feature]:
    """Every feature there is, for a problem's history labels and a model's prior keys, by name; those `added` last."""
    features: list[Feature] = []
    for level in level_index(tuple(labels)):
        features += _level_features(level)
    for level in ("team", "team_rule"):
        features += _load_features(level)
    for level in ("team_rule", "team_rule_entity"):
        features += _recent_features(level)
    features += [_prior_feature(key) for key in priors if key != TITLE]
    features += _title_features() if TITLE in priors else []
    if "rule" in priors:
        features += _COMBINED
    features += _TIME
    there = {*level_index(tuple(labels)), *priors}
    features += [feature for feature in added if there.issuperset(feature.needs)]
    return {feature.name: feature for feature in features}


def choose(names: Sequence[tuple[str, int]], known: Mapping[str, Feature]) -> list[Feature]:
    """The features that a model names, in its order.

    Raises:
        ModelMismatch: a name that the table lacks, or has in another version.
    """
    chosen = []
    for name, version in names:
        feature = known.get(name)
        if feature is None:
            raise ModelMismatch(
                f"the model needs the feature {name!r}, which this code and problem file do not have",
                "install the package of features that brings it, or use the problem file of its training",
            )
        if feature.version != version:
            raise ModelMismatch(f"the model needs {name!r} in version {version}, this code has {feature.version}")
        chosen.append(feature)
    return chosen


def compute(frame: Frame, features: Sequence[Feature]) -> Matrix:
    """The features' matrix: float32[N, F], NaN where not known."""
    matrix = np.empty((len(frame.at), len(features)), dtype=np.float32)
    for column, feature in enumerate(features):
        matrix[:, column] = feature.of(frame)
    return matrix


def _level_features(level: str) -> list[Feature]:
    made = [
        Feature(
            f"{level}.rate_{window}",
            "history",
            "ratio",
            f"Rate of action of the {level}, half-life {window}, smoothed to its parent",
            lambda frame, window=window: frame.rate(level, window),  # type: ignore[misc]  # mypy: default in a lambda
            monotone=1,
        )
        for window in WINDOWS
    ]
    made.append(
        Feature(
            f"{level}.decided_30d",
            "history",
            "outcomes",
            f"Outcomes known of the {level}, half-life 30 d: how much the rates rest on",
            lambda frame: frame.decided(level, "30d"),
            watch="show",
        )
    )
    return made


def _load_features(level: str) -> list[Feature]:
    return [
        Feature(
            f"{level}.raised_1d",
            "load",
            "alerts",
            f"Alerts raised of the {level}, half-life 1 d",
            lambda frame: frame.raised(level, "1d"),
        ),
        Feature(
            f"{level}.raised_ratio",
            "load",
            "ratio",
            f"Alerts of the {level} of the last day against the last month, 1 = as usual",
            lambda frame: frame.raised(level, "1d") * 30.0 / np.maximum(frame.raised(level, "30d"), 1.0),
            watch="show",
        ),
        Feature(
            f"{level}.open",
            "load",
            "alerts",
            f"Alerts of the {level} raised and not yet decided",
            lambda frame: frame.field(level, state.OPEN),
        ),
    ]


def _recent_features(level: str) -> list[Feature]:
    return [
        Feature(
            f"{level}.last_1",
            "history",
            "ratio",
            f"Last outcome of the {level}: 1 acted on, 0 not",
            lambda frame: frame.last(level, 1),
        ),
        Feature(
            f"{level}.last_8",
            "history",
            "ratio",
            f"Share acted on among the last 8 outcomes of the {level}",
            lambda frame: frame.last(level, 8),
        ),
        Feature(
            f"{level}.hours_since_raised",
            "history",
            "hours",
            f"Since the last alert of the {level}",
            lambda frame: frame.hours_since(level, state.LAST_RAISED),
        ),
        Feature(
            f"{level}.hours_since_acted",
            "history",
            "hours",
            f"Since the {level} was last found actionable",
            lambda frame: frame.hours_since(level, state.LAST_ACTED),
            watch="show",
        ),
    ]


def _prior_feature(key: str) -> Feature:
    meaning = f"Rate of action that training knew for the alert's {key}"
    return Feature(f"prior.{key}", "alert", "ratio", meaning, lambda frame: frame.prior(key), monotone=1)


def _title_features() -> list[Feature]:
    return [
        Feature(
            f"prior.{side}",
            "alert",
            "ratio",
            f"{which} of the rates of action that training knew for the words of the alert's title",
            lambda frame, side=side: frame.prior(side),  # type: ignore[misc]  # mypy: default in a lambda
            monotone=1,
        )
        for side, which in zip(SIDES, ("Mean", "Highest", "Lowest"), strict=True)
    ]


def _shrunk(frame: Frame) -> Array:
    decided, acted = frame.decided("team_rule", "ever"), frame.acted("team_rule", "ever")
    return (acted + SMOOTHING * frame.additive()) / (decided + SMOOTHING)


_COMBINED = [
    Feature(
        "additive",
        "history",
        "ratio",
        "Rate of team and rule if their shifts simply add up",
        lambda frame: frame.additive(),
        monotone=1,
    ),
    Feature(
        "team_rule.shrunk", "history", "ratio", "Rate of team and rule, smoothed to `additive`", _shrunk, monotone=1
    ),
    Feature(
        "shifts",
        "history",
        "logit",
        "All levels' and priors' shifts of the logit, added up",
        lambda frame: frame.shifts(),
        monotone=1,
    ),
]


def _day_angle(frame: Frame) -> Array:
    return 2.0 * np.pi * (frame.at % state.DAY) / state.DAY


_TIME = [
    Feature(
        "hour_sin", "time", "ratio", "Time of day (UTC), sine", lambda frame: np.sin(_day_angle(frame)), watch="show"
    ),
    Feature(
        "hour_cos", "time", "ratio", "Time of day (UTC), cosine", lambda frame: np.cos(_day_angle(frame)), watch="show"
    ),
    Feature(
        "weekday",
        "time",
        "days",
        "Day of the week (UTC), Monday = 0",
        lambda frame: (np.floor(frame.at / state.DAY) + 3.0) % 7.0,
        watch="show",
    ),
]
