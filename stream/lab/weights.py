"""The weight of a label: how many alerts it stands for once rules keep some from people.

A rule that acts draws some hours in which it leaves alerts alone. What it paused or closed has no outcome of people, so
a held-out alert stands for 1/(1 - p_act) alerts, where p_act is the chance that the rule would have acted on it
(Horvitz and Thompson, Journal of the American Statistical Association 47, 1952). Every other label stands for itself.
Weights are float64 beside the rows they belong to, and None where each is 1.
"""

from collections.abc import Mapping

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from stream.core.frame import Array, Labels, Mask
from stream.core.ledger import HELD_OUT
from stream.lab.replaying import Replayed
from stream.models.manifest import LabelWeights

WEIGHT_MOST = 20.0  # 1 / 0.05, the usual floor of the hold-out; a weight above it is clipped to it
_SLACK = 1e-9
_LEAST_SHARE = 1e-12  # of the hold-out, so that no weight is infinite before it is clipped

Chances = Mapping[tuple[str, str], float]
"""p_act of the alerts that rules held out, by team and alert id."""
NO_CHANCES: Chances = {}


class OutcomeCounts:
    """Weighted outcomes, counted one by one; they tell as much as `effective` outcomes of weight 1 would.

    >>> counts = OutcomeCounts()
    >>> counts.add(1, 1.0)
    >>> counts.add(0, 3.0)
    >>> counts.rate, counts.effective
    (0.25, 1.6)
    """

    __slots__ = ("_acted", "_squares", "_weight", "outcomes")

    def __init__(self) -> None:
        self.outcomes = 0
        self._acted = self._weight = self._squares = 0.0

    def add(self, outcome: int, weight: float) -> None:
        """Count an outcome: 1 actionable, 0 noise."""
        self.outcomes += 1
        self._acted += weight * outcome
        self._weight += weight
        self._squares += weight * weight

    @property
    def rate(self) -> float:
        """The weighted share of actionable; there must be an outcome."""
        return self._acted / self._weight

    @property
    def effective(self) -> float:
        """The effective number of outcomes, 0 without any; see `effective_size`."""
        return self._weight * (self._weight / self._squares) if self.outcomes else 0.0

    def smoothed(self, towards: float, by: float) -> float:
        """The rate, held to another one as by so many effective outcomes."""
        scale = self._weight / self._squares if self.outcomes else 0.0
        return (self._acted * scale + by * towards) / (self._weight * scale + by)


def weigh(replayed: Replayed, chances: Chances) -> Replayed:
    """The replay with the chances of its held-out alerts; as it is where it has none."""
    if not chances:
        return replayed
    p_act = np.array([chances.get((alert.team, alert.alert_id), 0.0) for alert in replayed.alerts])
    return replace(replayed, p_act=p_act) if p_act.any() else replayed


def label_weights(replayed: Replayed, rows: Mask | NDArray[np.int64] | None = None) -> Array | None:
    """The weights of some alerts, or of all; None where each is 1.

    `rows` are their numbers, or a mask of all alerts or of the first ones.
    """
    if replayed.p_act is None:
        return None
    return weights_from(_chances(replayed.p_act, rows))


def holdout_sentences(replayed: Replayed) -> list[str]:
    """Sentences on alerts that the log says were held out, and whose decision is not known: they weigh too little."""
    held_out = (replayed.flags & HELD_OUT) != 0
    missing = held_out if replayed.p_act is None else held_out & (replayed.p_act == 0.0)
    count = int(np.count_nonzero(missing & replayed.labelled))
    if not count:
        return []
    return [
        f"{count:,} labels are of alerts that rules held out, and no decision says with which chance: each weighs 1, "
        "though it stands for several; pull the decisions and name them (--decisions)"
    ]


def weights_from(p_act: Array) -> Array | None:
    """1/(1 - p_act), clipped; None where all are 1.

    >>> weights_from(np.array([0.0, 0.5, 0.99]))
    array([ 1.,  2., 20.])
    """
    return np.minimum(_unclipped(p_act), WEIGHT_MOST) if p_act.any() else None


def summarise_weights(replayed: Replayed, mask: Mask) -> LabelWeights | None:
    """The summary of a mask's weights; None where each is 1."""
    weights = label_weights(replayed, mask)
    if weights is None or replayed.p_act is None:
        return None
    p_act = _chances(replayed.p_act, mask)
    return LabelWeights(
        held_out=int(np.count_nonzero(p_act)),
        effective=effective_size(weights),
        most=WEIGHT_MOST,
        clipped=int(np.count_nonzero(_unclipped(p_act) > WEIGHT_MOST + _SLACK)),
    )


def effective_size(weights: Array) -> float:
    """The number of rows of equal weight that tell as much: (sum w)^2 / sum w^2 (Kish, Survey Sampling, 1965).

    >>> effective_size(np.array([1.0, 1.0, 1.0])), effective_size(np.array([1.0, 1.0, 20.0]))
    (3.0, 1.2039800995024876)
    """
    return float(weights.sum() ** 2 / (weights**2).sum())


def effective_count(rows: int, weights: Array | None) -> int:
    """The effective number of some rows, rounded; theirs as it is without weights.

    >>> effective_count(3, None), effective_count(3, np.array([1.0, 1.0, 20.0]))
    (3, 1)
    """
    return rows if weights is None or not rows else round(effective_size(weights))


def weighted_mean(values: Array | Labels | Mask, weights: Array | None) -> float:
    """The mean of N values; the plain one without weights."""
    return float(np.mean(values)) if weights is None else float(np.average(values, weights=weights))


def _chances(p_act: Array, rows: Mask | NDArray[np.int64] | None) -> Array:
    if rows is None:
        return p_act
    return p_act[: len(rows)][rows] if rows.dtype == np.bool_ else p_act[rows]


def _unclipped(p_act: Array) -> Array:
    return np.asarray(1.0 / np.maximum(1.0 - p_act, _LEAST_SHARE))
