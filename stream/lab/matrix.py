"""Feature matrices of a replay, made in pieces so that memory holds float32 only."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stream.core import features
from stream.core.features import Feature
from stream.core.frame import Array, Decayed, Frame, Matrix, Priors
from stream.lab.priors import Learnt
from stream.lab.replaying import Replayed
from stream.models.model import Model

_PIECE = 8_192


def training_matrix(replayed: Replayed, learnt: Learnt, chosen: Sequence[Feature]) -> Matrix:
    """float32[n, F] of the training window's n alerts, each with priors as known before it."""
    count = len(learnt.global_rates)
    matrix = np.empty((count, len(chosen)), dtype=np.float32)
    for start in range(0, count, _PIECE):
        piece = slice(start, min(start + _PIECE, count))
        encoded = {key: rates[piece] for key, rates in learnt.encoded.items()}
        labels = replayed.problem.history.labels
        frame = Frame(Decayed(np.asarray(replayed.rows[piece])), encoded, learnt.global_rates[piece], labels)
        matrix[piece] = features.compute(frame, chosen)
    return matrix


def served_matrix(replayed: Replayed, model: Model, indices: NDArray[np.int64]) -> Matrix:
    """float32[n, F] of the alerts at `indices`, as a live scorer with the model would see them."""
    matrix = np.empty((len(indices), len(model.manifest.features)), dtype=np.float32)
    for start in range(0, len(indices), _PIECE):
        piece = indices[start : start + _PIECE]
        alerts = [replayed.alerts[index] for index in piece.tolist()]
        matrix[start : start + len(piece)] = model.features(np.asarray(replayed.rows[piece]), alerts)
    return matrix


def known_matrix(replayed: Replayed, priors: Priors, chosen: Sequence[Feature], indices: NDArray[np.int64]) -> Matrix:
    """float32[n, F] of the alerts at `indices`, with priors that training shipped: what a model made of them reads."""
    matrix = np.empty((len(indices), len(chosen)), dtype=np.float32)
    for start in range(0, len(indices), _PIECE):
        piece = indices[start : start + _PIECE]
        encoded = priors.encode([replayed.alerts[index] for index in piece.tolist()])
        labels = replayed.problem.history.labels
        frame = Frame(Decayed(np.asarray(replayed.rows[piece])), encoded, priors.global_rate, labels)
        matrix[start : start + len(piece)] = features.compute(frame, chosen)
    return matrix


def predict(model: Model, matrix: Matrix) -> Array:
    """The model's probabilities of a whole matrix, float64[n]."""
    pieces = [model.predict(matrix[start : start + _PIECE]) for start in range(0, len(matrix), _PIECE)]
    return np.concatenate(pieces) if pieces else np.empty(0)
