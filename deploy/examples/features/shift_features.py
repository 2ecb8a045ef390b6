"""Features of shifts: what noisegate reads from the entry point `shift` of the group `noisegate.features`.

Each definition gives one number for each of the N alerts of a frame: float64[N], NaN where it is not known. A frame
holds what was known when the alerts were raised, so a definition can't look ahead.
"""

import numpy as np

from stream.core import state
from stream.core.features import Feature
from stream.core.frame import Array, Frame, logit

DAY_SECONDS, HOUR_SECONDS = 86_400.0, 3_600.0
OFFICE_HOURS = (8.0, 18.0)  # UTC
SATURDAY = 5


def is_office_time(frame: Frame) -> Array:
    """1 on Monday to Friday from 8 to 18 UTC, else 0."""
    hour = frame.at % DAY_SECONDS / HOUR_SECONDS
    weekday = (np.floor(frame.at / DAY_SECONDS) + 3.0) % 7.0  # Monday is 0
    return ((weekday < SATURDAY) & (hour >= OFFICE_HOURS[0]) & (hour < OFFICE_HOURS[1])).astype(np.float64)


def rule_above_team(frame: Frame) -> Array:
    """By how many logits the rule's rate of action lies above its team's, over the last week."""
    return logit(frame.rate("team_rule", "7d")) - logit(frame.rate("team", "7d"))


def share_of_open(frame: Frame) -> Array:
    """The share of the team's open alerts that are of this rule; not known while nothing is open."""
    team, rule = frame.field("team", state.OPEN), frame.field("team_rule", state.OPEN)
    return np.where(team > 0, rule / np.maximum(team, 1.0), np.nan)


def env_above_rule(frame: Frame) -> Array:
    """By how many logits training knew the alert's `env` to lie above its rule."""
    return logit(frame.prior("label.env")) - logit(frame.prior("rule"))


FEATURES = (
    Feature("shift.office", "time", "ratio", "Whether it is office time", is_office_time, watch="show"),
    Feature("shift.above_team", "history", "logit", "The rule's rate of action against its team's", rule_above_team),
    Feature("shift.share_of_open", "load", "ratio", "Share of the team's open alerts of this rule", share_of_open),
    Feature(
        "shift.env_above_rule",
        "alert",
        "logit",
        "Rate of action of the label env against the rule's",
        env_above_rule,
        needs=("label.env", "rule"),  # only where alerts have the label
    ),
)
