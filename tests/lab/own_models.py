"""A logistic regression of numpy that exports itself, in place of another library's estimator."""

from typing import Any

import numpy as np
from onnx import TensorProto, helper

from stream.core.frame import Array, Labels, Matrix

STEPS = 30


class Logistic:
    """Newton's method on standardised features, with the mean where one is not known."""

    def __init__(self, ridge: float = 1.0) -> None:
        self.ridge = ridge

    def get_params(self) -> dict[str, Any]:
        """As scikit-learn's estimators."""
        return {"ridge": self.ridge, "callback": None}

    def fit(self, X: Matrix, y: Labels, sample_weight: Array | None = None) -> "Logistic":  # their name
        """Fit to rows and labels."""
        weights = np.ones(len(y)) if sample_weight is None else sample_weight
        self.mean = np.nan_to_num(np.nanmean(X, axis=0)).astype(np.float32)
        self.wide = (np.nanstd(X, axis=0) + 1e-3).astype(np.float32)
        columns = np.column_stack([self._standard(X), np.ones(len(X))]).astype(np.float64)
        found = np.zeros(columns.shape[1])
        for _ in range(STEPS):
            p = 1.0 / (1.0 + np.exp(-columns @ found))
            curvature = (columns * (weights * p * (1.0 - p))[:, None]).T @ columns + self.ridge * np.eye(len(found))
            found += np.linalg.solve(curvature, columns.T @ (weights * (y - p)) - self.ridge * found)
        self.slope, self.level = found[:-1].astype(np.float32), np.float32(found[-1])
        return self

    def predict_proba(self, X: Matrix) -> Array:
        """float64[N, 2]."""
        p = 1.0 / (1.0 + np.exp(-(self._standard(X) @ self.slope + self.level).astype(np.float64)))
        return np.column_stack([1.0 - p, p])

    def to_onnx(self, X: Matrix) -> bytes:
        """The graph, with a label beside the probabilities, as converters make it."""
        floats, width = TensorProto.FLOAT, X.shape[1]
        constants = {"mean": (self.mean, [width]), "wide": (self.wide, [width]), "slope": (self.slope, [width, 1])}
        constants |= {"level": (self.level, [1]), "one": (np.float32(1.0), [1]), "half": (np.float32(0.5), [1])}
        nodes = [
            helper.make_node("IsNaN", ["X"], ["missing"]),
            helper.make_node("Where", ["missing", "mean", "X"], ["filled"]),
            helper.make_node("Sub", ["filled", "mean"], ["centred"]),
            helper.make_node("Div", ["centred", "wide"], ["standard"]),
            helper.make_node("MatMul", ["standard", "slope"], ["sum"]),
            helper.make_node("Add", ["sum", "level"], ["logit"]),
            helper.make_node("Sigmoid", ["logit"], ["acted"]),
            helper.make_node("Sub", ["one", "acted"], ["ignored"]),
            helper.make_node("Concat", ["ignored", "acted"], ["probabilities"], axis=1),
            helper.make_node("Greater", ["acted", "half"], ["label"]),
        ]
        graph = helper.make_graph(
            nodes,
            "logistic",
            [helper.make_tensor_value_info("X", floats, [None, width])],
            [
                helper.make_tensor_value_info("label", TensorProto.BOOL, [None, 1]),
                helper.make_tensor_value_info("probabilities", floats, [None, 2]),
            ],
            [helper.make_tensor(name, floats, shape, np.ravel(value)) for name, (value, shape) in constants.items()],
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        data: bytes = made.SerializeToString()
        return data

    def _standard(self, matrix: Matrix) -> Matrix:
        filled = np.where(np.isnan(matrix), self.mean, matrix)
        return np.asarray((filled - self.mean) / self.wide)


def make() -> Logistic:
    """An unfitted one."""
    return Logistic()


class Printing(Logistic):
    """One that prints while it learns, as CatBoost does."""

    def fit(self, X: Matrix, y: Labels, sample_weight: Array | None = None) -> "Logistic":
        """Fit, in public."""
        print("learn: 0.5")  # noqa: T201  # what is tried
        return super().fit(X, y, sample_weight)


def make_printing() -> Printing:
    """An unfitted one."""
    return Printing()


class Unexported(Logistic):
    """One that can't be exported."""

    to_onnx = None  # type: ignore[assignment]  # as if there were none


def make_unexported() -> Unexported:
    """An unfitted one."""
    return Unexported()


def make_nothing() -> object:
    """No estimator."""
    return object()


def fail() -> None:
    """A function with a fault."""
    raise ZeroDivisionError("division by zero")


def pipeline() -> Any:
    """Five lines of scikit-learn."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), LogisticRegression(max_iter=1_000))


def xgboost(**options: Any) -> Any:
    """A few trees of XGBoost."""
    from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=20, max_depth=3, n_jobs=1, random_state=7, **options)


def xgboost_dart() -> Any:
    """Trees that are dropped now and then."""
    return xgboost(booster="dart", rate_drop=0.3)


def xgboost_forest() -> Any:
    """XGBoost's random forest."""
    from xgboost import XGBRFClassifier

    return XGBRFClassifier(n_estimators=20, max_depth=3, n_jobs=1, random_state=7)


def xgboost_pipeline() -> Any:
    """XGBoost behind an imputer."""
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    return make_pipeline(SimpleImputer(keep_empty_features=True), xgboost())


def xgboost_ensemble() -> Any:
    """XGBoost within scikit-learn's calibration."""
    from sklearn.calibration import CalibratedClassifierCV

    return CalibratedClassifierCV(xgboost(), cv=3)


def histogram() -> Any:
    """The trees of scikit-learn that take NaN."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=20, random_state=7)
