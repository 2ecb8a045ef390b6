"""Learning from the training window alone: number of rounds, trees, calibration, thresholds.

The window's earlier 80 % fit trees whose scores of the later 20 % tell the number of rounds, the calibration and the
thresholds; then the whole window is fitted once more with that number. Where the later part is too small, defaults
serve instead.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct

from stream.core.features import Array, Feature, Matrix
from stream.core.scoring import Thresholds
from stream.lab.judging.judge import MODEL
from stream.lab.judging.metrics import Labels, threshold_for
from stream.lab.learning import calibration, trees
from stream.lab.learning.trees import Params, Trees
from stream.lab.log import Progress
from stream.lab.replaying import Replayed
from stream.lab.window import Mask, Split, between, split_at_share, trainable
from stream.models.manifest import Calibration

EARLIER = 0.8
LEAST_LATER = 200  # alerts, and
LEAST_OF_A_CLASS = 20  # of each outcome in either part, to find anything on the later part
NOISE_AT_MOST = 0.5  # the band likely_noise never reaches above "more probably noise than not"
ACTIONABLE_FROM = 0.5


class Fitted(Struct, frozen=True, eq=False):
    """What was learnt.

    `fixed` is the threshold of each score (model and baselines) that kept the target's detection on the later part.
    """

    trees: Trees
    calibration: Calibration
    params: Params
    fixed: dict[str, float]

    @property
    def thresholds(self) -> Thresholds:
        """The edges of the bands."""
        return Thresholds(
            likely_noise=min(self.fixed[MODEL], NOISE_AT_MOST),
            likely_actionable=ACTIONABLE_FROM,
        )


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


def fit_window(window: Window, baselines: Mapping[str, Array], seed: int, progress: Progress) -> Fitted:
    """Learn from the window. `baselines` are scores of all alerts, as known at each raise."""
    replayed, end = window.replayed, window.end
    inner = split_at_share(replayed, EARLIER, end.alert)
    earlier, later = trainable(replayed, inner), between(replayed, inner, end)
    chosen, rounds, scores = Calibration(), trees.ROUNDS_UNTRIED, None
    if _enough(window, earlier, later):
        tried = _try_rounds(window, earlier, later, seed, progress)
        logits = tried.logits(window.matrix[later])
        rounds, chosen = tried.rounds, calibration.choose(replayed.outcome[: end.alert][later], logits)
        scores = calibration.apply(chosen, logits)
    matrix, labels = window.take(window.usable)
    params = trees.params_for(len(labels), seed)
    fitted = trees.fit(matrix, labels, window.features, params, rounds, lambda share: progress("training", share))
    if scores is None:
        later, scores = window.usable, calibration.apply(chosen, fitted.logits(matrix))
    y, detection = replayed.outcome[: end.alert][later], replayed.problem.target.detection
    fixed = {name: threshold_for(y, known[: end.alert][later], detection) for name, known in baselines.items()}
    fixed[MODEL] = threshold_for(y, scores, detection)
    return Fitted(fitted, chosen, params, fixed)


def _try_rounds(window: Window, earlier: Mask, later: Mask, seed: int, progress: Progress) -> Trees:
    matrix, labels = window.take(earlier)
    params = trees.params_for(len(labels), seed)
    told = window.take(later)
    return trees.fit_until_best(
        matrix, labels, told, window.features, params, lambda share: progress("finding the number of rounds", share)
    )


def _enough(window: Window, earlier: Mask, later: Mask) -> bool:
    if np.count_nonzero(later) < LEAST_LATER:
        return False
    labels = [window.take(mask)[1] for mask in (earlier, later)]
    return all(np.bincount(y, minlength=2).min() >= LEAST_OF_A_CLASS for y in labels)
