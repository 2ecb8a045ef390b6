"""The reference class of an alert: which past alerts the words beside a score count, chosen without the score.

Words of the whole history of team and rule contradict the score where the team has changed, or where the entity or
the team says more than the rule. So the alert's rate is estimated from counts alone, and of the counts that a person
can check (the whole history, or the last 32, 16 or 8, of four levels) those are chosen whose rate lies nearest to it.
"""

import numpy as np
from numpy.typing import NDArray

from stream.core import state
from stream.core.frame import Array, Decayed, expit, logit
from stream.core.levels import TEAM, TEAM_ENTITY, TEAM_RULE, TEAM_RULE_ENTITY
from stream.core.records import Level, Like

SMOOTHING = 10.0  # outcomes by which a level's rate is held to its parent's, as in the baselines
SURELY = 1.96  # standard errors between a recent rate and the rest: by chance 5 comparisons in 100
LEAST = 5  # outcomes that words count
NEAR = 0.05  # rates this near to the estimate are as good: the first of them is taken
LAST = (32, 16, 8)
_LEVELS: tuple[tuple[int, Level], ...] = (
    (TEAM_RULE, "team_rule"),
    (TEAM_RULE_ENTITY, "team_rule_entity"),
    (TEAM_ENTITY, "team_entity"),
    (TEAM, "team"),
)  # the first is preferred
_ORDER = [index for index, _ in _LEVELS]
_NAMES = [name for _, name in _LEVELS] * (1 + len(LAST))  # of each candidate
_WIDEST_FIRST = (3, 2, 1, 0)  # no decay, 30 d, 7 d, 1 d
_WIDE, _NARROW = np.triu_indices(len(_WIDEST_FIRST), 1)


def choose_like(decayed: Decayed, rule_shift: Array | float = 0.0) -> list[Like | None]:
    """The counts that words are made of, one an alert; None where no level has five outcomes.

    Args:
        decayed: the alerts' history.
        rule_shift: logits by which training knew the alert's rule, over all teams, to lie above the global rate.
    """
    if not len(decayed.at):
        return []
    acted, decided = _counts(decayed)
    rate = acted / np.maximum(decided, 1.0)
    far = np.abs(rate - estimate_rate(decayed, rule_shift)[:, None])
    far[far <= NEAR] = 0.0
    far[decided < LEAST] = np.inf
    chosen = far.argmin(axis=1)
    rows = np.arange(len(chosen))
    counts = np.stack([decided[rows, chosen], acted[rows, chosen]]).astype(np.int64).tolist()
    return [
        Like(_NAMES[number], count, meant) if count >= LEAST else None
        for number, count, meant in zip(chosen.tolist(), *counts, strict=True)
    ]


def estimate_rate(decayed: Decayed, rule_shift: Array | float = 0.0) -> Array:
    """The rate of action expected of each alert from counts alone: float64[N].

    That of the team, shifted by the rule, then of team and rule, then of team, rule and entity, each smoothed to the
    one before; all over the longest time of which no later part differs surely in the team.
    """
    counts = decayed.counts[:, :, 1:, _WIDEST_FIRST]  # decided, acted
    rows, window = np.arange(len(counts)), _steady_windows(counts[:, TEAM])
    seen = counts[rows, :, :, window]
    decided, acted = seen[:, :, 0], seen[:, :, 1]
    rate = expit(logit((acted[:, TEAM] + 1.0) / (decided[:, TEAM] + 2.0)) + rule_shift)
    for level in (TEAM_RULE, TEAM_RULE_ENTITY):
        rate = (acted[:, level] + SMOOTHING * rate) / (decided[:, level] + SMOOTHING)
    return rate


def _steady_windows(counts: Array) -> NDArray[np.intp]:
    """The widest window whose narrower ones all agree with the rest of it, of float64[N, 2, 4]: intp[N].

    The comparison is Lepski's: the widest estimate that no narrower one surely contradicts. Decayed counts are taken
    for counts, which makes the test err on the quiet side.
    """
    decided, acted = counts[:, 0], counts[:, 1]
    part, rest = decided[:, _NARROW], decided[:, _WIDE] - decided[:, _NARROW]
    meant, others = acted[:, _NARROW], acted[:, _WIDE] - acted[:, _NARROW]
    pooled = (acted[:, _WIDE] + 1.0) / (decided[:, _WIDE] + 2.0)
    enough = (part >= 1.0) & (rest >= 1.0)
    part, rest = np.where(enough, part, 1.0), np.where(enough, rest, 1.0)
    gap = meant / part - others / rest
    differs = enough & (gap * gap > SURELY * SURELY * pooled * (1.0 - pooled) * (1.0 / part + 1.0 / rest))
    steady = np.ones((len(counts), len(_WIDEST_FIRST)), dtype=np.bool_)
    for wide in range(len(_WIDEST_FIRST) - 1):
        steady[:, wide] = ~differs[:, wide == _WIDE].any(axis=1)
    return np.asarray(steady.argmax(axis=1))


def _counts(decayed: Decayed) -> tuple[Array, Array]:
    """Acted and decided of each candidate, float64[N, 16]: four levels of the whole history, then of the last 32..."""
    decided = decayed.counts[:, _ORDER, 1, 3]
    ring = np.nan_to_num(decayed.levels[:, _ORDER, state.RING]).astype(np.uint64)
    acted, known = [decayed.counts[:, _ORDER, 2, 3]], [decided]
    for last in LAST:
        acted.append(np.bitwise_count(ring & np.uint64((1 << last) - 1)).astype(np.float64))
        known.append(np.where(decided > last, float(last), 0.0))
    return np.concatenate(acted, axis=1), np.concatenate(known, axis=1)
