"""The scores of a batch of alerts, and the form in which the ledger keeps a score."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from stream.core import limits
from stream.core.effects import Arrived
from stream.core.errors import HistoryRefused
from stream.core.events import Raised, is_simulated
from stream.core.frame import Array, Decayed, Inputs
from stream.core.records import Challenge, Like, Push, Reason, Score, Whys
from stream.core.reference_class import choose_like
from stream.core.scoring import Thresholds, band_of, evidence_of, whys_of
from stream.models.active import ActiveModels, Drop, Role, ScoringModel, Shadow, one_a_row
from stream.scorer.model_faults import Failure

CHALLENGER_FAILED, SIMULATED = "challenger_failed", "simulated"
DEFAULT_THRESHOLDS = Thresholds()  # by which evidence is graded while there is no model


class Scored(Struct, frozen=True, eq=False):
    """What one model said of a batch: `indices` intp[n] into the batch's rows, `inputs` that it read of those n,
    `probabilities` float64[n]."""

    model: ScoringModel
    role: Role
    indices: NDArray[np.intp]
    inputs: Inputs
    probabilities: Array


class BatchScores:
    """Scores and explanations for the alerts that arrived in one batch, in the order of the fold's rows.

    Attributes:
        scores, whys: one an alert.
        scored: what each model said: the champions, each of its teams' alerts, and the challenger of all.
        dropped: why the challenger gave no scores of this batch, where it should have.
        challenger_seconds: what its scores took; None where there are none.
        failures: champions that gave no scores of this batch, and why.
        misled: models made of simulated alerts that scored others.
    """

    def __init__(self, arrived: Sequence[Arrived], rows: Array, served: ActiveModels) -> None:
        self.scored: list[Scored] = []
        self.dropped: Drop | None = None
        self.challenger_seconds: float | None = None
        self.failures: list[Failure] = []
        self.misled: set[str] = set()
        self._made_up = {model.version for model in served.champions if model.simulated}
        self.scores: list[Score] = []
        self.whys: list[Whys] = []
        self._likes: list[Like | None] = [None] * len(arrived)
        self._pushes: list[Push | None] = [None] * len(arrived)
        if not arrived:
            return
        alerts, decayed = [one.event for one in arrived], Decayed(rows)
        shadow = self._begin(served, decayed, alerts)
        self.scores = self._score(served, decayed, alerts)
        self.whys = whys_of(rows, self._likes, self._pushes)
        if served.challenger is not None:
            self._attach_challenger(served, shadow)
        for one, score in zip(arrived, self.scores, strict=True):
            one.alert.score = pack_score(score)

    @cached_property
    def features(self) -> list[bytes | None]:
        """What each alert's score was made of: float32, little-endian, in its model's order; None without a score."""
        found: list[bytes | None] = [None] * len(self.scores)
        for scored in self.scored:
            if scored.role != "challenger":
                matrix = scored.inputs.matrix.astype("<f4", copy=False)
                data, width = matrix.tobytes(), 4 * matrix.shape[1]
                for place, index in enumerate(scored.indices.tolist()):
                    found[index] = data[place * width : (place + 1) * width]
        return found

    def flags(self, alert: Raised, score: Score, new: bool) -> Sequence[str]:
        """What an alert's enriched record is flagged with beside what the fold knows.

        Args:
            alert: as raised.
            score: what is published of it.
            new: whether it was scored in this batch; else it was raised before, and carries its first score.
        """
        if not self.dropped and not self._made_up:
            return ()
        flags = [CHALLENGER_FAILED] if new and self.dropped else []
        if self._made_up and score.model in self._made_up and not is_simulated(alert):
            self.misled.add(score.model)
            flags.append(SIMULATED)
        return flags

    def _begin(self, served: ActiveModels, decayed: Decayed, alerts: Sequence[Raised]) -> Shadow | None:
        challenger = served.challenger
        if challenger is None or challenger.dropped:
            return None
        shadow = challenger.begin(decayed, alerts)
        self.dropped = challenger.dropped
        return shadow

    def _score(self, served: ActiveModels, decayed: Decayed, alerts: Sequence[Raised]) -> list[Score]:
        groups = _by_model(served, alerts)
        if len(groups) == 1:
            model, indices = groups[0]
            return self._score_group(served, model, indices, decayed, alerts)
        scores: list[Score | None] = [None] * len(alerts)
        for model, indices in groups:
            chosen = [alerts[index] for index in indices.tolist()]
            group = self._score_group(served, model, indices, decayed.take(indices), chosen)
            for index, score in zip(indices.tolist(), group, strict=True):
                scores[index] = score
        return [score for score in scores if score is not None]

    def _score_group(
        self,
        served: ActiveModels,
        model: ScoringModel | None,
        indices: NDArray[np.intp],
        decayed: Decayed,
        alerts: Sequence[Raised],
    ) -> list[Score]:
        """The scores of one model's alerts; unscored ones where there is none, or it fails."""
        reason: Reason = served.reason
        teams = [alert.team for alert in alerts]
        if model is not None:
            try:
                inputs = model.inputs(decayed, alerts)
                probabilities = one_a_row(model.predict(inputs.matrix), len(alerts))
                scores = [
                    Score(probability, band_of(probability, model.thresholds), model.version, grade)
                    for probability, grade in zip(
                        probabilities.tolist(), evidence_of(decayed, teams, model.thresholds), strict=True
                    )
                ]
            except MemoryError:
                raise
            except Exception as error:  # whatever a model does, the alerts go on, and so does their history
                self.failures.append(Failure(model.version, error))
                reason = "model_failed"
            else:
                role: Role = "champion" if model is served.champions[0] else "team"
                self.scored.append(Scored(model, role, indices, inputs, probabilities))
                self._explain(model, indices, decayed, inputs, scores)
                return scores
        return [
            Score(None, "unscored", None, grade, reason) for grade in evidence_of(decayed, teams, DEFAULT_THRESHOLDS)
        ]

    def _explain(
        self,
        model: ScoringModel,
        indices: NDArray[np.intp],
        decayed: Decayed,
        inputs: Inputs,
        scores: Sequence[Score],
    ) -> None:
        """Choose what words beside the scores count, and find what pushed those that lie far from it."""
        likes = choose_like(decayed, 0.0 if inputs.rule_shift is None else inputs.rule_shift)
        pushes: list[Push | None] = [None] * len(scores)
        most = max(limits.EXPLAINED, int(limits.EXPLAINED_SHARE * len(scores)))
        try:
            pushes = model.occlusion.explain(inputs.matrix, scores, likes, model.predict, most)
        except MemoryError:
            raise
        except Exception as error:  # words without their reason are better than no words
            self.failures.append(Failure(model.version, error))
        if len(indices) == len(self._likes):  # one model's alerts are all of the batch, in its order
            self._likes, self._pushes = likes, pushes
            return
        for index, like, push in zip(indices.tolist(), likes, pushes, strict=True):
            self._likes[index], self._pushes[index] = like, push

    def _attach_challenger(self, served: ActiveModels, shadow: Shadow | None) -> None:
        """Put the challenger's probabilities beside the scores, if it gave any."""
        challenger = served.challenger
        if challenger is None or shadow is None:
            return
        probabilities = challenger.finish(shadow)
        self.dropped = challenger.dropped
        if probabilities is None:
            return
        version = challenger.model.version
        self.challenger_seconds = shadow.seconds
        self.scored.append(
            Scored(challenger.model, "challenger", np.arange(len(self.scores)), shadow.inputs, probabilities)
        )
        self.scores = [
            replace(score, challenger=Challenge(version, probability))
            for score, probability in zip(self.scores, probabilities.tolist(), strict=True)
        ]


def _by_model(served: ActiveModels, alerts: Sequence[Raised]) -> list[tuple[ScoringModel | None, NDArray[np.intp]]]:
    """The champions that a batch needs, each with the indices of its alerts; usually one."""
    if len(served.champions) < 2:
        return [(served.champions[0] if served.champions else None, np.arange(len(alerts)))]
    models: dict[str, ScoringModel | None] = {}
    indices: dict[str, list[int]] = {}
    version_of: dict[str, str] = {}
    for index, alert in enumerate(alerts):
        version = version_of.get(alert.team)
        if version is None:
            model = served.champion_of(alert.team)
            version = version_of[alert.team] = model.version if model else ""
            models[version] = model
        indices.setdefault(version, []).append(index)
    return [(models[version], np.array(found, dtype=np.intp)) for version, found in indices.items()]


_SCORE_VERSION = 1
NO_SCORE: Sequence[Any] = (None, "unscored", None, "none", "no_model", None)  # of an alert folded without scoring


def pack_score(score: Score) -> list[Any]:
    """A score as the ledger keeps it, its version first."""
    challenger = score.challenger
    return [
        _SCORE_VERSION,
        score.probability,
        score.band,
        score.model,
        score.evidence,
        score.reason,
        [challenger.model, challenger.probability] if challenger else None,
    ]


def score_fields(kept: Sequence[Any] | None) -> Sequence[Any]:
    """Probability, band, model, evidence, reason and challenger of what `pack_score` gave; NO_SCORE of nothing.

    Raises:
        HistoryRefused: a newer noisegate has written it.
        ValueError, TypeError, LookupError: it is no score.
    """
    if not kept:
        return NO_SCORE
    if type(kept[0]) is int:
        if kept[0] != _SCORE_VERSION:
            raise unknown_version("scores", kept[0])
        kept = kept[1:]
    # else of before there were versions: it begins with the probability, or None
    if len(kept) != len(NO_SCORE):
        raise ValueError(f"a score has {len(NO_SCORE)} fields, this one {len(kept)}")
    return kept


def unknown_version(what: str, version: int) -> HistoryRefused:
    """The refusal of what a newer noisegate has written into the ledger."""
    return HistoryRefused(
        f"the ledger in Redis holds {what} of version {version}, which this noisegate can't read",
        "run the newer version, or run `noisegate history rebuild` with this one",
    )


def unpack_score(kept: Sequence[Any] | None) -> Score:
    """The inverse of `pack_score`."""
    probability, band, model, evidence, reason, challenger = score_fields(kept)
    return Score(probability, band, model, evidence, reason, Challenge(*challenger) if challenger else None)
