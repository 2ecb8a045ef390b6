"""A log's alerts with a model's scores and their outcomes, as the scorer would have published them.

Only what was raised after the model's split is scored: on what a model learnt from, its scores flatter every rule.
"""

from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from stream.core import state
from stream.core.episodes import episode_id, episode_start
from stream.core.events import moment, seconds
from stream.core.kinds import EXPIRY
from stream.core.ledger import OPEN, OUTCOME_NAMES, Alert, flag_names
from stream.core.levels import TEAM_RULE_ENTITY
from stream.core.problem import Problem
from stream.core.records import Enriched, Flag, Outcome, Score
from stream.core.scoring import band_of, evidence_of, whys_of
from stream.eventlog import read_log
from stream.files import AnyPath
from stream.lab.matrix import predict, served_matrix
from stream.lab.replaying import Replayed, replay
from stream.models.artifact import verify
from stream.models.model import Model, load_model
from stream.models.store import find
from stream.progress import Progress, no_progress

_CHUNK = 10_000


class ScoredLog(Struct, frozen=True, eq=False):
    """The alerts of a log that a model scored.

    Attributes:
        problem: the model's.
        model: its version.
        enriched: as raised and scored, in log order; without what only people read, `why.like` and `why.push`.
        outcomes: what became of each; None where it was open when the log ended.
        ended_at: the log's end, seconds since 1970.
        learnt: alerts that were left out, as they were raised before the model's split.
    """

    problem: Problem
    model: str
    enriched: list[Enriched]
    outcomes: list[Outcome | None]
    ended_at: float
    learnt: int

    def pairs(self) -> Iterator[tuple[Enriched, Outcome]]:
        """Each alert that has an outcome, with it."""
        for enriched, outcome in zip(self.enriched, self.outcomes, strict=True):
            if outcome is not None:
                yield enriched, outcome


def score_log(log: AnyPath, model_dir: AnyPath, progress: Progress = no_progress) -> ScoredLog:
    """The alerts of a log with scores of a model: an artifact, or a store's champion, else its newest version.

    Raises:
        ModelError: there is no sound model there.
        LogError: the log can't be read.
    """
    folder = find(Path(model_dir))
    problem = verify(folder).problem.definition
    model = load_model(folder, problem)
    replayed = replay(read_log(log, problem.outcome.grace_minutes * 60.0, progress), problem)
    return score_replayed(replayed, model)


def score_replayed(replayed: Replayed, model: Model) -> ScoredLog:
    """The same of a replay that is done already."""
    wanted = np.flatnonzero(replayed.at >= seconds(model.manifest.training.split_at))
    enriched: list[Enriched] = []
    for start in range(0, len(wanted), _CHUNK):
        enriched += _enriched(replayed, model, wanted[start : start + _CHUNK])
    outcomes = [_outcome(replayed, one, int(index)) for one, index in zip(enriched, wanted, strict=True)]
    learnt = len(replayed.at) - len(wanted)
    return ScoredLog(replayed.problem, model.version, enriched, outcomes, replayed.ended_at, learnt)


def _enriched(replayed: Replayed, model: Model, indices: NDArray[np.int64]) -> Iterator[Enriched]:
    rows = np.asarray(replayed.rows[indices])
    alerts = [replayed.alerts[index] for index in indices.tolist()]
    probabilities = predict(model, served_matrix(replayed, model, indices)).tolist()
    evidence = evidence_of(rows, [alert.team for alert in alerts], model.thresholds)
    gap = replayed.problem.history.episode_minutes * 60.0
    begin = 1 + state.WIDTH * TEAM_RULE_ENTITY
    for number, (alert, why) in enumerate(zip(alerts, whys_of(rows), strict=True)):
        probability = probabilities[number]
        at = float(replayed.at[indices[number]])
        level = array("d", rows[number, begin : begin + state.WIDTH])
        entry = Alert(at, alert.rule, alert.entity, (), episode=episode_start(level, at, gap))
        flags: list[Flag] = list(flag_names(int(replayed.flags[indices[number]])))  # type: ignore[arg-type]
        yield Enriched(
            alert=alert,
            score=Score(probability, band_of(probability, model.thresholds), model.version, evidence[number]),
            why=why,
            flags=flags,
            scored_at=alert.at,
            offset="",
            episode=episode_id(alert.team, entry),
        )


def _outcome(replayed: Replayed, scored: Enriched, index: int) -> Outcome | None:
    code = int(replayed.outcome[index])
    if code == OPEN:
        return None
    alert, last = scored.alert, int(replayed.last_outcome[index])
    model, probability = scored.score.model or "", scored.score.probability or 0.0
    return Outcome(
        alert_id=alert.alert_id,
        team=alert.team,
        rule=alert.rule,
        entity=alert.entity,
        raised_at=alert.at,
        outcome=OUTCOME_NAMES[code],  # type: ignore[arg-type]  # the table's values are the names
        decided_at=moment(float(replayed.decided_at[index])),
        by=EXPIRY,  # a replay does not keep by what
        problem=replayed.problem.id,
        model=model,
        scores={model: probability},
        evidence=scored.score.evidence,
        last_outcome=last if last >= 0 else None,
        flags=scored.flags,
        severity=alert.severity,
        source=alert.source,
        labels=alert.labels,
        episode=scored.episode,
    )
