"""Several stored models on the same alerts of one log: the figures of each, and paired differences with intervals."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from stream.core.errors import LabError
from stream.core.events import seconds
from stream.core.frame import Array, Labels
from stream.eventlog import read_log
from stream.files import AnyPath
from stream.lab.judging.bootstrap import BootstrapFigures, days_of, draw
from stream.lab.judging.evaluation import Evaluation, evaluate_scores
from stream.lab.judging.metrics import MODEL, check_classes
from stream.lab.judging.report_schema import Interval
from stream.lab.log_checks import about
from stream.lab.matrix import predict, served_matrix
from stream.lab.replaying import Replayed, replay
from stream.lab.sources.decisions import chances_of_file
from stream.lab.split import judgeable, split_at_time
from stream.lab.weights import label_weights, weigh
from stream.models.artifact import verify
from stream.models.model import Model, load_model
from stream.models.store import find
from stream.progress import Progress, no_progress

SEED = 7
FIGURES = ("auc", "brier", "log_loss", "ece", "suppressed_target", "detection_fixed", "suppressed_fixed")


class Difference(Struct, frozen=True, kw_only=True):
    """By how much a model's figures lie above another's on the same alerts, with 95 % intervals by day.

    Attributes:
        model, over: the versions.
        figures: model - over, by name of the figure.
        episodes: the same on the first alert of each episode; None where these are of one class only.
    """

    model: str
    over: str
    figures: dict[str, Interval]
    episodes: dict[str, Interval] | None


class ModelComparison(Struct, frozen=True, kw_only=True):
    """Models in the order in which they were named, on alerts raised after all of them were split.

    Attributes:
        evaluations: each as if it had been evaluated alone on these alerts.
        differences: each model but the first, over the first.
        days: on how many days the alerts were raised; with fewer than ten there are no intervals.
        first_alerts: how many of the alerts are the first of their episode.
    """

    evaluations: list[Evaluation]
    differences: list[Difference]
    days: int
    first_alerts: int


class JudgedScores(Struct, frozen=True, eq=False):
    """One model's scores of the judged alerts: float64[J], of the features it reads, float32[J, F]."""

    model: Model
    scores: Array
    matrix: NDArray[np.float32]


class Scored(Struct, frozen=True, eq=False):
    """The alerts of a log that are judged, by their places, int64[J], and what each model says of them."""

    replayed: Replayed
    places: NDArray[np.int64]
    split_at: float
    models: list[JudgedScores]


def score_models(
    log: AnyPath, folders: Sequence[AnyPath], progress: Progress = no_progress, decisions: AnyPath | None = None
) -> Scored:
    """The scores of models on the alerts of a log that were raised after the latest of their splits.

    Each of `folders` is an artifact, or a store of them: then its champion is meant, else the newest version.
    `decisions` is a file of the closer's, by which labels of held-out alerts are weighed.

    Raises:
        ModelError: there is no sound model.
        LogError: the log or the decisions can't be read.
        LabError: they answer different problems, one is named twice, or nothing can be judged.
    """
    path, models, chances = Path(log), load_models(folders), chances_of_file(decisions)
    problem = models[0].manifest.problem.definition
    replayed = weigh(replay(read_log(path, problem.outcome.grace_minutes * 60.0, progress), problem), chances)
    progress("comparing scores with outcomes", 0.0)
    with about(path):
        scored = score_replayed(replayed, models)
    progress("comparing scores with outcomes", 1.0)
    return scored


def load_models(folders: Sequence[AnyPath]) -> list[Model]:
    """The models, held to answering one problem.

    Raises:
        ModelError: there is no sound model.
        LabError: they answer different problems, or one is named twice.
    """
    found = [find(Path(folder)) for folder in folders]
    problem = verify(found[0]).problem
    for folder in found[1:]:
        other = verify(folder).problem
        if other.digest != problem.digest:
            raise LabError(
                f"{folder.name} answers {other.name}@{other.digest}, and {found[0].name} "
                f"{problem.name}@{problem.digest}",
                "evaluate them apart, each on its own problem",
            )
    models = [load_model(folder, problem.definition) for folder in found]
    versions = [model.version for model in models]
    if len(set(versions)) < len(versions):
        twice = next(version for version in versions if versions.count(version) > 1)
        raise LabError(f"{twice} is named twice", "name each version once")
    return models


def score_replayed(replayed: Replayed, models: Sequence[Model]) -> Scored:
    """The same on a replay that is done already."""
    split_at = max(seconds(model.manifest.training.split_at) for model in models)
    places = np.flatnonzero(judgeable(replayed, split_at_time(replayed, split_at)))
    check_classes(replayed.outcome[places], "test part")
    judged = []
    for model in models:
        matrix = served_matrix(replayed, model, places)
        judged.append(JudgedScores(model, predict(model, matrix), matrix))
    return Scored(replayed, places, split_at, judged)


def compare_models(scored: Scored, seed: int = SEED) -> ModelComparison:
    """The figures of each model, and what the others are over the first."""
    replayed, places = scored.replayed, scored.places
    y, at = replayed.outcome[places], replayed.at[places]
    first = np.sort(np.unique(replayed.episode[places], return_index=True)[1])
    alone = len(np.unique(y[first])) < 2
    several = scored.models if len(scored.models) > 1 else []  # one alone has nothing to be compared with
    drawn = [_drawn(scored, judged, y, at, seed) for judged in several]
    of_first = [] if alone else [_drawn(scored, judged, y, at, seed, first) for judged in several]
    versions = [judged.model.version for judged in scored.models]
    differences = [
        Difference(
            model=version,
            over=versions[0],
            figures=_gains(drawn[number], drawn[0]),
            episodes=None if alone else _gains(of_first[number], of_first[0]),
        )
        for number, version in enumerate(versions)
        if number
    ]
    return ModelComparison(
        evaluations=[
            evaluate_scores(replayed, one.model, places, one.scores, scored.split_at) for one in scored.models
        ],
        differences=differences,
        days=len(np.unique(np.floor(at / 86_400.0))),
        first_alerts=len(first),
    )


def _drawn(
    scored: Scored, judged: JudgedScores, y: Labels, at: Array, seed: int, rows: NDArray[np.int64] | None = None
) -> BootstrapFigures:
    """One model's figures with draws; the seed makes the draws of all models the same."""
    chosen = np.arange(len(y)) if rows is None else rows
    detection = scored.replayed.problem.target.detection
    threshold = judged.model.manifest.training.fixed_thresholds[MODEL]
    days = days_of(at[chosen], seed, weights=label_weights(scored.replayed, scored.places[chosen]))
    return draw(y[chosen], judged.scores[chosen], days, detection, threshold)


def _gains(model: BootstrapFigures, over: BootstrapFigures) -> dict[str, Interval]:
    return {name: model.gain(over, name) for name in FIGURES}
