"""The ONNX graph scores as LightGBM does: on any rows, at split thresholds, and where values are missing."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stream.core.errors import LabError
from stream.core.features import Feature
from stream.core.frame import Matrix
from stream.lab.export import TOLERANCE, check_parity, edge_rows, export
from stream.lab.learning import calibration, trees
from stream.models.graph import Graph
from stream.models.manifest import Calibration

WIDTH = 5
FEATURES = [
    Feature(f"f{column}", "history", "ratio", "", lambda frame: frame.at, monotone=column % 2)
    for column in range(WIDTH)
]
PLATT = Calibration("platt", 1.3, -0.4)
values = st.floats(width=32, allow_infinity=False, allow_nan=True) | st.sampled_from([0.0, -0.0, 1e-35, -1e-35, 0.5])


@cache
def made(with_missing: bool) -> tuple[trees.Trees, Matrix]:
    """Trees on rows of which some values, or none, are missing; one column is constant, one mostly zero."""
    rng = np.random.default_rng(5)
    matrix = rng.normal(size=(2_000, WIDTH)).astype(np.float32)
    matrix[:, 3] = 1.0
    matrix[rng.random(2_000) < 0.7, 2] = 0.0
    logits = matrix[:, 0] + 0.5 * matrix[:, 1] ** 2 - 1.0 + matrix[:, 2]
    labels = (rng.random(2_000) < 1 / (1 + np.exp(-logits))).astype(np.int8)
    if with_missing:
        matrix[rng.random(matrix.shape) < 0.2] = np.nan
    params = trees.params_for(len(labels), 1)
    return trees.fit(matrix, labels, FEATURES, params, 80, lambda share: None), matrix


@cache
def graph_of(missing: bool) -> Graph:
    """The graph of those trees."""
    return Graph(export(made(missing)[0], PLATT, made(missing)[1]), WIDTH, "test")


@pytest.mark.parametrize("missing", [False, True])
def test_rows_at_thresholds_score_the_same(missing: bool) -> None:
    """The gate passes, and its rows do lie on the thresholds."""
    fitted, matrix = made(missing)
    assert check_parity(fitted, PLATT, graph_of(missing).run, matrix) < TOLERANCE
    assert len(edge_rows(fitted, matrix)) > 100


@given(st.booleans(), arrays(np.float32, st.tuples(st.integers(1, 8), st.just(WIDTH)), elements=values))
@settings(deadline=None)
def test_any_rows_score_the_same(missing: bool, matrix: Matrix) -> None:
    """Zeros of either sign, tiny and huge values, NaN in columns that had none in training."""
    native = calibration.apply(PLATT, made(missing)[0].logits(matrix))
    np.testing.assert_allclose(graph_of(missing).run(matrix), native, atol=TOLERANCE, rtol=0)


def test_a_higher_rate_never_lowers_the_score() -> None:
    """Features marked monotone are: raise one, all else equal."""
    _, matrix = made(False)
    higher = matrix.copy()
    higher[:, 1] += np.float32(0.7)
    assert (graph_of(False).run(higher) >= graph_of(False).run(matrix) - 1e-7).all()


def test_a_graph_that_scores_otherwise_fails_the_gate() -> None:
    """Another calibration than exported is a difference, and told."""
    fitted, matrix = made(True)
    with pytest.raises(LabError, match="disagree by"):
        check_parity(fitted, Calibration(), graph_of(True).run, matrix)


def test_platt_finds_what_was_done_to_the_logits() -> None:
    """Labels drawn from sigmoid(0.6 z + 0.5): fitted so, and chosen; labels drawn from sigmoid(z): none is needed."""
    rng = np.random.default_rng(2)
    logits = rng.normal(size=20_000) * 2
    drawn = rng.random(20_000)
    off = (drawn < 1 / (1 + np.exp(-(0.6 * logits + 0.5)))).astype(np.int8)
    right = (drawn < 1 / (1 + np.exp(-logits))).astype(np.int8)
    found = calibration.choose(off, logits)
    assert found.kind == "platt"
    assert [found.a, found.b] == pytest.approx([0.6, 0.5], abs=0.05)
    assert calibration.choose(right, logits) == Calibration()


def test_platt_survives_labels_that_are_all_separable() -> None:
    """Perfectly separated or one-class labels end, with finite numbers."""
    logits = np.linspace(-3, 3, 200)
    for labels in (logits > 0, logits > 9, logits < 9, logits < 0):
        found = calibration.fit_platt(labels.astype(np.int8), logits)
        assert np.isfinite([found.a, found.b]).all()


STEPS = Calibration("isotonic", x=[-3.0, -1.2, -1.0, 0.4, 0.9, 4.0], y=[0.02, 0.1, 0.5, 0.6, 0.6, 0.97])


@pytest.mark.parametrize("missing", [False, True])
def test_an_isotonic_calibration_scores_the_same(missing: bool) -> None:
    """The sum of ramps is the map: the gate passes on any rows, and on logits beyond both ends."""
    fitted, matrix = made(missing)
    graph = Graph(export(fitted, STEPS, matrix), WIDTH, "test")
    assert check_parity(fitted, STEPS, graph.run, matrix) < TOLERANCE
    scores = graph.run(matrix)
    assert scores.min() >= 0.02 - 1e-6
    assert scores.max() <= 0.97 + 1e-6
    found = calibration.fit_isotonic((scores > 0.5).astype(np.int8), fitted.logits(matrix))
    assert found.kind == "isotonic"
    graph = Graph(export(fitted, found, matrix), WIDTH, "test")
    assert check_parity(fitted, found, graph.run, matrix) < TOLERANCE
