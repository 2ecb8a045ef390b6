"""Models that were made elsewhere: an ONNX file that becomes a version, judged and served as the lab's own."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path

from msgspec.structs import replace

from stream.core.errors import READABLE, LabError
from stream.core.frame import Array, Matrix
from stream.core.problem import Problem
from stream.files import AnyPath
from stream.lab.learning.estimators import Estimator, EstimatorModel
from stream.lab.learning.plan import Plan
from stream.lab.log_warnings import Notice, no_notice
from stream.lab.training import SEED, SPLIT, train
from stream.models.graph import Graph
from stream.models.manifest import Calibration
from stream.progress import Progress, no_progress

_DEFAULT = Plan()


def adopt(
    model: AnyPath,
    log: AnyPath,
    problem: Problem,
    out: AnyPath,
    *,
    split: float = SPLIT,
    seed: int = SEED,
    plan: Plan = _DEFAULT,
    command: str = "stream.lab.adoption.adopt",
    created: datetime | None = None,
    progress: Progress = no_progress,
    notice: Notice = no_notice,
    decisions: AnyPath | None = None,
) -> Path:
    """Calibrate, check and judge an ONNX model on a log as `train` does its own, and write a version; its folder.

    The model takes float32[N, F], one column a feature, in the order of the table or of `plan.features`, and gives
    probabilities: float32 [N], [N, 1] or [N, 2]. It may have learnt from the part `train` of `stream.lab.dataset`.
    `decisions` is a file of the closer's, by which labels of held-out alerts are weighed.

    Raises:
        LogError: the log or the decisions can't be read.
        LabError: the file is no such model, or the log can't be judged on.
    """
    chosen = replace(plan, estimator=read_model(model), folds=0)
    return train(
        log,
        problem,
        out,
        split=split,
        seed=seed,
        plan=chosen,
        command=command,
        created=created,
        progress=progress,
        notice=notice,
        decisions=decisions,
    )


def read_model(path: AnyPath) -> Estimator:
    """An ONNX file as an estimator that has learnt already.

    Raises:
        LabError: it can't be read.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LabError(f"{path}: can't be read: {error.strerror or error}", READABLE) from None
    params: dict[str, str | int | float | bool] = {"adopted": path.name, "sha256": hashlib.sha256(content).hexdigest()}
    model = EstimatorModel(path.name, _runner(content, str(path)), lambda rows: content, params)
    return Estimator(path.name, adopted=model)


def _runner(content: bytes, where: str) -> Callable[[Matrix], Array]:
    """What runs the model as it is, without calibration."""
    from stream.lab.graph_wrapper import wrap

    @cache
    def graph(width: int) -> Graph:
        return Graph(wrap(content, Calibration(), width, where), width, where)

    return lambda matrix: graph(matrix.shape[1]).run(matrix)
