"""The reference of drift: how features and scores were spread when the model was made; see `models/reference.py`."""

import msgspec
import numpy as np

from stream.core.features import Array, Matrix
from stream.models.reference import BINS, Reference, Spread


def spread(values: Array) -> Spread:
    """Bins of about equal mass; fewer where values repeat.

    >>> spread(np.array([0.0, 0.0, 0.0, 1.0]))
    Spread(edges=[0.0], shares=[0.75, 0.25], missing=0.0, design_effect=1.0)
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return Spread([], [0.0], 1.0)
    edges = np.unique(np.quantile(known, np.arange(1, BINS) / BINS, method="lower"))
    edges = edges[edges < known.max()]
    counts = np.bincount(np.searchsorted(edges, known, side="left"), minlength=len(edges) + 1)
    shares = [float(count) / len(values) for count in counts]
    return Spread([float(edge) for edge in edges], shares, 1.0 - len(known) / len(values))


def make_reference(matrix: Matrix, names: list[str], scores: Array, label_rate: float) -> bytes:
    """reference.json."""
    by_name = {name: spread(matrix[:, column].astype(np.float64)) for column, name in enumerate(names)}
    reference = Reference(len(matrix), label_rate, spread(scores), by_name)
    return msgspec.json.format(msgspec.json.encode(reference), indent=1) + b"\n"
