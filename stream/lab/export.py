"""A fitted model to ONNX, and the gate that holds the two to the same scores. The only module that imports onnx.

The graph: float32[N, F] -> TreeEnsembleRegressor -> a * logit + b -> sigmoid -> float32[N]. Where calibration is
isotonic, a sum of ramps stands in place of the sigmoid, one a line of the map. Thresholds are rounded down to float32:
for a float32 value x, x <= t is the same as x <= the largest float32 that is not above t.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from stream.core.errors import LabError
from stream.core.frame import Array, Matrix
from stream.extras import import_extra
from stream.lab.learning import calibration
from stream.lab.learning.estimators import EstimatorModel, FittedModel
from stream.lab.learning.trees import Trees
from stream.models.manifest import Calibration

OPSET = {"ai.onnx": 17, "ai.onnx.ml": 3}
IR_VERSION = 8
TOLERANCE = 1e-5
_BRANCH, _LEAF = "BRANCH_LEQ", "LEAF"
_NODE_ATTRIBUTES = (
    "treeids",
    "nodeids",
    "modes",
    "featureids",
    "values",
    "truenodeids",
    "falsenodeids",
    "missing_value_tracks_true",
)
_EDGE_ROWS = 20_000
_SCALER_MEND = "if a scaler stands before trees, leave it out: ONNX rounds otherwise, and trees need none"
_ZERO = np.float32(1e-35)  # LightGBM's kZeroThreshold


def export(model: FittedModel, chosen: Calibration, matrix: Matrix) -> bytes:
    """The model as ONNX bytes; `matrix` are rows of what it reads, float32[N, F].

    Raises:
        LabError: a library is not installed, or the model holds something that can't be exported.
    """
    if isinstance(model, EstimatorModel):
        from stream.lab.graph_wrapper import wrap

        return wrap(model.to_onnx(matrix), chosen, matrix.shape[1], model.name)
    assert isinstance(model, Trees), "the lab learns trees or an estimator"
    return _export_trees(model, chosen, matrix.shape[1])


def opset_of(onnx_bytes: bytes) -> dict[str, int]:
    """The versions of the operators that a model is made of, by domain."""
    made = import_onnx().load_model_from_string(onnx_bytes)
    return {one.domain or "ai.onnx": one.version for one in made.opset_import}


def calibrating_nodes(onnx: Any, chosen: Calibration) -> tuple[list[Any], list[Any]]:
    """Nodes and constants from `logits` to `probability`; they use the constant `flat`."""
    return (_ramps if chosen.kind == "isotonic" else _sigmoid)(onnx, chosen)


def _export_trees(trees: Trees, chosen: Calibration, width: int) -> bytes:
    onnx = import_onnx()
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    calibrating, constants = calibrating_nodes(onnx, chosen)
    constants.append(helper.make_tensor("flat", onnx.TensorProto.INT64, [1], [-1]))
    nodes = [
        helper.make_node(
            "TreeEnsembleRegressor", ["features"], ["sums"], domain="ai.onnx.ml", **_attributes(trees.dump())
        ),
        helper.make_node("Reshape", ["sums", "flat"], ["logits"]),
        *calibrating,
    ]
    graph = helper.make_graph(
        nodes,
        "noisegate",
        [helper.make_tensor_value_info("features", floats, ["N", width])],
        [helper.make_tensor_value_info("probability", floats, ["N"])],
        constants,
    )
    opsets = [helper.make_opsetid("" if name == "ai.onnx" else name, version) for name, version in OPSET.items()]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="noisegate")
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _sigmoid(onnx: Any, chosen: Calibration) -> tuple[list[Any], list[Any]]:
    """Nodes and constants of sigmoid(a * logit + b)."""
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("Mul", ["logits", "a"], ["scaled"]),
        helper.make_node("Add", ["scaled", "b"], ["calibrated"]),
        helper.make_node("Sigmoid", ["calibrated"], ["probability"]),
    ]
    return nodes, [
        helper.make_tensor("a", floats, [1], [chosen.a]),
        helper.make_tensor("b", floats, [1], [chosen.b]),
    ]


def _ramps(onnx: Any, chosen: Calibration) -> tuple[list[Any], list[Any]]:
    """Nodes and constants of y0 + sum of dy * clip((logit - x) / dx, 0, 1): no two large numbers cancel."""
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    x, y = np.array(chosen.x), np.array(chosen.y)
    lines = len(x) - 1
    nodes = [
        helper.make_node("Reshape", ["logits", "column"], ["upright"]),
        helper.make_node("Sub", ["upright", "starts"], ["beyond"]),
        helper.make_node("Div", ["beyond", "widths"], ["shares"]),
        helper.make_node("Clip", ["shares", "zero", "one"], ["ramps"]),
        helper.make_node("MatMul", ["ramps", "heights"], ["risen"]),
        helper.make_node("Add", ["risen", "lowest"], ["mapped"]),
        helper.make_node("Reshape", ["mapped", "flat"], ["probability"]),
    ]
    return nodes, [
        helper.make_tensor("column", onnx.TensorProto.INT64, [2], [-1, 1]),
        helper.make_tensor("starts", floats, [1, lines], x[:-1].tolist()),
        helper.make_tensor("widths", floats, [1, lines], np.diff(x).tolist()),
        helper.make_tensor("heights", floats, [lines, 1], np.diff(y).tolist()),
        helper.make_tensor("lowest", floats, [1], [float(y[0])]),
        helper.make_tensor("zero", floats, [], [0.0]),
        helper.make_tensor("one", floats, [], [1.0]),
    ]


def check_parity(model: FittedModel, chosen: Calibration, run: Callable[[Matrix], Array], matrix: Matrix) -> float:
    """The largest difference between a model and its ONNX export, over the matrix and over rows at its edges.

    Edges are every split's threshold of trees, and each feature's extremes and absence for other models.

    Raises:
        LabError: it is not below 1e-5.
    """
    edges = edge_rows(model, matrix) if isinstance(model, Trees) else extreme_rows(matrix)
    rows = np.concatenate([matrix, edges])
    if isinstance(model, EstimatorModel) and chosen.kind == "none":
        native = model.probabilities(rows)
    else:
        native = calibration.apply(chosen, model.logits(rows))
    worst = float(np.abs(native - run(rows)).max())
    if not worst < TOLERANCE:
        name, mend = (model.name, _SCALER_MEND) if isinstance(model, EstimatorModel) else ("LightGBM", None)
        raise LabError(f"{name} and its ONNX export disagree by {worst:.2g}, at most {TOLERANCE:g} is allowed", mend)
    return worst


def extreme_rows(matrix: Matrix) -> Matrix:
    """Rows of the matrix, each with one feature at its least or largest value, or not known where it ever is not.

    Shape: float32[R, F].
    """
    places: list[tuple[int, Any]] = []
    for column in range(matrix.shape[1]):
        known = matrix[~np.isnan(matrix[:, column]), column]
        if len(known):
            places += [(column, known.min()), (column, known.max())]
        if len(known) < len(matrix):
            places.append((column, np.float32(np.nan)))
    rows = np.resize(matrix, (len(places), matrix.shape[1]))
    for row, (column, value) in enumerate(places):
        rows[row, column] = value
    return rows


def edge_rows(trees: Trees, matrix: Matrix) -> Matrix:
    """Rows of the matrix, each with one value put exactly on a split's threshold, just above it, or missing.

    Shape: float32[R, F]. No value is infinite: no feature ever is.
    """
    edges = sorted({(node["split_feature"], _down(node["threshold"])) for node in _splits(trees.dump())})
    edges = edges[: _EDGE_ROWS // 3]
    places = [(column, value) for column, at in edges for value in (at, _up(at), np.nan)]
    rows = np.resize(matrix, (len(places), matrix.shape[1]))
    for row, (column, value) in enumerate(places):
        rows[row, column] = value
    return rows


def import_onnx() -> Any:
    """The library.

    Raises:
        LabError: the extra is not installed.
    """
    onnx = import_extra("onnx", "lab", "export needs", LabError)
    for name in ("checker", "compose", "helper", "inliner"):
        import_module(f"onnx.{name}")
    return onnx


def _attributes(dump: dict[str, Any]) -> dict[str, Any]:
    """The attributes of TreeEnsembleRegressor: parallel lists over all nodes of all trees, and over all leaves."""
    nodes: list[tuple[Any, ...]] = []
    leaves: list[tuple[int, int, float]] = []
    for tree, info in enumerate(dump["tree_info"]):
        _flatten(tree, info["tree_structure"], nodes, leaves)
    attributes: dict[str, Any] = {
        f"nodes_{name}": [node[place] for node in nodes] for place, name in enumerate(_NODE_ATTRIBUTES)
    }
    attributes |= {"target_treeids": [leaf[0] for leaf in leaves], "target_nodeids": [leaf[1] for leaf in leaves]}
    attributes |= {"target_ids": [0] * len(leaves), "target_weights": [leaf[2] for leaf in leaves]}
    return {**attributes, "n_targets": 1, "post_transform": "NONE"}


def _flatten(tree: int, node: dict[str, Any], nodes: list[Any], leaves: list[tuple[int, int, float]]) -> int:
    """Append a node and all below it; returns its number within the tree."""
    place = len(nodes)
    number = 0 if not nodes or nodes[-1][0] != tree else nodes[-1][1] + 1
    if "split_feature" not in node:
        nodes.append((tree, number, _LEAF, 0, 0.0, 0, 0, 0))
        leaves.append((tree, number, float(node["leaf_value"])))
        return number
    if node["decision_type"] != "<=":
        raise LabError(f"the trees hold a decision {node['decision_type']!r}, which the export can't say")
    nodes.append((tree, number))
    threshold = _down(node["threshold"])
    left = _flatten(tree, node["left_child"], nodes, leaves)
    right = _flatten(tree, node["right_child"], nodes, leaves)
    missing = int(_missing_goes_left(node))
    nodes[place] = (tree, number, _BRANCH, node["split_feature"], float(threshold), left, right, missing)
    return number


def _missing_goes_left(node: dict[str, Any]) -> bool:
    """Where LightGBM sends NaN: by default_left if it saw NaN in training, else as if it were 0."""
    if node["missing_type"] == "NaN":
        return bool(node["default_left"])
    if node["missing_type"] == "None":
        return bool(node["threshold"] >= 0.0)
    raise LabError(f"the trees treat {node['missing_type']!r} as missing, which the export can't say")


def _splits(dump: dict[str, Any]) -> list[dict[str, Any]]:
    found, waiting = [], [info["tree_structure"] for info in dump["tree_info"]]
    while waiting:
        node = waiting.pop()
        if "split_feature" in node:
            found.append(node)
            waiting += [node["left_child"], node["right_child"]]
    return found


def _down(threshold: float) -> np.float32:
    """The largest float32 that is not above the threshold; LightGBM reads values up to 1e-35 from 0 as 0.

    >>> float(_down(0.1)) <= 0.1 < float(np.nextafter(_down(0.1), np.float32(1.0)))
    True
    """
    if abs(threshold) <= float(_ZERO):
        return _ZERO if threshold >= 0.0 else np.nextafter(-_ZERO, np.float32(-np.inf))
    with np.errstate(over="ignore"):  # "every known value" is a threshold beyond float32
        near = np.float32(threshold)
    return near if float(near) <= threshold else np.nextafter(near, np.float32(-np.inf))


def _up(value: np.float32) -> np.float32:
    """The next float32 above, unless that is infinite."""
    return value if value == np.finfo(np.float32).max else np.nextafter(value, np.float32(np.inf))
