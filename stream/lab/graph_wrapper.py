"""Another library's ONNX graph within one that is served as ours: float32[N, F] in, calibrated float32[N] out.

What a converter makes differs in the names of inputs and outputs, and in whether probabilities come as a vector, as two
columns or as a list of maps. Here they become one vector, and calibration follows inside the graph.
"""

from typing import Any

import numpy as np

from stream.core.errors import LabError, first_line
from stream.lab.export import calibrating_nodes, import_onnx
from stream.lab.learning.estimators import NEAREST
from stream.models.manifest import Calibration

OPSETS = (13, 21)  # of ai.onnx; older ones name axes otherwise, newer ones are not for every onnxruntime that serves
IR_LEAST, IR_MOST = 8, 10  # before 4, constants had to be inputs too
BYTES_MOST = 64 * 1024 * 1024  # of a file in the model store
_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
_INNER = "model/"


def wrap(inner: bytes, chosen: Calibration, width: int, where: str) -> bytes:
    """The graph around another's; `where` begins every message.

    Raises:
        LabError: it can't be read, or does not take float32[N, width] and give probabilities.
    """
    onnx = import_onnx()
    model = _read(onnx, inner, where)
    _check_domains(model, where)
    graph = model.graph
    given = _only_input(onnx, graph, width, where)
    probabilities, columns = _probabilities(onnx, graph, where)
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    nodes, constants = _as_vector(onnx, probabilities, columns)
    if chosen.kind == "none":
        nodes.append(helper.make_node("Identity", ["raw"], ["probability"]))
    else:
        taking, more = _log_odds(onnx)
        calibrating, others = calibrating_nodes(onnx, chosen)
        nodes, constants = [*nodes, *taking, *calibrating], [*constants, *more, *others]
    wrapped = helper.make_graph(
        [helper.make_node("Identity", ["features"], [given]), *graph.node, *nodes],
        "noisegate",
        [helper.make_tensor_value_info("features", floats, ["N", width])],
        [helper.make_tensor_value_info("probability", floats, ["N"])],
        [*graph.initializer, *constants],
    )
    wrapped.sparse_initializer.extend(graph.sparse_initializer)
    made = helper.make_model(
        wrapped,
        opset_imports=model.opset_import,
        ir_version=min(max(model.ir_version, IR_LEAST), IR_MOST),
        producer_name="noisegate",
    )
    try:
        onnx.checker.check_model(made)
    except Exception as error:  # onnx's own errors share no base
        raise LabError(f"{where}: can't be made part of a graph: {first_line(error)}") from None
    data: bytes = made.SerializeToString(deterministic=True)
    return data


def _read(onnx: Any, inner: bytes, where: str) -> Any:
    """The model with every name of its own behind a prefix, and functions written out."""
    if len(inner) > BYTES_MOST:
        raise LabError(f"{where}: has {len(inner):,} bytes, and the model store takes at most {BYTES_MOST:,} a file")
    try:
        model = onnx.load_model_from_string(inner)
        if not model.graph.output:
            raise ValueError("it has no output")
        if model.functions:
            model = onnx.inliner.inline_local_functions(model)
        return onnx.compose.add_prefix(model, _INNER)
    except Exception as error:  # protobuf's and onnx's own errors share no base
        raise LabError(f"{where}: is no ONNX model: {first_line(error)}", "name a file that ends in .onnx") from None


def _check_domains(model: Any, where: str) -> None:
    opsets = {one.domain: one.version for one in model.opset_import}
    strange = sorted({node.domain for node in model.graph.node} - set(_DOMAINS))
    if strange:
        raise LabError(
            f"{where}: has operators of {strange[0]!r}, which not every onnxruntime has",
            "export it with operators of ai.onnx and ai.onnx.ml only",
        )
    version = opsets.get("", opsets.get("ai.onnx", 0))
    if not version:  # only operators of ai.onnx.ml: ours, which follow, need one
        model.opset_import.append(import_onnx().helper.make_opsetid("", OPSETS[0]))
    elif not OPSETS[0] <= version <= OPSETS[1]:
        raise LabError(
            f"{where}: is of opset {version}", f"export it with an opset from {OPSETS[0]} to {OPSETS[1]}, such as 17"
        )
    if any(one.data_location == 1 for one in model.graph.initializer):
        raise LabError(f"{where}: keeps data in other files", "export it as one file")


def _only_input(onnx: Any, graph: Any, width: int, where: str) -> str:
    """The name of the input, held to float32[N, width]."""
    constants = {one.name for one in graph.initializer}
    inputs = [one for one in graph.input if one.name not in constants]
    shapes = [[place.dim_value or None for place in one.type.tensor_type.shape.dim] for one in inputs]
    fits = [
        one.type.tensor_type.elem_type == onnx.TensorProto.FLOAT and len(shape) == 2 and shape[1] in (None, width)
        for one, shape in zip(inputs, shapes, strict=True)
    ]
    if len(inputs) == 1 and fits[0]:
        name: str = inputs[0].name
        return name
    found = ", ".join(f"{one.name.removeprefix(_INNER)} {shape}" for one, shape in zip(inputs, shapes, strict=True))
    raise LabError(
        f"{where}: must take one float32 [N, {width}], one column a feature, but takes {found.replace('None', 'N')}",
        "export it so, or name its features with --features",
    )


def _probabilities(onnx: Any, graph: Any, where: str) -> tuple[str, int | None]:
    """The name of the output with probabilities, and its number of columns; None where it is a vector."""
    maps = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "ZipMap"}
    unzipped = [node for node in graph.node if node.op_type != "ZipMap"]
    del graph.node[:]
    graph.node.extend(unzipped)
    floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE)
    for output in graph.output:
        if output.name in maps:
            return maps[output.name], 2
    named = [one for one in graph.output if one.type.tensor_type.elem_type in floats]
    best = [one for one in named if "prob" in one.name.lower()] or named
    if len(best) == 1:
        dims = best[0].type.tensor_type.shape.dim
        if len(dims) == 1:
            return best[0].name, None
        columns = dims[1].dim_value if len(dims) == 2 else 0
        if len(dims) == 2 and columns in (0, 1, 2):
            return best[0].name, columns or 2
    found = ", ".join(one.name.removeprefix(_INNER) for one in graph.output)
    raise LabError(
        f"{where}: must have one output of probabilities, float32 [N], [N, 1] or [N, 2], but has {found}",
        "export predict_proba",
    )


def _as_vector(onnx: Any, probabilities: str, columns: int | None) -> tuple[list[Any], list[Any]]:
    """Nodes and constants that make `raw`, float32[N], of probabilities; of two columns the second counts."""
    helper, whole = onnx.helper, onnx.TensorProto.INT64
    constants = [helper.make_tensor("flat", whole, [1], [-1])]
    nodes = [helper.make_node("Cast", [probabilities], ["floats"], to=onnx.TensorProto.FLOAT)]
    before = "floats"
    if columns == 2:
        constants.append(helper.make_tensor("second", whole, [1], [1]))
        nodes.append(helper.make_node("Gather", ["floats", "second"], ["acted"], axis=1))
        before = "acted"
    return [*nodes, helper.make_node("Reshape", [before, "flat"], ["raw"])], constants


def _log_odds(onnx: Any) -> tuple[list[Any], list[Any]]:
    """Nodes and constants that make `logits` of `raw`, as `EstimatorModel.logits` does."""
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("Clip", ["raw", "nearest", "farthest"], ["clipped"]),
        helper.make_node("Sub", ["whole", "clipped"], ["against"]),
        helper.make_node("Log", ["clipped"], ["log_for"]),
        helper.make_node("Log", ["against"], ["log_against"]),
        helper.make_node("Sub", ["log_for", "log_against"], ["logits"]),
    ]
    return nodes, [
        helper.make_tensor("nearest", floats, [], [np.float32(NEAREST)]),
        helper.make_tensor("farthest", floats, [], [np.float32(1.0 - NEAREST)]),
        helper.make_tensor("whole", floats, [1], [1.0]),
    ]
