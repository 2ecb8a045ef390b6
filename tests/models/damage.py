"""Ways to damage an artifact, and ONNX graphs that must not be served."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from onnx import TensorProto, helper

from stream.models.artifact import MANIFEST, ONNX

Content = dict[str, Any]


def edit_manifest(folder: Path, edit: Callable[[Content], object]) -> None:
    """Change the manifest's JSON in place."""
    path = folder / MANIFEST
    content = msgspec.json.decode(path.read_bytes())
    edit(content)
    path.write_bytes(msgspec.json.encode(content))


def put_onnx(folder: Path, onnx: bytes) -> None:
    """Put another graph into the artifact, with a hash that fits."""
    (folder / ONNX).write_bytes(onnx)
    sha256 = hashlib.sha256(onnx).hexdigest()
    edit_manifest(folder, lambda content: content["files"].update({ONNX: sha256}))


def graph(
    nodes: list[Any], inputs: Sequence[tuple[str, int, Any]], outputs: Sequence[tuple[str, int, Any]], *tensors: Any
) -> bytes:
    """A small ONNX model; inputs and outputs are name, element type, shape."""
    made = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(*value) for value in inputs],
        [helper.make_tensor_value_info(*value) for value in outputs],
        list(tensors),
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    data: bytes = model.SerializeToString()
    return data


def mean_graph(width: Any, rows: Any = "N", kind: int = TensorProto.FLOAT, keep: int = 0) -> bytes:
    """A graph that gives the mean of each row."""
    node = helper.make_node("ReduceMean", ["x"], ["y"], axes=[1], keepdims=keep)
    out = [rows, 1] if keep else [rows]
    return graph([node], [("x", kind, [rows, width])], [("y", kind, out)])


def constant_graph(width: int, value: float) -> bytes:
    """A graph that gives the same for every row: 0 * sum + value, NaN and infinities of the row left out."""
    nodes = [
        helper.make_node("IsNaN", ["x"], ["nan"]),
        helper.make_node("Cast", ["nan"], ["zeros_or_ones"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["zeros_or_ones"], ["share"], axes=[1], keepdims=0),
        helper.make_node("Mul", ["share", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "value"], ["y"]),
    ]
    tensors = [
        helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0]),
        helper.make_tensor("value", TensorProto.FLOAT, [1], [value]),
    ]
    return graph(nodes, [("x", TensorProto.FLOAT, ["N", width])], [("y", TensorProto.FLOAT, ["N"])], *tensors)


def external_graph(width: int) -> bytes:
    """A graph whose only constant lies in another file."""
    node = helper.make_node("MatMul", ["x", "w"], ["product"])
    flat = helper.make_node("Reshape", ["product", "shape"], ["y"])
    weights = helper.make_tensor("w", TensorProto.FLOAT, [width, 1], [0.0] * width)
    weights.ClearField("float_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="../../secret.bin")
    shape = helper.make_tensor("shape", TensorProto.INT64, [1], [-1])
    inputs, outputs = [("x", TensorProto.FLOAT, ["N", width])], [("y", TensorProto.FLOAT, ["N"])]
    return graph([node, flat], inputs, outputs, weights, shape)
