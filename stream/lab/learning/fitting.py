"""Learning from the training window alone: number of rounds, trees, calibration, thresholds.

The window's earlier 80 % fit trees whose scores of the later 20 % tell the number of rounds, the calibration and the
thresholds; then the whole window is fitted once more with that number. Where the later part is too small, defaults
serve instead.
"""

from collections.abc import Mapping

import numpy as np
from msgspec import Struct

from stream.core.frame import Array
from stream.core.scoring import Thresholds
from stream.lab.judging.judge import MODEL
from stream.lab.judging.metrics import threshold_for
from stream.lab.learning import calibration, trees
from stream.lab.learning.evidence import learn_evidence
from stream.lab.learning.parts import Window, enough, parts, try_rounds, weights_of
from stream.lab.learning.plan import Plan
from stream.lab.learning.trees import Params, Trees
from stream.lab.learning.trials import search
from stream.eventlog import Progress
from stream.models.manifest import Calibration

NOISE_AT_MOST = 0.5  # the band likely_noise never reaches above "more probably noise than not"
ACTIONABLE_FROM = 0.5
_DEFAULT = Plan()
__all__ = ["Fitted", "Window", "fit_window"]


class Fitted(Struct, frozen=True, eq=False):
    """What was learnt.

    `fixed` is the threshold of each score (model and baselines) that kept the target's detection on the later part,
    `thresholds` are the edges of bands and evidence, `tuned` the parameters that trials found better than the defaults.
    """

    trees: Trees
    calibration: Calibration
    params: Params
    fixed: dict[str, float]
    thresholds: Thresholds
    tuned: Params = {}


def fit_window(
    window: Window, baselines: Mapping[str, Array], seed: int, progress: Progress, plan: Plan = _DEFAULT
) -> Fitted:
    """Learn from the window. `baselines` are scores of all alerts, as known at each raise."""
    replayed, end = window.replayed, window.end
    tuned = search(window, seed, plan, progress) if plan.trials else {}
    earlier, later = parts(window)
    chosen, rounds, scores = Calibration(), trees.ROUNDS_UNTRIED, None
    if enough(window, earlier, later):
        tried = try_rounds(
            window, earlier, later, seed, plan, tuned, lambda share: progress("finding the number of rounds", share)
        )
        logits = tried.logits(window.matrix[later])
        rounds = tried.rounds
        chosen = calibration.choose(replayed.outcome[: end.alert][later], logits, plan.calibration)
        scores = calibration.apply(chosen, logits)
    matrix, labels = window.take(window.usable)
    params = {**trees.params_for(len(labels), seed, plan.monotone), **tuned}
    weights, told = weights_of(replayed, window.usable, plan), lambda share: progress("training", share)
    fitted = trees.fit(matrix, labels, window.features, params, rounds, told, weights)
    honest = scores is not None
    if scores is None:
        later, scores = window.usable, calibration.apply(chosen, fitted.logits(matrix))
    y, detection = replayed.outcome[: end.alert][later], replayed.problem.target.detection
    fixed = {name: threshold_for(y, known[: end.alert][later], detection) for name, known in baselines.items()}
    fixed[MODEL] = threshold_for(y, scores, detection)
    edges = Thresholds(likely_noise=min(fixed[MODEL], NOISE_AT_MOST), likely_actionable=ACTIONABLE_FROM)
    if honest:
        edges = learn_evidence(replayed, np.flatnonzero(later), scores, edges)
    return Fitted(fitted, chosen, params, fixed, edges, tuned)
