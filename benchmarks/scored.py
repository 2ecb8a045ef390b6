"""A part of a log with the scores of a model that was trained before it."""

import tempfile
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from stream.core.frame import Array, Decayed, Inputs
from stream.core.records import Score
from stream.core.scoring import band_of, evidence_of
from stream.lab.replaying import Replayed
from stream.lab.split import split_at_share
from stream.lab.training import train_replayed
from stream.models.active import ScoringModel
from stream.models.model import load_model


class Scored(Struct, frozen=True, eq=False):
    """Alerts with the scores of a model that was trained before them.

    Attributes:
        decayed: their history.
        inputs: what the model read.
        scores: what it gave.
        outcome: int8[N], 1 acted on, 0 not, others not known.
        model: the model.
    """

    decayed: Decayed
    inputs: Inputs
    scores: list[Score]
    outcome: NDArray[np.int8]
    model: ScoringModel

    @property
    def rule_shift(self) -> Array | float:
        """As `choose_like` takes it."""
        return 0.0 if self.inputs.rule_shift is None else self.inputs.rule_shift

    @property
    def probabilities(self) -> Array:
        """Of the scores: float64[N]."""
        return np.array([score.probability for score in self.scores], dtype=np.float64)


def score_part(replayed: Replayed, start: float, end: float = 1.0) -> Scored:
    """Train before a share of a log's alerts, and score those from there to another share."""
    with tempfile.TemporaryDirectory() as folder:
        version = train_replayed(replayed, Path(folder), split=start, judged=False)
        model = load_model(version, replayed.problem)
        until = split_at_share(replayed, end).at if end < 1.0 else np.inf
        part = np.flatnonzero((replayed.at >= split_at_share(replayed, start).at) & (replayed.at < until))
        alerts, rows = [replayed.alerts[index] for index in part.tolist()], np.asarray(replayed.rows[part])
        decayed = Decayed(rows)
        inputs = model.inputs(decayed, alerts)
        grades = evidence_of(rows, [alert.team for alert in alerts], model.thresholds)
        scores = [
            Score(probability, band_of(probability, model.thresholds), model.version, grade)
            for probability, grade in zip(model.predict(inputs.matrix).tolist(), grades, strict=True)
        ]
        return Scored(decayed, inputs, scores, replayed.outcome[part], model)
