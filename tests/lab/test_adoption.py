"""A model that was made elsewhere becomes a version like the lab's own, or is refused in one sentence."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from stream.core.errors import LabError
from stream.core.frame import Matrix
from stream.lab.adoption import adopt, read_model
from stream.lab.cli.adopt import read_names
from stream.lab.datasets import dataset
from stream.lab.graph_wrapper import wrap
from stream.models.artifact import CARD, FINDINGS, read_file, verify
from stream.models.graph import Graph
from stream.models.manifest import Calibration
from tests.lab.logs import small_log, small_problem, write
from tests.lab.own_models import Logistic

FLOAT, DOUBLE, INT = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64
WIDTH = 3
ROWS = np.random.default_rng(2).normal(size=(50, WIDTH)).astype(np.float32)
FITTED = Logistic().fit(ROWS, (ROWS[:, 0] > 0).astype(np.int8))


def model_of(
    nodes: list[Any], outputs: list[Any], width: int | None = WIDTH, opset: int = 17, kind: int = FLOAT, ml: int = 3
) -> bytes:
    """A graph of these nodes, with an input `X`."""
    slope = helper.make_tensor("slope", FLOAT, [WIDTH, 1], [1.0] * WIDTH)
    graph = helper.make_graph(
        nodes, "test", [helper.make_tensor_value_info("X", kind, [None, width])], outputs, [slope]
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", ml)]
    data: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    return data


def value(name: str, kind: int = FLOAT, shape: Any = (None, 1)) -> Any:
    """An output."""
    return helper.make_tensor_value_info(name, kind, list(shape))


SUM = [helper.make_node("MatMul", ["X", "slope"], ["sum"]), helper.make_node("Sigmoid", ["sum"], ["p"])]
FLAT = helper.make_node("Flatten", ["p"], ["flat"], axis=0)
NATIVE = 1.0 / (1.0 + np.exp(-ROWS.astype(np.float64).sum(axis=1)))


def run(inner: bytes, chosen: Calibration | None = None) -> Any:
    """What the wrapped graph gives for `ROWS`."""
    return Graph(wrap(inner, chosen or Calibration(), WIDTH, "m.onnx"), WIDTH, "test").run(ROWS)


def two_columns(last: str) -> list[Any]:
    """Nodes to [1 - p, p]."""
    one = helper.make_node("Constant", [], ["one"], value_float=1.0)
    parts = [helper.make_node("Sub", ["one", "p"], ["q"]), helper.make_node("Concat", ["q", "p"], [last], axis=1)]
    return [*SUM, one, *parts]


ZIPPED = helper.make_node("ZipMap", ["both"], ["maps"], domain="ai.onnx.ml", classlabels_int64s=[0, 1])
MAPS = helper.make_value_info(
    "maps", helper.make_sequence_type_proto(helper.make_map_type_proto(INT, helper.make_tensor_type_proto(FLOAT, [])))
)


@pytest.mark.parametrize(
    ("inner", "said"),
    [
        (model_of(SUM, [value("p")]), "one column"),
        (model_of([*SUM, helper.make_node("Squeeze", ["p"], ["flat"])], [value("flat", shape=(None,))]), "a vector"),
        (model_of(two_columns("both"), [value("both", shape=(None, 2))]), "two columns"),
        (model_of([*two_columns("both"), ZIPPED], [MAPS]), "a list of maps"),
        (model_of(SUM, [value("p")], width=None), "any width"),
    ],
)
def test_probabilities_come_as_converters_give_them(inner: bytes, said: str) -> None:
    """As one column, a vector, two columns or a list of maps: the same scores."""
    assert run(inner) == pytest.approx(NATIVE, abs=1e-6), said


@pytest.mark.parametrize(
    "chosen",
    [Calibration("platt", 0.7, -0.4), Calibration("isotonic", x=[-2.0, 0.0, 1.5], y=[0.1, 0.4, 0.8])],
)
def test_calibration_follows_inside_the_graph(chosen: Calibration) -> None:
    """The served scores are the calibrated ones of the log-odds."""
    from stream.lab.learning import calibration

    native = calibration.apply(chosen, np.log(NATIVE / (1.0 - NATIVE)))
    assert run(model_of(SUM, [value("p")]), chosen) == pytest.approx(native, abs=1e-5)


def test_a_label_beside_the_probabilities_is_left_out() -> None:
    """As scikit-learn's converter gives both."""
    expected = FITTED.predict_proba(ROWS)[:, 1]
    assert run(FITTED.to_onnx(ROWS)) == pytest.approx(expected, abs=1e-6)


def test_trees_as_catboost_writes_them_are_read() -> None:
    """Of an old format, with operators of ai.onnx.ml only and a list of maps: one split, two leaves."""
    nodes = [
        helper.make_node(
            "TreeEnsembleClassifier",
            ["X"],
            ["label", "both"],
            domain="ai.onnx.ml",
            nodes_treeids=[0, 0, 0], nodes_nodeids=[0, 1, 2], nodes_featureids=[1, 0, 0], nodes_values=[0.5, 0.0, 0.0],
            nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"], nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[2, 0, 0],
            class_treeids=[0, 0], class_nodeids=[1, 2], class_ids=[1, 1], class_weights=[-1.0, 2.0],
            classlabels_int64s=[0, 1], post_transform="LOGISTIC",
        ),
        ZIPPED,
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes, "trees", [helper.make_tensor_value_info("X", FLOAT, ["N", WIDTH])], [value("label", INT, ("N",)), MAPS]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("ai.onnx.ml", 2)], ir_version=3)
    expected = 1.0 / (1.0 + np.exp(np.where(ROWS[:, 1] <= 0.5, 1.0, -2.0)))
    assert run(model.SerializeToString()) == pytest.approx(expected, abs=1e-6)


STRANGE = helper.make_node("Gelu", ["X"], ["p"], domain="com.microsoft")


@pytest.mark.parametrize(
    ("inner", "said"),
    [
        (b"no model", "is no ONNX model"),
        (b"", "is no ONNX model"),
        (
            model_of(SUM, [value("p")], width=7),
            r"must take one float32 \[N, 3\], one column a feature, but takes X \[N, 7\]",
        ),
        (model_of(SUM, [value("p")], kind=DOUBLE), "must take one float32"),
        (model_of(SUM, [value("p")], opset=11), "is of opset 11; export it with an opset from 13 to 21"),
        (model_of([STRANGE], [value("p")]), "has operators of 'com.microsoft'"),
        (model_of(SUM, [value("p"), value("sum")]), "must have one output of probabilities"),
        (model_of(SUM, [value("p", INT)]), "must have one output of probabilities"),
        (model_of(SUM, [value("p", shape=(None, 3))]), "must have one output of probabilities"),
    ],
)
def test_what_can_not_be_served_is_told(inner: bytes, said: str) -> None:
    """Bytes that are no model, another width or type, old operators and those of one runtime, outputs in doubt."""
    with pytest.raises(LabError, match=said):
        wrap(inner, Calibration(), WIDTH, "m.onnx")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Model and list of features alike; an empty list is no list."""
    with pytest.raises(LabError, match=r"none\.onnx: can't be read: No such file"):
        read_model(tmp_path / "none.onnx")
    with pytest.raises(LabError, match=r"none\.txt: can't be read"):
        read_names(tmp_path / "none.txt")
    names = tmp_path / "names.txt"
    names.write_text("# the model's columns\n\n")
    with pytest.raises(LabError, match="names no feature; write one name a line"):
        read_names(names)
    names.write_text("# the model's columns\nteam.rate_30d\n hour_sin \n")
    assert read_names(names) == ("team.rate_30d", "hour_sin")


@pytest.mark.slow
def test_a_model_of_a_dataset_is_adopted(tmp_path: Path) -> None:
    """Learnt from the part `train` elsewhere: calibrated, judged, written, with its origin in the report."""
    log, problem = write(tmp_path / "log.jsonl", small_log()), small_problem()
    names = ("team_rule.shrunk", "team_rule.rate_7d", "team.rate_7d", "prior.rule", "team_rule.last_1")
    learning = dataset(str(log), problem, features=names).part("train")
    path = tmp_path / "mine.onnx"
    path.write_bytes(Logistic().fit(learning.X, learning.y).to_onnx(learning.X))
    from stream.lab.learning.plan import Plan

    folder = adopt(str(path), str(log), problem, str(tmp_path / "models"), plan=Plan(features=names))
    manifest = verify(folder)
    assert [feature.name for feature in manifest.features] == list(names)
    assert manifest.metrics is not None
    assert manifest.metrics.model.auc > 0.7
    assert manifest.training.params["adopted"] == "mine.onnx"
    assert manifest.training.canaries
    assert manifest.training.folds == []
    assert b"whether it had seen alerts of the test part" in read_file(folder, FINDINGS)
    assert "`mine.onnx` on 5 features" in read_file(folder, CARD).decode()
    with pytest.raises(LabError, match=r"log\.jsonl: .*mine\.onnx: must take one float32 \[N, "):
        adopt(path, log, problem, tmp_path / "models")
    with pytest.raises(LabError, match=r"there is no feature 'prior.rul'; 'prior.rule' is near"):
        adopt(path, log, problem, tmp_path / "models", plan=Plan(features=("prior.rul",)))


def test_rows_without_history_have_a_score() -> None:
    """NaN in a row is the model's own matter; here it is the mean."""
    rows: Matrix = np.full((1, WIDTH), np.nan, dtype=np.float32)
    graph = Graph(wrap(FITTED.to_onnx(ROWS), Calibration(), WIDTH, "m"), WIDTH, "test")
    assert graph.run(rows) == pytest.approx(FITTED.predict_proba(rows)[:, 1], abs=1e-6)
