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
_CHAIN = [TEAM, TEAM_RULE, TEAM_RULE_ENTITY]  # each is smoothed to the one before
_WINDOWS = 4  # no decay, 30 d, 7 d, 1 d
_WIDE, _NARROW = np.triu_indices(_WINDOWS, 1)


def choose_like(decayed: Decayed, rule_shift: Array | float = 0.0) -> list[Like | None]:
    """The counts that words are made of, one an alert; None where no level has five outcomes.

    Args:
        decayed: the alerts' history.
        rule_shift: logits by which training knew the alert's rule, over all teams, to lie above the global rate.
    """
    return nearest_like(decayed, estimate_rate(decayed, rule_shift)) if len(decayed.at) else []


def nearest_like(decayed: Decayed, rate: Array) -> list[Like | None]:
    """Of each alert the counts whose share acted on lies nearest to a rate, float64[N]; None as in `choose_like`."""
    acted, decided = candidate_counts(decayed)
    far = np.abs(acted / np.maximum(decided, 1.0) - rate[:, None])
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

    The mean, in log-odds, of `Readings.own_rate` and `Readings.moved_rate`: over several logs together, outcomes are
    likelier under it than under either (benchmarks/words.py).
    """
    readings = Readings(decayed, rule_shift)
    return expit((logit(readings.own_rate()) + logit(readings.moved_rate())) / 2.0)


class Readings:
    """Two readings of what has changed, each as the rate of action expected of each alert.

    A rate is that of the team, shifted by the rule, then of team and rule, then of team, rule and entity, each
    smoothed to the one before.

    Args:
        decayed: the alerts' history.
        rule_shift: as in `choose_like`.
    """

    def __init__(self, decayed: Decayed, rule_shift: Array | float = 0.0) -> None:
        self._shift = rule_shift
        widest_first = decayed.counts[:, _CHAIN, 1:][..., ::-1]
        self._counts = np.ascontiguousarray(widest_first)  # decided and acted of each level, float64[N, 3, 2, 4]
        steady = _steady_windows(self._counts.reshape(-1, *self._counts.shape[2:]))
        self._windows = np.maximum.accumulate(steady.reshape(-1, len(_CHAIN)), axis=1)
        self._recent = np.take_along_axis(self._counts, self._windows[:, :, None, None], axis=3)[..., 0]

    def own_rate(self) -> Array:
        """Each level over the longest time of which no later part differs surely, there or in a wider level."""
        return self._smooth(self._recent)

    def moved_rate(self) -> Array:
        """The whole history moved by as much as the team has changed, then what the entity has shown since."""
        whole = self._counts[..., 0]
        moved = expit(logit(self._smooth(whole)) + logit(_team_rate(self._recent)) - logit(_team_rate(whole)))
        window = self._windows[:, 0]
        since = self._counts[np.arange(len(window)), -1, :, window]
        return np.where(window == 0, moved, (since[:, 1] + SMOOTHING * moved) / (since[:, 0] + SMOOTHING))

    def _smooth(self, counts: Array) -> Array:
        """The rate of the last of three levels, float64[N] of decided and acted, float64[N, 3, 2]."""
        rate = expit(logit(_team_rate(counts)) + self._shift)
        for level in range(1, len(_CHAIN)):
            rate = (counts[:, level, 1] + SMOOTHING * rate) / (counts[:, level, 0] + SMOOTHING)
        return rate


def _team_rate(counts: Array) -> Array:
    return np.asarray((counts[:, 0, 1] + 1.0) / (counts[:, 0, 0] + 2.0))


def _steady_windows(counts: Array) -> NDArray[np.intp]:
    """The widest window whose narrower ones all agree with the rest of it, of float64[N, 2, 4]: intp[N].

    The comparison is Lepski's: the widest estimate that no narrower one surely contradicts. Decayed counts are taken
    for counts, which makes the test err on the quiet side.
    """
    decided, acted = counts.transpose(1, 2, 0)
    part, rest = decided[_NARROW], decided[_WIDE] - decided[_NARROW]
    meant, others = acted[_NARROW], acted[_WIDE] - acted[_NARROW]
    pooled = ((acted + 1.0) / (decided + 2.0))[_WIDE]
    enough = (part >= 1.0) & (rest >= 1.0)
    part, rest = np.where(enough, part, 1.0), np.where(enough, rest, 1.0)
    gap = meant / part - others / rest
    differs = enough & (gap * gap > SURELY * SURELY * pooled * (1.0 - pooled) * (1.0 / part + 1.0 / rest))
    steady = np.ones((_WINDOWS, len(counts)), dtype=np.bool_)
    for wide in range(_WINDOWS - 1):
        steady[wide] = ~differs[wide == _WIDE].any(axis=0)
    return np.asarray(steady.argmax(axis=0))


def candidate_counts(decayed: Decayed) -> tuple[Array, Array]:
    """Acted and decided of each candidate, float64[N, 16]: four levels of the whole history, then of the last 32..."""
    decided = decayed.counts[:, _ORDER, 1, 3]
    ring = np.nan_to_num(decayed.levels[:, _ORDER, state.RING]).astype(np.uint64)
    acted, known = [decayed.counts[:, _ORDER, 2, 3]], [decided]
    for last in LAST:
        acted.append(np.bitwise_count(ring & np.uint64((1 << last) - 1)).astype(np.float64))
        known.append(np.where(decided > last, float(last), 0.0))
    return np.concatenate(acted, axis=1), np.concatenate(known, axis=1)
