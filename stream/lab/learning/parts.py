"""The training window, its earlier and later part, and how much each alert weighs."""

from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct

from stream.core.features import Feature
from stream.core.frame import Array, Matrix
from stream.core.ledger import HELD_OUT
from stream.core.problem import DAY_SECONDS
from stream.lab.judging.metrics import Labels
from stream.lab.learning import trees
from stream.lab.learning.plan import Plan
from stream.lab.learning.trees import Params, Trees
from stream.lab.replaying import Replayed
from stream.lab.window import Mask, Split, between, split_at_share, trainable

EARLIER = 0.8
LEAST_LATER = 200  # alerts, and
LEAST_OF_A_CLASS = 20  # of each outcome in either part, to find anything on the later part


class Window(Struct, frozen=True, eq=False):
    """The training window: everything before `end`, with float32[end.alert, F] and what may be learnt from."""

    replayed: Replayed
    end: Split
    usable: Mask
    matrix: Matrix
    features: Sequence[Feature]

    def take(self, mask: Mask) -> tuple[Matrix, Labels]:
        """Features and labels of some of the window's alerts; a shorter mask takes from the beginning."""
        return self.matrix[: len(mask)][mask], self.replayed.outcome[: len(mask)][mask]


def parts(window: Window) -> tuple[Mask, Mask]:
    """The window's earlier 80 % as known at its end, and what is decided of the rest."""
    inner = split_at_share(window.replayed, EARLIER, window.end.alert)
    return trainable(window.replayed, inner), between(window.replayed, inner, window.end)


def enough(window: Window, earlier: Mask, later: Mask) -> bool:
    """Whether both parts hold enough alerts of each outcome to find anything on the later one."""
    if np.count_nonzero(later) < LEAST_LATER:
        return False
    labels = [window.take(mask)[1] for mask in (earlier, later)]
    return all(np.bincount(y, minlength=2).min() >= LEAST_OF_A_CLASS for y in labels)


def weights_of(replayed: Replayed, mask: Mask, plan: Plan) -> Array | None:
    """The weight of each alert of the mask when learnt from, their mean 1; None where all weigh the same."""
    if plan.recency_days is None and plan.holdout_weight == 1.0:
        return None
    chosen = np.flatnonzero(mask)
    weights = np.where(replayed.flags[chosen] & HELD_OUT, plan.holdout_weight, 1.0)
    if plan.recency_days is not None:
        age_days = (replayed.at[chosen].max() - replayed.at[chosen]) / DAY_SECONDS
        weights = weights * np.exp2(-age_days / plan.recency_days)
    return np.asarray(weights / weights.mean())


def try_rounds(
    window: Window,
    earlier: Mask,
    later: Mask,
    seed: int,
    plan: Plan,
    tuned: Params,
    report_progress: Callable[[float], None],
) -> Trees:
    """Trees of the earlier part, with the number of rounds that is best on the later one."""
    matrix, labels = window.take(earlier)
    params = {**trees.params_for(len(labels), seed, plan.monotone), **tuned}
    weights = weights_of(window.replayed, earlier, plan)
    return trees.fit_until_best(matrix, labels, window.take(later), window.features, params, report_progress, weights)
