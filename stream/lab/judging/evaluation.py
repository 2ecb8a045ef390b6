"""The evaluation of a stored model, as it would be served, on a log's alerts after the model's split."""

from datetime import datetime
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from stream.core.events import moment, seconds
from stream.core.frame import Array
from stream.eventlog import read_log
from stream.files import AnyPath
from stream.lab.judging.baselines import score_baselines
from stream.lab.judging.metrics import model_metrics
from stream.lab.log_checks import about
from stream.lab.matrix import predict, served_matrix
from stream.lab.replaying import Replayed, replay
from stream.lab.sources.decisions import chances_of_file
from stream.lab.split import judgeable, split_at_time
from stream.lab.weights import weigh
from stream.models.artifact import verify
from stream.models.manifest import Metrics
from stream.models.model import Model, load_model
from stream.models.store import find
from stream.progress import Progress, no_progress


class Evaluation(Struct, frozen=True):
    """What was evaluated, and the figures.

    `young` alerts after the split had their horizon not yet passed when the log ended, `excluded` ones are
    visibility-only or in a flood; neither is judged.
    """

    model: str
    problem: str
    question: str
    split_at: datetime
    simulated: bool
    young: int
    excluded: int
    metrics: Metrics


def evaluate(
    log: AnyPath, model_dir: AnyPath, progress: Progress = no_progress, decisions: AnyPath | None = None
) -> Evaluation:
    """The evaluation of a model on the alerts of a log that were raised at its split or later.

    `model_dir` is an artifact, or a store of them: then its champion is meant, else the newest version. The problem is
    the one in the manifest. `decisions` is a file of the closer's, by which labels of held-out alerts are weighed.

    Raises:
        ModelError: there is no sound model there.
        LogError: the log or the decisions can't be read.
        LabError: nothing in the log can be judged.
    """
    log = Path(log)
    folder = find(Path(model_dir))
    problem = verify(folder).problem.definition
    model = load_model(folder, problem)
    chances = chances_of_file(decisions)
    replayed = weigh(replay(read_log(log, problem.outcome.grace_minutes * 60.0, progress), problem), chances)
    progress("comparing scores with outcomes", 0.0)
    with about(log):
        evaluation = evaluate_replayed(replayed, model)
    progress("comparing scores with outcomes", 1.0)
    return evaluation


def evaluate_replayed(replayed: Replayed, model: Model) -> Evaluation:
    """The evaluation on a replay that is done already."""
    split = split_at_time(replayed, seconds(model.manifest.training.split_at))
    places = np.flatnonzero(judgeable(replayed, split))
    scores = predict(model, served_matrix(replayed, model, places))
    return evaluate_scores(replayed, model, places, scores, split.at)


def evaluate_scores(
    replayed: Replayed, model: Model, places: NDArray[np.int64], scores: Array, split_at: float
) -> Evaluation:
    """The evaluation of scores, float64[J], of the alerts at `places`, int64[J], which are judged after `split_at`."""
    manifest, after = model.manifest, replayed.at >= split_at
    mask = np.zeros(len(replayed.at), dtype=np.bool_)
    mask[places] = True
    return Evaluation(
        model=model.version,
        problem=replayed.problem.id,
        question=manifest.problem.question,
        split_at=moment(split_at),
        simulated=manifest.training.simulated
        or any(alert.labels.get("simulated") == "true" for alert in replayed.alerts),
        young=int(np.count_nonzero(after & replayed.counts & ~replayed.mature)),
        excluded=int(np.count_nonzero(after & ~replayed.counts)),
        metrics=model_metrics(replayed, mask, scores, score_baselines(replayed), manifest.training.fixed_thresholds),
    )
