"""Learning from the training window alone: number of rounds, trees, calibration, thresholds.

The window's earlier 80 % fit trees whose scores of the later 20 % tell the number of rounds, the calibration and the
thresholds; then the whole window is fitted once more with that number. Where the later part is too small, defaults
serve instead.
"""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from stream.core.frame import Array, Labels, Matrix
from stream.core.scoring import Thresholds, outcomes_known
from stream.lab.judging.metrics import MODEL, threshold_for
from stream.lab.judging.teams import PREDICTABLE, UNPREDICTABLE, judge_team, judge_teams
from stream.lab.learning import calibration, trees
from stream.lab.learning.crossval import search
from stream.lab.learning.estimators import Estimator, EstimatorModel, FittedModel
from stream.lab.learning.params import Params
from stream.lab.learning.plan import Plan
from stream.lab.learning.trees import planned_params, try_rounds, weights_of
from stream.lab.replaying import Replayed
from stream.lab.split import Window, earlier_and_later, has_enough
from stream.lab.weights import label_weights
from stream.models.manifest import Calibration
from stream.progress import Progress

NOISE_AT_MOST = 0.5  # the band likely_noise never reaches above "more probably noise than not"
ACTIONABLE_FROM = 0.5
GRID = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)  # outcomes known of a team
_DEFAULT = Plan()


class Fitted(Struct, frozen=True, eq=False):
    """What was learnt.

    `fixed` is the threshold of each score (model and baselines) that kept the target's detection on the later part,
    `thresholds` are the edges of bands and evidence, `tuned` the parameters that trials found better than the defaults.
    """

    model: FittedModel
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
    earlier, later = earlier_and_later(window)
    chosen, rounds, scores = Calibration(), trees.ROUNDS_UNTRIED, None
    if has_enough(window, earlier, later):
        tried = try_rounds(
            window, earlier, later, seed, plan, tuned, lambda share: progress("finding the number of rounds", share)
        )
        logits = tried.logits(window.matrix[later])
        rounds = tried.rounds
        standing = label_weights(replayed, later)
        chosen = calibration.choose(replayed.outcome[: end.alert][later], logits, plan.calibration, standing)
        scores = calibration.apply(chosen, logits)
    matrix, labels = window.take(window.usable)
    weights, report_progress = weights_of(replayed, window.usable, plan), lambda share: progress("training", share)
    fitted: FittedModel
    if plan.estimator is None:
        params = planned_params(len(labels), seed, plan, tuned)
        fitted = trees.fit(matrix, labels, window.features, params, rounds, report_progress, weights)
    else:
        fitted, params = _fit_estimator(plan.estimator, matrix, labels, weights)
    honest = scores is not None
    if scores is None:
        later, scores = window.usable, calibration.apply(chosen, fitted.logits(matrix))
    y, detection = replayed.outcome[: end.alert][later], replayed.problem.target.detection
    standing = label_weights(replayed, later)
    known = {name: every[: end.alert][later] for name, every in baselines.items()}
    fixed = {name: threshold_for(y, p, detection, standing) for name, p in {**known, MODEL: scores}.items()}
    edges = Thresholds(likely_noise=min(fixed[MODEL], NOISE_AT_MOST), likely_actionable=ACTIONABLE_FROM)
    if honest:
        edges = learn_evidence(replayed, np.flatnonzero(later), scores, edges)
    return Fitted(fitted, chosen, params, fixed, edges, tuned)


def _fit_estimator(
    estimator: Estimator, matrix: Matrix, labels: Labels, weights: Array | None
) -> tuple[EstimatorModel, Params]:
    fitted = estimator.fit(matrix, labels, weights)
    return fitted, fitted.params


def learn_evidence(replayed: Replayed, places: NDArray[np.int64], p: Array, edges: Thresholds) -> Thresholds:
    """The thresholds with a floor of evidence and the teams that can't be read.

    Learnt on alerts that the scoring trees have not seen, by the tests of the report (see `teams.TEST`).

    The floor `weak` is the least number of the team's outcomes from which on alerts were told apart: the lower end of
    the first cell of `GRID` that is predictable. Where none is, because there were too few alerts, it stays as it is.

    Args:
        replayed: the log.
        places: the alerts looked at, int64[n].
        p: their scores, float64[n].
        edges: what is known already.
    """
    y, known = replayed.outcome[places], outcomes_known(replayed.rows[places])[:, 0]
    weights = label_weights(replayed, places)
    teams = judge_teams([replayed.alerts[place].team for place in places.tolist()], y, p, weights).teams
    edges = replace(edges, unreadable=tuple(sorted(team.name for team in teams if team.verdict == UNPREDICTABLE)))
    for low, high in pairwise((*GRID, np.inf)):
        cell = (known >= low) & (known < high)
        within = None if weights is None else weights[cell]
        if cell.any() and judge_team("", y[cell], p[cell], within).verdict == PREDICTABLE:
            return replace(edges, weak=low)
    return edges
