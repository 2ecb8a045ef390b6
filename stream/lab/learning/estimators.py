"""Estimators of one's own: anything with fit and predict_proba, in place of LightGBM's trees.

They learn from the same rows and are calibrated, exported, checked and judged by the same code as the trees.
"""

import inspect
import math
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from msgspec import Struct

from stream.core.errors import EstimatorError, NoisegateError, first_line
from stream.core.frame import Array, Labels, Matrix
from stream.extras import missing_package

NEAREST = 2.0**-13  # to 0 and 1 that a probability comes before its logit is taken: float32 tells no finer ones apart
_BROUGHT = ("sklearn", "skl2onnx", "onnxmltools")  # by the extra `estimators`
_PARAMS_MOST = 100
_TRIED = 8  # rows
_NAN_MEND = "a feature that is not known is NaN: begin the pipeline with an imputer"


class FittedModel(Protocol):
    """What learning gives: `stream.lab.learning.trees.Trees`, or an `EstimatorModel`."""

    @property
    def rounds(self) -> int:
        """Boosting rounds; 0 where there are none."""

    def logits(self, matrix: Matrix) -> Array:
        """Raw scores of float32[N, F], float64[N]: the logit before calibration."""


class EstimatorModel(Struct, frozen=True, eq=False):
    """An estimator that has been fitted, or an ONNX model that was made elsewhere.

    Attributes:
        name: begins every message about it.
        predict: the probability that each row is acted on, of float32[N, F].
        to_onnx: its ONNX bytes, given some rows of what it was fitted on.
        params: what the manifest notes of it.
    """

    name: str
    predict: Callable[[Matrix], Any]
    to_onnx: Callable[[Matrix], bytes]
    params: dict[str, str | int | float | bool] = {}
    rounds: int = 0

    def probabilities(self, matrix: Matrix) -> Array:
        """Its probabilities, float64[N], not calibrated.

        Raises:
            EstimatorError: it failed, or gave something else than one probability a row.
        """
        if not len(matrix):
            return np.empty(0)
        try:
            found = np.asarray(self.predict(matrix), dtype=np.float64)
        except (MemoryError, NoisegateError):
            raise
        except Exception as error:  # whatever a library raises
            raise _failed(f"{self.name}: predict_proba", error) from error
        if found.ndim == 2 and found.shape[1] <= 2:
            found = found[:, -1]
        if found.shape != (len(matrix),):
            raise EstimatorError(f"{self.name}: predict_proba gave {found.shape} for {len(matrix)} rows, not (N, 2)")
        if not ((found >= 0.0) & (found <= 1.0)).all():  # NaN too
            raise EstimatorError(f"{self.name}: predict_proba gave something that is not a probability", _NAN_MEND)
        return found

    def logits(self, matrix: Matrix) -> Array:
        """The log-odds of its probabilities, which are kept `NEAREST` away from 0 and 1."""
        found = np.clip(self.probabilities(matrix), NEAREST, 1.0 - NEAREST)
        return np.asarray(np.log(found) - np.log1p(-found))


class Estimator(Struct, frozen=True, eq=False):
    """A way to learn: makes an unfitted estimator whenever one is needed, such as for each part of a cross-validation.

    Attributes:
        name: MODULE:FUNCTION, or whatever names it in messages, card and manifest.
        make: gives an object with `fit(X, y)` and `predict_proba(X)`.
        adopted: a model that exists already, and is not learnt again from anything.
    """

    name: str
    make: Callable[[], Any] = lambda: None
    adopted: EstimatorModel | None = None

    @property
    def notes(self) -> list[str]:
        """Sentences for the report on what this learner leaves open."""
        if self.adopted is None:
            return []
        return [
            f"The model was made elsewhere ({self.name}) and only calibrated here: whether it had seen alerts of the "
            "test part, or learnt from those it was calibrated on, can't be told from it."
        ]

    def check(self, matrix: Matrix) -> None:
        """Hold a model that exists already to reading these features, before minutes are spent on it.

        Raises:
            EstimatorError: it takes another number of columns, or gives something else than probabilities.
        """
        if self.adopted is not None:
            self.adopted.probabilities(matrix[:_TRIED])

    def fit(self, matrix: Matrix, labels: Labels, weights: Array | None = None) -> EstimatorModel:
        """Fit to float32[N, F], with a weight for each row or None.

        Raises:
            EstimatorError: it is no estimator, takes no weights where there are some, or failed.
        """
        if self.adopted is not None:
            return self.adopted
        try:
            made = self.make()
        except MemoryError:
            raise
        except Exception as error:  # whatever a person's function raises
            raise _failed(self.name, error) from error
        if not callable(getattr(made, "fit", None)) or not callable(getattr(made, "predict_proba", None)):
            raise EstimatorError(
                f"{self.name}: gave {type(made).__name__}, which lacks fit or predict_proba",
                "return an unfitted estimator, such as a scikit-learn pipeline",
            )
        try:
            made.fit(matrix, labels, **_weights_argument(self.name, made, weights))
        except (MemoryError, NoisegateError):
            raise
        except Exception as error:  # whatever a library raises
            raise _failed(f"{self.name}: fit", error) from error
        from stream.lab.conversion import convert

        return EstimatorModel(
            self.name, made.predict_proba, lambda rows: convert(made, rows, self.name), _params_of(self.name, made)
        )


def load_estimator(where: str) -> Estimator:
    """The estimator that MODULE:FUNCTION names; modules of the current folder are found.

    Raises:
        EstimatorError: there is none, or a package that it needs is not installed.
    """
    module, _, function = where.partition(":")
    if not module or not function.isidentifier():
        raise EstimatorError(f"--estimator {where}: is no MODULE:FUNCTION", "name it as `mymodels:make_pipeline`")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.append(folder)  # last, and for good: the function may import its neighbours when it is called
    try:
        make = getattr(import_module(module), function, None)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package == module.partition(".")[0]:
            mend = "name a module of this folder, or one that is installed"
            raise EstimatorError(f"--estimator {where}: there is no module {module!r}", mend) from None
        if package in _BROUGHT:
            raise EstimatorError(*missing_package(package, "estimators", f"--estimator {where} needs")) from None
        needs = f"--estimator {where} needs {package}, which is not installed"
        raise EstimatorError(needs, f"pip install {package}") from None
    except Exception as error:  # whatever a person's module raises
        raise _failed(f"--estimator {where}", error) from error
    if not callable(make):
        raise EstimatorError(f"--estimator {where}: {module} has no function {function!r}", "name one that it has")
    return Estimator(where, make)


def as_estimator(given: "Estimator | str | Callable[[], Any]") -> Estimator:
    """An estimator of what a notebook hands in: MODULE:FUNCTION, or a function that makes an unfitted estimator."""
    if isinstance(given, Estimator):
        return given
    if isinstance(given, str):
        return load_estimator(given)
    module, name = getattr(given, "__module__", ""), getattr(given, "__qualname__", type(given).__name__)
    return Estimator(f"{module}:{name}".strip(":"), given)


def _weights_argument(name: str, made: Any, weights: Array | None) -> dict[str, Array]:
    """The argument by which its fit takes weights; of a pipeline that of its last step."""
    if weights is None:
        return {}
    steps = getattr(made, "steps", None)
    learner = steps[-1][1] if steps else made
    if "sample_weight" not in inspect.signature(learner.fit).parameters:
        raise EstimatorError(
            f"{name}: the fit of {type(learner).__name__} takes no sample_weight, and the alerts have weights",
            "take an estimator that does, or train without weights",
        )
    return {f"{steps[-1][0]}__sample_weight" if steps else "sample_weight": weights}


def _params_of(name: str, made: Any) -> dict[str, str | int | float | bool]:
    """The estimator's own parameters, as far as they are plain values."""
    found = made.get_params() if callable(getattr(made, "get_params", None)) else {}
    plain = {key: value for key, value in sorted(found.items()) if isinstance(value, str | int | float | bool)}
    plain = {key: str(one) if isinstance(one, float) and not math.isfinite(one) else one for key, one in plain.items()}
    return {"estimator": name, **dict(list(plain.items())[:_PARAMS_MOST])}


def _failed(what: str, error: Exception) -> EstimatorError:
    return EstimatorError(f"{what} failed: {first_line(error)}", _NAN_MEND if "nan" in str(error).lower() else None)
