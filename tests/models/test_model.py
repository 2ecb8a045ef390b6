"""A loaded model scores as it was made to, and is only loaded for its own problem and features."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stream.core.errors import ModelError, ModelMismatch
from stream.core.scoring import Thresholds
from stream.lab.replaying import Replayed, replay
from stream.models.artifact import golden_matrix, verify
from stream.models.graph import Graph
from stream.models.model import Model, load_model
from tests.lab.logs import lines, small_log, small_problem
from tests.models.damage import Content, constant_graph, edit_manifest


@pytest.fixture(scope="module")
def replayed() -> Replayed:
    """The log that the model was made from."""
    return replay(lines(small_log()), small_problem())


def test_scores_do_not_depend_on_batches(trained: Path, replayed: Replayed) -> None:
    """One by one, in pieces or all at once: the same probabilities, float64[N] between 0 and 1."""
    model = load_model(trained, small_problem())
    rows, alerts = np.asarray(replayed.rows), replayed.alerts
    whole = model.predict(model.features(rows, alerts))
    assert whole.dtype == np.float64
    assert whole.shape == (len(alerts),)
    assert 0.0 <= whole.min() < whole.max() <= 1.0
    pieces = [
        model.predict(model.features(rows[start : start + 7], alerts[start : start + 7])) for start in range(0, 210, 7)
    ]
    np.testing.assert_array_equal(np.concatenate(pieces), whole[:210])
    np.testing.assert_array_equal(model.predict(model.features(rows[:1], alerts[:1])), whole[:1])
    assert len(model.predict(model.features(rows[:0], []))) == 0


def test_what_records_need_is_there(trained: Path) -> None:
    """Version and thresholds are those of the manifest."""
    model = load_model(trained, small_problem())
    assert model.version == trained.name == model.manifest.version
    assert isinstance(model.thresholds, Thresholds)
    assert 0.0 < model.thresholds.likely_noise <= 0.5 <= model.thresholds.likely_actionable


def test_rows_of_another_problem_are_a_mistake_of_the_caller(trained: Path, replayed: Replayed) -> None:
    """Rows with another number of levels, or of alerts, don't pass in silence."""
    model = load_model(trained, small_problem())
    with pytest.raises(ValueError, match="rows are"):
        model.predict(model.features(np.asarray(replayed.rows)[:2, :-1], replayed.alerts[:2]))
    with pytest.raises(ValueError, match="rows are"):
        model.predict(model.features(np.asarray(replayed.rows)[:2], replayed.alerts[:3]))


def test_another_problem_is_a_mismatch(trained: Path) -> None:
    """A model of a problem with another horizon, so with another history, is not loaded."""
    with pytest.raises(ModelMismatch, match=f"^{trained}: was made for the problem small@"):
        load_model(trained, small_problem(horizon_hours="2"))
    load_model(trained, small_problem())


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda content: content["features"][0].update(name="team.mood"), "needs the feature 'team.mood'"),
        (lambda content: content["features"][0].update(version=2), "in version 2, this code has 1"),
        (lambda content: content["problem"].update(digest="00000000"), "was made for the problem small@00000000"),
        (lambda content: content["labels"].append("zone"), "history labels"),
        (lambda content: content["priors"]["tables"].pop("rule"), "needs the feature"),
    ],
)
def test_what_this_code_lacks_is_a_mismatch(artifact: Path, edit: Callable[[Content], object], told: str) -> None:
    """An unknown feature, another version of one, another problem: told in one sentence that names the folder."""
    edit_manifest(artifact, edit)
    with pytest.raises(ModelMismatch) as caught:
        load_model(artifact, small_problem())
    assert told in str(caught.value)
    assert str(caught.value).startswith(f"{artifact}: ")


def test_a_graph_that_fails_in_service_is_a_model_error(trained: Path, replayed: Replayed) -> None:
    """NaN out of the graph, or a matrix it can't read, raises ModelError and nothing else."""
    manifest = verify(trained)
    bad = Model(manifest, Graph(constant_graph(len(manifest.features), float("nan")), len(manifest.features), "bad"))
    with pytest.raises(ModelError, match=r"^bad: .* not a probability"):
        bad.predict(bad.features(np.asarray(replayed.rows)[:3], replayed.alerts[:3]))
    with pytest.raises(ModelError, match=r"model\.onnx failed"):
        bad.predict(golden_matrix(manifest)[:, :-1])


def test_alerts_and_values_never_seen_are_scored(trained: Path, replayed: Replayed) -> None:
    """A rule, entity and label that training did not know have the global rate, not an error."""
    model = load_model(trained, small_problem())
    raised = replayed.alerts[0]
    strange = type(raised)(raised.at, "x", "new", "new", "new", None, None, None, {"env": "moon", "other": "x"})
    assert np.isfinite(model.predict(model.features(np.asarray(replayed.rows)[:1], [strange]))).all()


@pytest.mark.slow
def test_scoring_sends_and_keeps_nothing_about_this_machine(tmp_path: Path) -> None:
    """onnxruntime's telemetry, on by default since 1.29, is off before it begins: no identifier, no cache."""
    code = "import stream.models.graph, os, sys; sys.exit(os.environ['ORT_DISABLE_TELEMETRY'] != '1')"
    environment = {**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run([sys.executable, "-B", "-c", code], env=environment, check=True, timeout=180)
    assert list(tmp_path.rglob("*")) == []
