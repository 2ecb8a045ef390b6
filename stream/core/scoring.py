"""From a probability and a row of history to what people are told: band, evidence, why."""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from stream.core import state
from stream.core.events import moment
from stream.core.features import read_times
from stream.core.fold import TEAM, TEAM_RULE
from stream.core.records import Band, Evidence, Why, Whys

EVIDENCE: tuple[Evidence, ...] = ("none", "weak", "some", "strong")


class Thresholds(Struct, frozen=True):
    """Where bands and evidence begin; a model's manifest carries its own.

    `some` and `strong` are outcomes known of team and rule, `weak` of the team, at a half-life of 30 d. Below all of
    them people are shown "not enough history".
    """

    likely_noise: float = 0.1
    likely_actionable: float = 0.5
    weak: float = 20.0
    some: float = 5.0
    strong: float = 30.0


def band_of(probability: float, thresholds: Thresholds) -> Band:
    """The band of a probability.

    >>> band_of(0.07, Thresholds())
    'likely_noise'
    """
    if probability < thresholds.likely_noise:
        return "likely_noise"
    return "likely_actionable" if probability >= thresholds.likely_actionable else "unsure"


def evidence_of(rows: NDArray[np.float64], thresholds: Thresholds) -> list[Evidence]:
    """How much history each of the fold's rows holds (see `Thresholds`)."""
    levels = rows[:, 1:].reshape(len(rows), rows.shape[1] // state.WIDTH, state.WIDTH)
    at = read_times(rows[:, 0], levels)[:, None]
    levels = levels[:, (TEAM, TEAM_RULE)]
    days = (at - levels[:, :, state.LANDMARK] * state.EPOCH) / state.DAY
    known = levels[:, :, state.DECIDED + 2] * np.exp2(-days / 30.0)
    grade = (known[:, 0] >= thresholds.weak).astype(int)
    grade[known[:, 1] >= thresholds.some] = 2
    grade[known[:, 1] >= thresholds.strong] = 3
    return [EVIDENCE[index] for index in grade.tolist()]


def whys_of(rows: NDArray[np.float64]) -> list[Whys]:
    """The history of each of the fold's rows in words a person can check."""
    start = 1 + state.WIDTH * TEAM_RULE
    team_rule = rows[:, start : start + state.WIDTH].tolist()
    team = rows[:, 1 : 1 + state.WIDTH].tolist()
    return [Whys(_why(rule), _why(all_rules)) for rule, all_rules in zip(team_rule, team, strict=True)]


def _why(level: state.State) -> Why:
    decided, acted = int(level[state.DECIDED + 3]), int(level[state.ACTED + 3])
    ring, last = int(level[state.RING]), level[state.LAST_ACTED]
    recent = [ring >> index & 1 for index in range(min(decided, 8))]
    return Why(decided, acted, recent, None if last == state.NEVER else moment(last))
