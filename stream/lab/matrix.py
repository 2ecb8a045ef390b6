"""Feature matrices of a replay, made in pieces so that memory holds float32 only."""

import difflib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stream.core import features
from stream.core.errors import LabError
from stream.core.features import Feature
from stream.core.frame import Array, Decayed, Frame, Mask, Matrix, Priors
from stream.lab.learning.plan import Plan
from stream.lab.priors import Learnt, choose_keys, learn, needed_keys
from stream.lab.replaying import Replayed
from stream.lab.split import Split, Window
from stream.models.added_features import added_features, require_sound
from stream.models.model import Model

_PIECE = 8_192
_DEFAULT = Plan()


def make_window(replayed: Replayed, end: Split, usable: Mask, plan: Plan = _DEFAULT) -> tuple[Window, Learnt]:
    """The training window with its features, those of installed packages among them, and the priors learnt in it.

    Raises:
        LabError: no alert has what the plan wants a prior of, or it names a feature that is not there.
        ModelError: a package of features failed.
    """
    alerts, added = replayed.alerts[: end.alert], require_sound(added_features())
    needed = needed_keys(added, alerts)
    learnt = learn(replayed, choose_keys(alerts, [*plan.priors, *needed], plan.titles), end.step, end.alert)
    known = features.table(replayed.problem.history.labels, list(learnt.priors.tables), added)
    chosen = _named(known, plan.features) if plan.features else list(known.values())
    return Window(replayed, end, usable, training_matrix(replayed, learnt, chosen), chosen), learnt


def _named(known: Mapping[str, Feature], names: Sequence[str]) -> list[Feature]:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise LabError(f"there is no feature {name!r}", f"{near[0]!r} is near" if near else None)
    if len(set(names)) < len(names):
        raise LabError("a feature is named twice", "name each once, in the order of the model's columns")
    return [known[name] for name in names]


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
