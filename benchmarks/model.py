"""The one model that all contenders serve: 200 LightGBM trees, learnt by the lab's parts from the load's own log."""

import itertools
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks import load
from stream.core import features
from stream.core.events import decode_event, moment, seconds
from stream.core.frame import Matrix
from stream.core.problem import BASELINES, Problem
from stream.core.scoring import Thresholds
from stream.eventlog import Line
from stream.lab.export import OPSET, export
from stream.lab.learning import trees
from stream.lab.learning.params import Params
from stream.lab.matrix import training_matrix
from stream.lab.priors import choose_keys, learn
from stream.lab.reference import make_reference
from stream.lab.replaying import Replayed, replay
from stream.lab.split import Split, split_at_share, trainable
from stream.models.artifact import CARD, ONNX, REFERENCE
from stream.models.graph import Graph
from stream.models.manifest import Calibration, FeatureRef, Golden, Manifest, ProblemRef, Training
from stream.models.pointers import CHAMPION, Pointer
from stream.models.store import Store, write_artifact

TREES = 200
TRAINING_EVENTS = 40_000
_SPLIT, _GOLDEN_ROWS = 0.9, 16


def make_model(problem: Problem, root: Path) -> Path:
    """Train, export, write and promote the model in the store `root`; returns its folder."""
    replayed = replay(_lines(), problem)
    end = split_at_share(replayed, _SPLIT)
    learnt = learn(replayed, choose_keys(replayed.alerts[: end.alert]), end.step, end.alert)
    chosen = list(features.table(problem.history.labels, list(learnt.priors.tables)).values())
    matrix, usable = training_matrix(replayed, learnt, chosen), trainable(replayed, end)
    labels = replayed.outcome[: end.alert][usable]
    params = trees.params_for(len(labels), load.SEED)
    fitted = trees.fit(matrix[usable], labels, chosen, params, TREES, lambda _: None)
    onnx = export(fitted, Calibration(), matrix)
    graph = Graph(onnx, len(chosen), "the benchmark's model")
    rate = float(labels.mean())
    now = datetime.now(UTC)
    manifest = Manifest(
        version=f"{now:%Y-%m-%d}-{TREES:08x}",
        created=now,
        problem=ProblemRef(problem.name, problem.digest, problem.question, problem),
        labels=problem.history.labels,
        features=[FeatureRef(feature.name, feature.version) for feature in chosen],
        priors=learnt.priors,
        thresholds=Thresholds(),
        calibration=Calibration(),
        training=_training(replayed, end, params, int(usable.sum()), rate),
        golden=_golden(graph, matrix),
        opset=OPSET,
    )
    names = [feature.name for feature in chosen]
    reference = make_reference(matrix[usable], names, graph.run(matrix[usable]), rate)
    folder = write_artifact(root, manifest, {ONNX: onnx, REFERENCE: reference, CARD: b"# The benchmark's model\n"})
    Store(str(root)).point(CHAMPION, Pointer(manifest.version))
    return folder


def _lines() -> list[Line]:
    made = []
    for record in itertools.islice(load.events(TRAINING_EVENTS), TRAINING_EVENTS):
        event = decode_event(record.value)
        made.append(Line(event, seconds(event.at), record.value))
    return made


def _training(replayed: Replayed, end: Split, params: Params, used: int, rate: float) -> Training:
    return Training(
        command="python -m benchmarks",
        seed=load.SEED,
        split=_SPLIT,
        split_at=moment(end.at),
        first_raise=moment(float(replayed.at.min())),
        last_raise=moment(float(replayed.at[: end.alert].max())),
        events=replayed.events,
        used=used,
        purged=end.alert - used,
        excluded=0,
        label_rate=rate,
        rounds=TREES,
        params=params,
        fixed_thresholds={"model": 0.5, **dict.fromkeys(BASELINES, 0.5)},  # none is judged here
        simulated=True,
    )


def _golden(graph: Graph, matrix: Matrix) -> Golden:
    rows = matrix[np.linspace(0, len(matrix) - 1, _GOLDEN_ROWS).astype(int)]
    values = [[None if np.isnan(value) else float(value) for value in row] for row in rows]
    return Golden(values, graph.run(rows).tolist())
