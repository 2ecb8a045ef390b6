"""The backtest: train again every so often, score what comes next with what was known then; beside training once."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import numpy as np
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace
from numpy.typing import NDArray

from stream.core import features
from stream.core.errors import LabError
from stream.core.events import moment
from stream.core.frame import Array, Mask
from stream.core.problem import DAY_SECONDS, Problem
from stream.eventlog import read_log
from stream.extras import FITTING, require_lab
from stream.files import AnyPath
from stream.lab.judging.baselines import score_baselines
from stream.lab.judging.metrics import MODEL, check_classes, detected_from, figures, suppressed_below
from stream.lab.learning import calibration
from stream.lab.learning.fit import Fitted, fit_window
from stream.lab.log_checks import about, check_log, check_training
from stream.lab.matrix import known_matrix, make_window
from stream.lab.priors import Learnt
from stream.lab.replaying import Replayed, replay
from stream.lab.sources.decisions import chances_of_file
from stream.lab.split import Split, judgeable, split_at_share, split_at_time, trainable
from stream.lab.weights import label_weights, summarise_weights, weigh, weighted_mean
from stream.models.manifest import Figures, LabelWeights
from stream.progress import Progress, no_progress

RETRAINED, ONCE = "retrained", "trained once"
STEPS_MOST = 200


class Step(Struct, frozen=True):
    """The alerts raised from `start` until the next training: how each way of training scored them.

    AUC is None where a class is missing.
    """

    start: datetime
    learnt_from: int
    judged: int
    label_rate: float
    auc: dict[str, float | None]
    ece: dict[str, float]


class Backtest(Struct, frozen=True):
    """All steps, and the figures of all judged alerts together: retrained, trained once, and the baselines.

    Thresholds were fixed before: the retrained one at each training (the last stands in `threshold`), the others at
    the first.
    """

    problem: str
    question: str
    every_days: float
    split_at: datetime
    judged: int
    label_rate: float
    target_detection: float
    steps: list[Step]
    scores: dict[str, Figures]
    untested: int = 0  # steps in which no alert could be judged: they are not among `steps`
    weights: LabelWeights | UnsetType = UNSET  # of the judged labels, where rules held some out


class _Trained(Struct, frozen=True):
    """A model as it was known at one moment."""

    learnt: Learnt
    fitted: Fitted
    chosen: list[features.Feature]
    used: int

    def score(self, replayed: Replayed, indices: NDArray[np.int64]) -> Array:
        matrix = known_matrix(replayed, self.learnt.priors, self.chosen, indices)
        return calibration.apply(self.fitted.calibration, self.fitted.model.logits(matrix))


def backtest(
    log: AnyPath,
    problem: Problem,
    *,
    every_days: float = 7.0,
    split: float = 0.6,
    seed: int = 7,
    progress: Progress = no_progress,
    decisions: AnyPath | None = None,
) -> Backtest:
    """Train at the split and every `every_days` after it; each time score what was raised until the next.

    `decisions` is a file of the closer's, by which labels of held-out alerts are weighed.

    Raises:
        LogError: the log or the decisions can't be read.
        LabError: it can't be trained on or judged, the steps are too many, or the extra is not installed.
    """
    require_lab("the backtest needs", *FITTING, error=LabError)
    log, chances = Path(log), chances_of_file(decisions)
    replayed = weigh(replay(read_log(log, problem.outcome.grace_minutes * 60.0, progress), problem), chances)
    with about(log):
        return backtest_replayed(replayed, every_days=every_days, split=split, seed=seed, progress=progress)


def backtest_replayed(
    replayed: Replayed,
    *,
    every_days: float = 7.0,
    split: float = 0.6,
    seed: int = 7,
    progress: Progress = no_progress,
) -> Backtest:
    """The same on a replay."""
    check_log(replayed)
    first = split_at_share(replayed, split)
    starts = _starts(replayed, first, every_days)
    judged = judgeable(replayed, first)
    check_classes(replayed.outcome[judged], "test part")
    baselines = score_baselines(replayed)
    count = len(replayed.at)
    scores = {RETRAINED: np.full(count, np.nan), ONCE: np.full(count, np.nan)}
    threshold = np.full(count, np.nan)  # that held when the alert was raised
    once = _train(replayed, first, baselines, seed)
    steps = []
    for number, start in enumerate(starts):
        progress("training again", number / len(starts))
        end = starts[number + 1] if number + 1 < len(starts) else np.inf
        part = np.flatnonzero(judged & (replayed.at >= start) & (replayed.at < end))
        if not len(part):
            continue
        again = once if not number else _train(replayed, split_at_time(replayed, start), baselines, seed)
        scores[RETRAINED][part], scores[ONCE][part] = again.score(replayed, part), once.score(replayed, part)
        threshold[part] = again.fitted.fixed[MODEL]
        steps.append(_step(replayed, part, start, again.used, scores))
    progress("training again", 1.0)
    found = _result(replayed, first, every_days, judged, steps, {**scores, **baselines}, once.fitted.fixed, threshold)
    return replace(found, untested=len(starts) - len(steps))


def _starts(replayed: Replayed, first: Split, every_days: float) -> list[float]:
    if not every_days > 0.0:
        raise LabError(f"every={every_days:g} days: give a length above 0")
    steps = int((float(replayed.at.max()) - first.at) // (every_days * DAY_SECONDS)) + 1
    if steps > STEPS_MOST:
        raise LabError(
            f"every={every_days:g} days means {steps} trainings, at most {STEPS_MOST} are done", "take longer"
        )
    return [first.at + number * every_days * DAY_SECONDS for number in range(steps)]


def _train(replayed: Replayed, end: Split, baselines: Mapping[str, Array], seed: int) -> _Trained:
    usable = trainable(replayed, end)
    check_training(replayed.outcome[: end.alert][usable])
    window, learnt = make_window(replayed, end, usable)
    fitted = fit_window(window, baselines, seed, no_progress)
    return _Trained(learnt, fitted, list(window.features), int(np.count_nonzero(usable)))


def _step(replayed: Replayed, part: NDArray[np.int64], start: float, used: int, scores: dict[str, Array]) -> Step:
    y, w, detection = replayed.outcome[part], label_weights(replayed, part), replayed.problem.target.detection
    of = {name: figures(y, p[part], detection, 0.5, w) for name, p in scores.items()}
    return Step(
        start=moment(start),
        learnt_from=used,
        judged=len(part),
        label_rate=weighted_mean(y, w),
        auc={name: None if np.isnan(found.auc) else found.auc for name, found in of.items()},
        ece={name: found.ece for name, found in of.items()},
    )


def _result(
    replayed: Replayed,
    first: Split,
    every_days: float,
    judged: Mask,
    steps: list[Step],
    scores: Mapping[str, Array],
    fixed: Mapping[str, float],
    threshold: Array,
) -> Backtest:
    y, detection, w = replayed.outcome[judged], replayed.problem.target.detection, label_weights(replayed, judged)
    fixed = {**fixed, ONCE: fixed[MODEL], RETRAINED: float(threshold[judged][-1])}
    found = {name: figures(y, p[judged], detection, fixed[name], w) for name, p in scores.items()}
    kept = (scores[RETRAINED][judged] >= threshold[judged]).astype(np.float64)
    found[RETRAINED] = replace(
        found[RETRAINED],
        detection=detected_from(y, kept, 1.0, w),
        suppressed=suppressed_below(y, kept, 1.0, w),
    )
    return Backtest(
        problem=replayed.problem.id,
        question=replayed.problem.question,
        every_days=every_days,
        split_at=moment(first.at),
        judged=len(y),
        label_rate=weighted_mean(y, w),
        target_detection=detection,
        steps=steps,
        scores=found,
        weights=summarise_weights(replayed, judged) or UNSET,
    )
