"""Counts of past alerts that words beside a score could be made of, each by a rule that looks at no score."""

from collections.abc import Callable, Mapping

import numpy as np

from stream.core import state
from stream.core.frame import Array, Decayed, Mask
from stream.core.levels import TEAM_RULE, TEAM_RULE_ENTITY
from stream.core.reference_class import LAST, SURELY

ENOUGH = 10  # outcomes of the entity from which on its own are counted
Counts = tuple[Array, Array]  # acted and decided, float64[N] each


def last_outcomes(level: int, count: int) -> Callable[[Decayed], Counts]:
    """Counts of the last outcomes of a level, at most `count` of them."""

    def counts(decayed: Decayed) -> Counts:
        ring = np.nan_to_num(decayed.levels[:, level, state.RING]).astype(np.uint64)
        acted = np.bitwise_count(ring & np.uint64((1 << count) - 1)).astype(np.float64)
        return acted, np.minimum(decayed.counts[:, level, 1, 3], count)

    return counts


def decayed_counts(level: int, window: int) -> Callable[[Decayed], Counts]:
    """Decayed counts of a level; window 3 is the whole history."""
    return lambda decayed: (decayed.counts[:, level, 2, window], decayed.counts[:, level, 1, window])


def with_entity(decayed: Decayed) -> Counts:
    """The whole history of team, rule and entity where it holds ten outcomes, else of team and rule."""
    mine, theirs = _whole(TEAM_RULE_ENTITY)(decayed), _whole(TEAM_RULE)(decayed)
    enough = mine[1] >= ENOUGH
    return np.where(enough, mine[0], theirs[0]), np.where(enough, mine[1], theirs[1])


def recent_where_sure(decayed: Decayed) -> Counts:
    """The longest of whole, 32, 16 and 8 outcomes of team and rule of which no shorter one differs surely."""
    windows = [_whole(TEAM_RULE)(decayed), *(last_outcomes(TEAM_RULE, count)(decayed) for count in LAST)]
    acted, decided = windows[-1]
    for place in range(len(windows) - 2, -1, -1):
        steady = np.ones(len(acted), dtype=np.bool_)
        for shorter in windows[place + 1 :]:
            steady &= ~_differs(windows[place], shorter)
        acted = np.where(steady, windows[place][0], acted)
        decided = np.where(steady, windows[place][1], decided)
    return acted, decided


def _differs(whole: Counts, part: Counts) -> Mask:
    """Whether a part of the outcomes and the rest of them differ by more than chance."""
    rest = whole[1] - part[1]
    enough = (rest >= 1.0) & (part[1] >= 1.0)
    of_part, of_rest = np.where(enough, part[1], 1.0), np.where(enough, rest, 1.0)
    pooled = (whole[0] + 1.0) / (whole[1] + 2.0)
    gap = part[0] / of_part - (whole[0] - part[0]) / of_rest
    return enough & (gap * gap > SURELY**2 * pooled * (1.0 - pooled) * (1.0 / of_part + 1.0 / of_rest))


def _whole(level: int) -> Callable[[Decayed], Counts]:
    return decayed_counts(level, 3)


CANDIDATES: Mapping[str, Callable[[Decayed], Counts]] = {
    "whole history of team and rule (before)": _whole(TEAM_RULE),
    "last 32": last_outcomes(TEAM_RULE, 32),
    "last 8": last_outcomes(TEAM_RULE, 8),
    "30 days": decayed_counts(TEAM_RULE, 2),
    "7 days": decayed_counts(TEAM_RULE, 1),
    "recent where it surely differs": recent_where_sure,
    "whole, with the entity where it has 10": with_entity,
}
