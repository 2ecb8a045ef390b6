"""A loaded model: turns the fold's rows into features and probabilities."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stream.core import features
from stream.core.errors import ModelMismatch
from stream.core.events import Raised
from stream.core.features import Feature
from stream.core.frame import Array, Decayed, Frame, Inputs, Matrix, level_index, logit
from stream.core.occlusion import Occlusion
from stream.core.problem import Problem
from stream.files import AnyPath
from stream.models.added_features import added_features, try_features
from stream.models.artifact import TRIAL_SECONDS, golden_matrix, load_artifact
from stream.models.graph import Graph, Stop
from stream.models.manifest import Manifest
from stream.models.reference import Watched, medians, read_reference

_WARM_UP_ROWS = 1_000


class Model:
    """One version, loaded. `version`, `manifest` and `thresholds` are what records and bands need.

    Of its `reference` only what can be used is there; `table` are its features, one a column. `occlusion` finds what
    pushed a score.

    Raises:
        ModelMismatch: this code has not all the features that the manifest names, in their versions.
    """

    def __init__(self, manifest: Manifest, graph: Graph, reference: bytes = b"") -> None:
        self.manifest = manifest
        self.version = manifest.version
        self.thresholds = manifest.thresholds
        self.simulated = manifest.training.simulated
        self._graph = graph
        self._labels = tuple(manifest.labels)
        self.table = self._choose()
        names = [feature.name for feature in self.table]
        self.reference: Watched = read_reference(reference, names)
        self.occlusion = Occlusion(names, medians(self.reference.spreads), manifest.priors.global_rate)
        self._levels = level_index(self._labels)

    def _choose(self) -> list[Feature]:
        """The features that the manifest names, of core's table and of installed packages."""
        manifest, added = self.manifest, added_features()
        known = features.table(self._labels, list(manifest.priors.tables), added.features)
        try:
            chosen = features.choose([(ref.name, ref.version) for ref in manifest.features], known)
        except ModelMismatch as error:
            raise ModelMismatch(error.problem, added.faults[0] if added.faults else error.mend) from None
        names = {feature.name for feature in added.features}
        try_features([feature for feature in chosen if feature.name in names], self._labels, manifest.priors.tables)
        return chosen

    def features(self, rows: Array, alerts: Sequence[Raised]) -> Matrix:
        """The model's input, float32[N, F], for alerts whose `Fold.rows` are float64[N, 1 + 19 L]."""
        return self.inputs(rows, alerts).matrix

    def inputs(self, rows: Array | Decayed, alerts: Sequence[Raised]) -> Inputs:
        """What the model reads; of `Decayed` rows, where several models score the same alerts."""
        decayed = rows if isinstance(rows, Decayed) else Decayed(rows)
        shape = len(decayed.at), decayed.levels.shape[1]
        if shape != (len(alerts), len(self._levels)):
            raise ValueError(f"rows are of (alerts, levels) = {shape}, not {(len(alerts), len(self._levels))}")
        if not alerts:
            return Inputs(np.empty((0, len(self.table)), dtype=np.float32), {})
        priors = self.manifest.priors
        encoded, known = priors.encode_known(alerts)
        frame = Frame(decayed, encoded, priors.global_rate, self._labels)
        rule = encoded.get("rule")
        shift = None if rule is None else logit(rule) - logit(priors.global_rate)
        return Inputs(features.compute(frame, self.table), known, shift)

    def predict(self, matrix: Matrix, stop: Stop | None = None) -> Array:
        """Probabilities, float64[N], of float32[N, F]; `stop` ends the run from another thread.

        Raises:
            ModelError: the graph failed or gave something that is not a probability.
        """
        if not len(matrix):
            return np.empty(0)
        return self._graph.run(matrix, stop)

    def warm_up(self) -> None:
        """Score once a single row and once many, so that the first alerts don't pay for allocations."""
        golden = golden_matrix(self.manifest)
        for matrix in (golden[:1], np.resize(golden, (_WARM_UP_ROWS, golden.shape[1]))):
            self._graph.run_within(matrix, TRIAL_SECONDS)


def load_model(folder: AnyPath, problem: Problem, trusted: bytes | None = None) -> Model:
    """Verify, check against the problem, warm up; `trusted` as `load_artifact`.

    Raises:
        ModelError: the artifact is corrupt, truncated or unsafe.
        ModelMismatch: it answers another problem, or needs what this code does not have.
    """
    folder = Path(folder)
    artifact = load_artifact(folder, trusted)
    theirs = artifact.manifest.problem
    if theirs.digest != problem.digest:
        raise ModelMismatch(
            f"{folder}: was made for the problem {theirs.name}@{theirs.digest}, this is {problem.id}",
            "train it again with this problem file",
        )
    if artifact.manifest.labels != problem.history.labels:
        raise ModelMismatch(f"{folder}: was made with the history labels {artifact.manifest.labels}")
    try:
        model = Model(artifact.manifest, artifact.graph, artifact.reference)
    except ModelMismatch as error:
        raise ModelMismatch(f"{folder}: {error.problem}", error.mend) from None
    model.warm_up()
    return model
