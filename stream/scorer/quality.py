"""What was said against what came of it: matured alerts, judged by the score that was fenced in with them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import numpy as np
from msgspec import Struct, field

from stream.core.fold import Matured
from stream.core.ledger import ACTIONABLE, FLOOD, HELD_OUT, NOISE, VISIBILITY_ONLY
from stream.core.problem import CLOSED_BY_RULE, CORRECTION
from stream.metrics import SCORE_EDGES, QualityMetrics
from stream.scorer.groups import TeamGroups
from stream.scorer.observing import EDGE_LABELS, FULL_EDGES

LeftOut = Literal[
    "flood", "visibility_only", "unscored", "unknown_outcome", "closed_by_rule", "correction", "no_such_model"
]
LEFT_OUT: tuple[LeftOut, ...] = get_args(LeftOut)
PARTS, OUTCOMES, LASTS = ("open", "held_out"), ("actionable", "noise"), ("actionable", "noise", "none")
BANDS = ("likely_noise", "unsure", "likely_actionable")
_LAST_OF = {1: 0, 0: 1, -1: 2}
_BAND_OF = {band: place for place, band in enumerate(BANDS)}
_EDGES = np.array(SCORE_EDGES)
_CELLS = len(PARTS) * len(OUTCOMES) * len(LASTS)

Said = tuple[str, str]  # model, role


class Judged(Struct):
    """Matured alerts that one model scored in one role: the score, and everything else in one number, see `_code`."""

    probabilities: list[float] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)


def judge(matured: Iterable[Matured], groups: TeamGroups, left_out: Counter[str]) -> dict[Said, Judged]:
    """Sort matured alerts by who scored them; who is left out is counted under the first reason that holds.

    The challenger's band is not kept with the alert: it is left at the first, for `count_quality` to tell.
    """
    judged: defaultdict[Said, Judged] = defaultdict(Judged)
    for one in matured:
        reason = _reason(one)
        if reason is not None:
            left_out[reason] += 1
            continue
        alert = one.alert
        score = alert.score
        code = _code(one.flags, one.outcome, alert.last_outcome, groups.index(one.team))
        found = judged[score[2], "champion"]
        found.probabilities.append(score[0])
        found.codes.append(code + _CELLS * _BAND_OF[score[1]])
        if score[5] is not None:
            found = judged[score[5][0], "challenger"]
            found.probabilities.append(score[5][1])
            found.codes.append(code)
    return judged


def _code(flags: int, outcome: int, last_outcome: int, group: int) -> int:
    """The place in PARTS x OUTCOMES x LASTS, plus 12 x the band's (0 here), plus 36 x the group's."""
    cell = (6 if flags & HELD_OUT else 0) + (0 if outcome == ACTIONABLE else 3) + _LAST_OF[last_outcome]
    return cell + _CELLS * len(BANDS) * group


def _reason(one: Matured) -> LeftOut | None:
    if one.flags & VISIBILITY_ONLY:
        return "visibility_only"
    if one.flags & FLOOD:
        return "flood"
    if one.by == CORRECTION:
        return "correction"
    if one.by == CLOSED_BY_RULE:
        return "closed_by_rule"
    if one.outcome not in (NOISE, ACTIONABLE):
        return "unknown_outcome"
    score = one.alert.score
    return "unscored" if not score or score[0] is None or score[1] not in _BAND_OF else None


def open_quality(metrics: QualityMetrics, said: Said, groups: TeamGroups) -> None:
    """Let one model's series of one role be there, at zero."""
    cells = [(part, outcome, last) for part in PARTS for outcome in OUTCOMES for last in LASTS]
    metrics.scores.open(said, cells)
    metrics.below.open(said, [(part, *edge) for part in PARTS for edge in EDGE_LABELS])
    metrics.squared_error.open(said, [(part,) for part in PARTS])
    metrics.alerts.open(said, [(group, band, to) for group in groups.names for band in BANDS for to in OUTCOMES])


def count_quality(metrics: QualityMetrics, said: Said, judged: Judged, edges: Sequence[float], groups: int) -> None:
    """Add one model's judged alerts of one role.

    Args:
        metrics: where to.
        said: whose series.
        judged: the alerts.
        edges: where the challenger's bands begin; empty for a champion, whose bands were kept.
        groups: how many groups of teams there are.
    """
    p, codes = np.array(judged.probabilities), np.array(judged.codes)
    codes, cells = np.divmod(codes, _CELLS)
    group, band = np.divmod(codes, len(BANDS))
    if len(edges):
        band = np.searchsorted(np.array(edges), p, side="right")
    held_out, noise = cells // 6, cells // 3 % 2
    places = np.searchsorted(_EDGES, p)
    counts = np.bincount(cells * FULL_EDGES + places, minlength=_CELLS * FULL_EDGES)
    metrics.scores.add(said, counts, np.bincount(cells, weights=p, minlength=_CELLS))
    size = len(PARTS) * FULL_EDGES
    sums = np.bincount(held_out * FULL_EDGES + places, weights=p, minlength=size).reshape(len(PARTS), FULL_EDGES)
    metrics.below.add(said, np.cumsum(sums, axis=1)[:, :-1].ravel())
    metrics.squared_error.add(said, np.bincount(held_out, weights=(p - (1 - noise)) ** 2, minlength=len(PARTS)))
    places = (group * len(BANDS) + band) * len(OUTCOMES) + noise
    metrics.alerts.add(said, np.bincount(places, minlength=groups * len(BANDS) * len(OUTCOMES)))
