"""What was said against what came of it: decided alerts, judged by the score that was fenced in with them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import numpy as np
from msgspec import Struct, field

from stream.core.effects import Decided
from stream.core.kinds import CLOSED_BY_RULE, PAUSED_BY_RULE
from stream.core.ledger import ACTIONABLE, FLOOD, HELD_OUT, MAINTENANCE, UNJUDGED, UNKNOWN, VISIBILITY_ONLY
from stream.metrics.scorer import SCORE_EDGES, QualityMetrics
from stream.scorer.metrics.team_groups import TeamGroups
from stream.scorer.metrics.drift import EDGE_LABELS, FULL_EDGES
from stream.scorer.score import score_fields

LeftOut = Literal[
    "flood",
    "visibility_only",
    "maintenance",
    "unscored",
    "unknown_outcome",
    "paused_by_rule",
    "closed_by_rule",
    "correction",
    "no_such_model",
]
LEFT_OUT: tuple[LeftOut, ...] = get_args(LeftOut)
PARTS, OUTCOMES, LASTS = ("open", "held_out"), ("actionable", "noise"), ("actionable", "noise", "none")
BANDS = ("likely_noise", "unsure", "likely_actionable")
_LAST_OF = (1, 0, 2)  # place in LASTS of a last outcome 0, 1, and -1, which is none
_BAND_OF = {band: place for place, band in enumerate(BANDS)}
_EDGES = np.array(SCORE_EDGES)
_CELLS = len(PARTS) * len(OUTCOMES) * len(LASTS)

Said = tuple[str, str]  # model, role


class Judged(Struct, array_like=True):
    """Alerts of one group of teams that one model scored in one role.

    `codes` are places in PARTS x OUTCOMES x LASTS, plus 12 x the band's place. The challenger's band is not kept with
    the alert: it is left at the first, for `count_quality` to tell.
    """

    model: str
    role: str
    group: str
    probabilities: list[float] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)


class Verdicts(Struct, array_like=True):
    """What is to be counted of some alerts; `left_out` by the first reason that holds."""

    judged: list[Judged] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)


class _Sorted(dict[tuple[str, str, str], Judged]):
    """By model, role and team; those of one group of teams share one."""

    def __init__(self, groups: TeamGroups) -> None:
        super().__init__()
        self.of_groups: dict[tuple[str, str, str], Judged] = {}
        self._groups = groups

    def __missing__(self, key: tuple[str, str, str]) -> Judged:
        model, role, team = key
        group = self._groups.name(team)
        found = self[key] = self.of_groups.setdefault((model, role, group), Judged(model, role, group))
        return found


def judge(decided: Iterable[Decided], groups: TeamGroups) -> Verdicts:
    """Sort decided alerts by who scored them, and count who is left out."""
    judged = _Sorted(groups)
    left_out: Counter[str] = Counter()
    for one in decided:
        alert, outcome, flags = one.alert, one.outcome, one.flags
        probability, band, model, _, _, challenger = score_fields(alert.score)
        if flags & UNJUDGED or outcome == UNKNOWN or band not in _BAND_OF:
            left_out[_reason(one)] += 1
            continue
        code = (6 if flags & HELD_OUT else 0) + (0 if outcome == ACTIONABLE else 3) + _LAST_OF[alert.last_outcome]
        found = judged[model, "champion", one.team]
        found.probabilities.append(probability)
        found.codes.append(code + _CELLS * _BAND_OF[band])
        if challenger is not None:
            found = judged[challenger[0], "challenger", one.team]
            found.probabilities.append(challenger[1])
            found.codes.append(code)
    return Verdicts([*judged.of_groups.values()], left_out)


def _reason(one: Decided) -> LeftOut:
    if one.flags & VISIBILITY_ONLY:
        return "visibility_only"
    if one.flags & FLOOD:
        return "flood"
    if one.flags & MAINTENANCE:
        return "maintenance"
    if one.by == PAUSED_BY_RULE:
        return "paused_by_rule"
    if one.by == CLOSED_BY_RULE:
        return "closed_by_rule"
    return "unknown_outcome" if one.outcome == UNKNOWN else "unscored"


def open_quality(metrics: QualityMetrics, said: Said, groups: TeamGroups) -> None:
    """Let one model's series of one role be there, at zero."""
    cells = [(part, outcome, last) for part in PARTS for outcome in OUTCOMES for last in LASTS]
    metrics.scores.open(said, cells)
    metrics.below.open(said, [(part, *edge) for part in PARTS for edge in EDGE_LABELS])
    metrics.squared_error.open(said, [(part,) for part in PARTS])
    metrics.alerts.open(said, [(group, band, to) for group in groups.names for band in BANDS for to in OUTCOMES])


def count_quality(
    metrics: QualityMetrics, said: Said, judged: Sequence[Judged], edges: Sequence[float], groups: TeamGroups
) -> None:
    """Add one model's judged alerts of one role.

    Args:
        metrics: where to.
        said: whose series.
        judged: the alerts.
        edges: where the challenger's bands begin; empty for a champion, whose bands were kept.
        groups: the groups of teams.
    """
    p = np.array([probability for one in judged for probability in one.probabilities])
    group = np.repeat([groups.place(one.group) for one in judged], [len(one.codes) for one in judged])
    band, cells = np.divmod(np.array([code for one in judged for code in one.codes]), _CELLS)
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
    metrics.alerts.add(said, np.bincount(places, minlength=len(groups.names) * len(BANDS) * len(OUTCOMES)))
