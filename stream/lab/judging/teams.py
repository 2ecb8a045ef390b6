"""The verdict by team: whose alerts the model can tell apart, whose it can't, and for whom it is too early to say."""

import math
from collections.abc import Sequence

import numpy as np

from stream.core.frame import Array, Labels
from stream.lab.judging import metrics
from stream.lab.judging.metrics import Z_80, Z_95
from stream.lab.judging.report_schema import Group, Interval, Team, Teams
from stream.lab.weights import effective_size, weighted_mean

LEAST_OF_A_CLASS = 5  # of each outcome, for an interval of the AUC
LEAST_FOR_ECE = 100
SEEN = 0.6
PREDICTABLE, NOT_YET, UNPREDICTABLE = "predictable", "not yet", "unpredictable"
TEST = (
    "predictable: the lower 95 % bound of the team's AUC (DeLong, 1988) is above 0.5; unpredictable: there are enough "
    "alerts of both outcomes that an AUC of 0.6 would have been seen in four of five cases, and the upper bound is "
    f"below 0.6; not yet: neither, or fewer than {LEAST_OF_A_CLASS} alerts of an outcome"
)


def judge_teams(names: Sequence[str], y: Labels, p: Array, weights: Array | None = None) -> Teams:
    """The section of all teams of the judged alerts, those with most alerts first; all arguments are [N]."""
    known, which = np.unique(np.array(names, dtype=object).astype(str), return_inverse=True)
    order = np.argsort(which, kind="stable")
    ends = np.cumsum(np.bincount(which, minlength=len(known)))[:-1]
    places = np.split(order, ends)
    teams = [
        judge_team(str(name), y[rows], p[rows], None if weights is None else weights[rows])
        for name, rows in zip(known, places, strict=True)
    ]
    teams.sort(key=lambda team: (-team.count, team.name))
    return Teams(teams, [_group(verdict, teams) for verdict in (PREDICTABLE, NOT_YET, UNPREDICTABLE)], TEST)


def judge_team(name: str, y: Labels, p: Array, weights: Array | None = None) -> Team:
    """One team's figures and verdict."""
    auc = delong(y, p, weights)
    sizes = [float(np.count_nonzero(y == side)) for side in (1, 0)]
    if weights is not None and min(sizes):
        sizes = [effective_size(weights[y == side]) for side in (1, 0)]
    return Team(
        name=name,
        count=len(y),
        rate=weighted_mean(y, weights),
        mean_score=weighted_mean(p, weights),
        auc=auc,
        ece=metrics.ece(y, p, weights=weights) if len(y) >= LEAST_FOR_ECE else None,
        verdict=verdict_of(auc, *sizes),
    )


def verdict_of(auc: Interval | None, positives: float, negatives: float) -> str:
    """The verdict of a team, with so many alerts of each outcome, by the test that `TEST` describes."""
    if auc is None or auc.low is None or auc.high is None:
        return NOT_YET
    if auc.low > 0.5:
        return PREDICTABLE
    chance = math.sqrt((positives + negatives + 1) / (12.0 * positives * negatives))
    seen = 0.5 + (Z_95 + Z_80) * chance <= SEEN
    return UNPREDICTABLE if seen and auc.high < SEEN else NOT_YET


def delong(y: Labels, p: Array, weights: Array | None = None) -> Interval | None:
    """The AUC and its 95 % interval (DeLong, 1988); where all pairs are ranked alike, that of the least it could be.

    None with fewer than five of an outcome; with weights, fewer than five effective ones.
    """
    if weights is not None:
        return _weighted_delong(y, p, weights)
    positives, negatives = p[y == 1], p[y == 0]
    if min(len(positives), len(negatives)) < LEAST_OF_A_CLASS:
        return None
    value = metrics.auc(y, p)
    above, below = _placed(positives, negatives), _placed(-negatives, -positives)
    variance = float(above.var(ddof=1)) / len(positives) + float(below.var(ddof=1)) / len(negatives)
    least = 1.0 / (12.0 * len(positives) * len(negatives))  # a perfect ranking is not a certain one
    wide = Z_95 * math.sqrt(max(variance, least))
    return Interval(value, max(value - wide, 0.0), min(value + wide, 1.0))


def _weighted_delong(y: Labels, p: Array, weights: Array) -> Interval | None:
    sides = [(p[y == side], weights[y == side]) for side in (1, 0)]
    if min(len(w) and effective_size(w) for _, w in sides) < LEAST_OF_A_CLASS:
        return None
    variance, least = 0.0, 1.0 / 12.0
    for (ours, w), (others, v), sign in zip(sides, sides[::-1], (1.0, -1.0), strict=True):
        order = np.argsort(sign * others, kind="stable")
        below = np.append(0.0, np.cumsum(v[order])) / v.sum()
        ranked = (sign * others)[order]
        placed = (
            below[np.searchsorted(ranked, sign * ours, "left")] + below[np.searchsorted(ranked, sign * ours, "right")]
        ) / 2.0
        size, mean = effective_size(w), float(np.average(placed, weights=w))
        variance += float(((w * (placed - mean)) ** 2).sum() / w.sum() ** 2) * size / (size - 1.0)
        least /= size
    value = metrics.auc(y, p, weights)
    wide = Z_95 * math.sqrt(max(variance, least))
    return Interval(value, max(value - wide, 0.0), min(value + wide, 1.0))


def _placed(ours: Array, others: Array) -> Array:
    """For each of ours the share of the others that lie below it; equal ones count half."""
    ranked = np.sort(others)
    left, right = np.searchsorted(ranked, ours, "left"), np.searchsorted(ranked, ours, "right")
    return np.asarray((left + right) / (2.0 * len(ranked)))


def _group(verdict: str, teams: list[Team]) -> Group:
    chosen = [team for team in teams if team.verdict == verdict]
    alerts = sum(team.count for team in chosen)
    return Group(verdict, len(chosen), alerts, alerts / max(sum(team.count for team in teams), 1))
