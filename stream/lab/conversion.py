"""Estimators of other libraries as ONNX bytes, each by its own library's converter; imported only where one is used."""

import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from stream.core.errors import LabError, first_line
from stream.core.frame import Matrix
from stream.extras import import_extra
from stream.lab.export import OPSET

_TARGET = {"": OPSET["ai.onnx"], "ai.onnx.ml": OPSET["ai.onnx.ml"]}
_ROWS = 8  # of the matrix, from which converters read its type and width
_NEEDS = "the ONNX export of"
_OWN_EXPORT = "give it a method to_onnx(X) that returns ONNX bytes"
_Convert = Callable[[Any, Any, Any], None]


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
    converter = _CONVERTERS.get(library)
    if callable(getattr(estimator, "to_onnx", None)):
        converter = _by_itself
    if converter is None:
        raise LabError(
            f"{name}: {type(estimator).__module__}.{type(estimator).__name__} has no export to ONNX that is known here",
            f"{_OWN_EXPORT}, or export it yourself and run `noisegate lab adopt`",
        )
    try:
        return converter(estimator, rows)
    except (LabError, MemoryError):
        raise
    except Exception as error:  # whatever a converter raises
        cause = error.__cause__
        reason = first_line(cause if isinstance(cause, Exception) else error).rstrip(".")
        mend = f"take a model that the converter knows, or {_OWN_EXPORT}"
        raise LabError(f"{name}: can't be exported to ONNX: {reason}", mend) from error


def _by_itself(estimator: Any, rows: Matrix) -> bytes:
    return _bytes(estimator.to_onnx(rows))


def _by_skl2onnx(estimator: Any, rows: Matrix) -> bytes:
    skl2onnx = import_extra("skl2onnx", "estimators", f"{_NEEDS} a scikit-learn estimator needs", LabError)
    _register_converters(skl2onnx)
    return _bytes(skl2onnx.to_onnx(estimator, rows, target_opset=_TARGET))


def _by_onnxmltools(estimator: Any, rows: Matrix) -> bytes:
    import_extra("onnxmltools", "estimators", f"{_NEEDS} an XGBoost model needs", LabError)
    return _by_skl2onnx(estimator, rows)


def _by_catboost(estimator: Any, rows: Matrix) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        estimator.save_model(str(path), format="onnx")
        return path.read_bytes()


def _bytes(made: Any) -> bytes:
    """What a converter gave, a ModelProto or bytes, as bytes."""
    return bytes(made) if isinstance(made, bytes | bytearray) else bytes(made.SerializeToString())


_CONVERTERS: dict[str, Callable[[Any, Matrix], bytes]] = {
    "sklearn": _by_skl2onnx,
    "imblearn": _by_skl2onnx,
    "xgboost": _by_onnxmltools,
    "catboost": _by_catboost,
}
"""By the package of the estimator's class."""


def _register_converters(skl2onnx: Any) -> None:
    """Give skl2onnx the converters that it lacks, so that they also hold within a pipeline or an ensemble."""
    shapes = import_module("skl2onnx.common.shape_calculator").calculate_linear_classifier_output_shapes
    forest = import_module("skl2onnx.operator_converters.random_forest").convert_sklearn_random_forest_classifier
    histogram = import_module("sklearn.ensemble").HistGradientBoostingClassifier
    options = {"zipmap": [True, False, "columns"], "nocl": [True, False], "raw_scores": [True, False]}
    options["output_class_labels"] = [False, True]
    register = skl2onnx.update_registered_converter
    register(histogram, "SklearnHistGradientBoostingClassifier", shapes, _without_booleans(forest), options=options)
    xgboost = sys.modules.get("xgboost")
    if xgboost is None:
        return
    where = "onnxmltools.convert.xgboost.operator_converters.XGBoost"
    trees = import_extra(where, "estimators", f"{_NEEDS} an XGBoost model needs", LabError)
    for kind in (xgboost.XGBClassifier, xgboost.XGBRFClassifier):
        register(kind, f"XGBoost{kind.__name__}", shapes, _of_trees(trees.convert_xgboost), options=options)


def _of_trees(convert: _Convert) -> _Convert:
    """The converter of XGBoost models, with a sentence on a booster that it does not know."""

    def converted(scope: Any, operator: Any, container: Any) -> None:
        booster = operator.raw_operator.booster
        if booster not in (None, "gbtree"):
            raise ValueError(f"the booster is {booster!r}, and XGBoost's converter knows 'gbtree' only")
        convert(scope, operator, container)

    return converted


def _without_booleans(convert: _Convert) -> _Convert:
    """The converter with numbers in place of booleans in the nodes: protobuf 7 takes no boolean for an integer."""

    class Container:
        def __init__(self, container: Any) -> None:
            self._container = container

        def __getattr__(self, name: str) -> Any:
            return getattr(self._container, name)

        def add_node(self, *given: Any, **named: Any) -> None:
            self._container.add_node(*given, **{name: _as_integers(value) for name, value in named.items()})

    return lambda scope, operator, container: convert(scope, operator, Container(container))


def _as_integers(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return [int(one) if isinstance(one, bool | np.bool_) else one for one in value]
