"""What the scorer says of a batch: scores, and the enriched and outcome records that carry them."""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from stream.core.errors import ModelError
from stream.core.events import Raised, moment
from stream.core.features import Array, Matrix
from stream.core.fold import Arrived, Decided
from stream.core.ledger import OUTCOME_NAMES, flag_names
from stream.core.records import Challenge, Enriched, Evidence, Outcome, Reason, Score, Whys
from stream.core.scoring import Thresholds, band_of, evidence_of, whys_of

log = logging.getLogger(__name__)
Role = Literal["champion", "team", "challenger"]


class Scores(Protocol):
    """What the scorer needs of a model; `stream.models.serving.Model` is one."""

    version: str
    thresholds: Thresholds

    def features(self, rows: Array, alerts: Sequence[Raised]) -> Matrix:
        """The model's input, float32[N, F]."""

    def predict(self, matrix: Matrix) -> Array:
        """The probability of each row, float64[N]; raises ModelError."""


class Scored(Struct, frozen=True, eq=False):
    """What one model said of a batch: `indices` intp[n] into the batch's rows, `matrix` float32[n, F] that it read,
    `probabilities` float64[n]."""

    model: Scores
    role: Role
    indices: NDArray[np.intp]
    matrix: Matrix
    probabilities: Array


class Answers:
    """Scores and explanations for the alerts that arrived in one batch, in the order of the fold's rows."""

    def __init__(self, arrived: Sequence[Arrived], rows: NDArray[np.float64], model: Scores | None) -> None:
        thresholds = model.thresholds if model else Thresholds()
        self.whys: list[Whys] = whys_of(rows)
        self.failed = False
        self.scored: list[Scored] = []
        evidence = evidence_of(rows, [one.event.team for one in arrived], thresholds)
        probabilities: list[float] | None = None
        reason: Reason = "no_model"
        if model is not None and arrived:
            try:
                matrix = model.features(rows, [one.event for one in arrived])
                said = model.predict(matrix)
                probabilities = said.tolist()
                self.scored.append(Scored(model, "champion", np.arange(len(arrived)), matrix, said))
            except ModelError as error:
                log.error("the model %s failed on a batch: %s", model.version, error)
                reason, self.failed = "model_failed", True
        if probabilities is None or model is None:
            self.scores = [Score(None, "unscored", None, grade, reason) for grade in evidence]
        else:
            self.scores = [
                Score(probability, band_of(probability, thresholds), model.version, grade)
                for probability, grade in zip(probabilities, evidence, strict=True)
            ]
        for one, score in zip(arrived, self.scores, strict=True):
            one.alert.score = pack_score(score)


def pack_score(score: Score) -> list[Any]:
    """A score as the ledger keeps it."""
    challenger = score.challenger
    return [
        score.probability,
        score.band,
        score.model,
        score.evidence,
        score.reason,
        [challenger.model, challenger.probability] if challenger else None,
    ]


def unpack_score(kept: Sequence[Any] | None) -> Score:
    """The inverse of `pack_score`; an alert that was folded without scoring has none."""
    if not kept:
        return Score(None, "unscored", None, "none", "no_model")
    probability, band, model, evidence, reason, challenger = kept
    return Score(probability, band, model, evidence, reason, Challenge(*challenger) if challenger else None)


def enriched(event: Raised, flags: int, score: Score, why: Whys | None, now: datetime, offset: str) -> Enriched:
    """The enriched record of an alert."""
    return Enriched(event, score, why, flag_names(flags), now, offset)  # type: ignore[arg-type]  # a closed list


def unscored(event: Raised, now: datetime, offset: str) -> Enriched:
    """The enriched record of an alert while its history can't be reached."""
    return Enriched(event, Score(None, "unscored", None, "none", "history_unavailable"), None, [], now, offset)


def outcome(decided: Decided, problem: str) -> Outcome:
    """The outcome record of an alert, with the scores that were fenced in."""
    alert = decided.alert
    score = unpack_score(alert.score)
    scores = {}
    if score.model is not None and score.probability is not None:
        scores[score.model] = score.probability
    if score.challenger is not None:
        scores[score.challenger.model] = score.challenger.probability
    evidence: Evidence = score.evidence
    return Outcome(
        decided.alert_id,
        decided.team,
        alert.rule,
        alert.entity,
        moment(alert.raised_at),
        OUTCOME_NAMES[decided.outcome],  # type: ignore[arg-type]  # a closed list
        moment(decided.decided_at),
        decided.by,
        problem,
        score.model,
        scores,
        evidence,
        None if alert.last_outcome < 0 else alert.last_outcome,
        flag_names(decided.flags),  # type: ignore[arg-type]  # a closed list
    )
