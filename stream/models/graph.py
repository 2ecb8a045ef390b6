"""The ONNX graph of a model behind typed arrays. The only module that imports onnxruntime."""

import os
from threading import Timer
from typing import Any

import numpy as np
from numpy.typing import NDArray

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # since 1.29 it is on by default and begins with the import
import onnxruntime

from stream.core.errors import ModelError, ModelMismatch, first_line
from stream.core.frame import Array, Matrix
from stream.models.manifest import Runtime

_ERRORS_ONLY = 3
_EXTERNAL_DATA = b"\x0a\x08location"  # the key that a tensor kept in another file must have, as protobuf writes it


class Stop:
    """Ends one run of a graph from another thread, at the next of its operators."""

    def __init__(self) -> None:
        self.options = onnxruntime.RunOptions()
        self.ended = False

    def end(self) -> None:
        """End the run; one that is over stays as it was."""
        self.ended = True
        self.options.terminate = True


class Graph:
    """float32[N, F] in, float32[N] out: probabilities. One thread, no other files, no telemetry.

    Args:
        onnx: the file's bytes.
        width: F, the number of features.
        where: begins every message.

    Raises:
        ModelError: it can't be loaded, or has other inputs and outputs.
    """

    def __init__(self, onnx: bytes, width: int, where: str) -> None:
        if _EXTERNAL_DATA in onnx:
            raise ModelError(f"{where}: model.onnx keeps data in other files, which is not allowed")
        self._where = where
        self._session = _open(onnx, where)
        self._input = self._check(width)

    def run(self, matrix: Matrix, stop: Stop | None = None) -> Array:
        """Probabilities of N rows, float64[N]; without the GIL while it computes.

        Raises:
            ModelError: the session failed or was ended by `stop`, or something is not a probability.
        """
        try:
            options = stop.options if stop else None
            output: NDArray[np.float32] = self._session.run(None, {self._input: matrix}, options)[0]
        except Exception as error:  # onnxruntime's own errors share no base
            raise ModelError(f"{self._where}: model.onnx failed: {first_line(error)}") from error
        if output.shape != (len(matrix),):
            raise ModelError(f"{self._where}: model.onnx gave {output.shape} for {len(matrix)} rows")
        probabilities = output.astype(np.float64)
        if not ((probabilities >= 0.0) & (probabilities <= 1.0)).all():  # NaN too
            raise ModelError(f"{self._where}: model.onnx gave something that is not a probability")
        return probabilities

    def run_within(self, matrix: Matrix, seconds: float) -> Array:
        """As `run`, for a graph that nobody has seen run yet: one that takes longer than `seconds` is ended."""
        stop = Stop()
        timer = Timer(seconds, stop.end)
        timer.daemon = True
        timer.start()
        try:
            return self.run(matrix, stop)
        except ModelError:
            if stop.ended:
                raise ModelError(f"{self._where}: model.onnx took longer than {seconds:g} s and was ended") from None
            raise
        finally:
            timer.cancel()

    def _check(self, width: int) -> str:
        """Hold inputs and outputs to what is served; returns the input's name."""
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(float)" or not _is(inputs[0].shape, [None, width]):
            found = [f"{node.type} {node.shape}" for node in inputs]
            raise ModelError(f"{self._where}: model.onnx must take one float32 [N, {width}], but takes {found}")
        if len(outputs) != 1 or outputs[0].type != "tensor(float)" or not _is(outputs[0].shape, [None]):
            found = [f"{node.type} {node.shape}" for node in outputs]
            raise ModelError(f"{self._where}: model.onnx must give one float32 [N], but gives {found}")
        name: str = inputs[0].name
        return name


def check_runtime(runtime: Runtime, where: str) -> None:
    """Hold the installed onnxruntime to what the model may be served by.

    Raises:
        ModelMismatch: another release is installed.
    """
    installed = _release(onnxruntime.__version__)
    if not _release(runtime.at_least) <= installed < _release(runtime.below):
        raise ModelMismatch(
            f"{where}: needs onnxruntime from {runtime.at_least} to below {runtime.below}, "
            f"{onnxruntime.__version__} is installed"
        )


def _open(onnx: bytes, where: str) -> Any:
    onnxruntime.set_default_logger_severity(_ERRORS_ONLY)
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own errors share no base
        raise ModelError(f"{where}: model.onnx can't be loaded: {first_line(error)}") from None


def _is(shape: list[int | str | None], wanted: list[int | None]) -> bool:
    """Whether a shape is as wanted; None stands for any number of rows."""
    sizes = [size if isinstance(size, int) else None for size in shape]
    return sizes == wanted


def _release(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)
