"""Estimators of other libraries as ONNX bytes, each by its own library's converter; imported only where one is used."""

import tempfile
from pathlib import Path
from typing import Any

from stream.core.errors import LabError, first_line
from stream.core.frame import Matrix
from stream.extras import import_extra
from stream.lab.export import OPSET

_TARGET = {"": OPSET["ai.onnx"], "ai.onnx.ml": OPSET["ai.onnx.ml"]}
_ROWS = 8  # of the matrix, from which converters read its type and width
_NEEDS = "the ONNX export of"


def convert(estimator: Any, matrix: Matrix, name: str) -> bytes:
    """A fitted estimator's ONNX bytes: by its own `to_onnx(X)`, else by the converter of its library.

    Args:
        estimator: what was fitted.
        matrix: float32[N, F], what it was fitted on or rows like it.
        name: begins every message.

    Raises:
        LabError: nothing here can export it, or the converter failed or is not installed.
    """
    rows = matrix[:_ROWS]
    library = type(estimator).__module__.partition(".")[0]
    converter = {"sklearn": _by_skl2onnx, "imblearn": _by_skl2onnx, "xgboost": _by_onnxmltools}.get(library)
    if callable(getattr(estimator, "to_onnx", None)):
        converter = _by_itself
    elif library == "catboost":
        converter = _by_catboost
    if converter is None:
        raise LabError(
            f"{name}: {type(estimator).__module__}.{type(estimator).__name__} has no export to ONNX that is known here",
            "give it a method to_onnx(X) that returns ONNX bytes, or export it yourself and run `noisegate lab adopt`",
        )
    try:
        return converter(estimator, rows)
    except (LabError, MemoryError):
        raise
    except Exception as error:  # whatever a converter raises
        raise LabError(f"{name}: can't be exported to ONNX: {first_line(error)}") from error


def _by_itself(estimator: Any, rows: Matrix) -> bytes:
    return _bytes(estimator.to_onnx(rows))


def _by_skl2onnx(estimator: Any, rows: Matrix) -> bytes:
    skl2onnx = import_extra("skl2onnx", "estimators", f"{_NEEDS} a scikit-learn estimator needs", LabError)
    return _bytes(skl2onnx.to_onnx(estimator, rows, target_opset=_TARGET))


def _by_onnxmltools(estimator: Any, rows: Matrix) -> bytes:
    needs = f"{_NEEDS} an XGBoost model needs"
    tools = import_extra("onnxmltools", "estimators", needs, LabError)
    types = import_extra("onnxmltools.convert.common.data_types", "estimators", needs, LabError)
    wanted = [("features", types.FloatTensorType([None, rows.shape[1]]))]
    return _bytes(tools.convert_xgboost(estimator, initial_types=wanted, target_opset=_TARGET[""]))


def _by_catboost(estimator: Any, rows: Matrix) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        estimator.save_model(str(path), format="onnx")
        return path.read_bytes()


def _bytes(made: Any) -> bytes:
    """What a converter gave, a ModelProto or bytes, as bytes."""
    return bytes(made) if isinstance(made, bytes | bytearray) else bytes(made.SerializeToString())
