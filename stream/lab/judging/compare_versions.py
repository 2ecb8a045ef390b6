"""The comparison of a new model with the champion, on the same alerts."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct

from stream.core.errors import ModelError
from stream.core.events import seconds
from stream.core.scoring import Thresholds
from stream.lab.judging import metrics
from stream.lab.judging.compare_live import Comparison, PairedScores, compare_scores
from stream.lab.judging.drift import judge_drift
from stream.lab.judging.metrics import check_classes
from stream.lab.judging.report_schema import Drift, Importance
from stream.lab.judging.teams import judge_teams
from stream.lab.matrix import predict, served_matrix
from stream.lab.replaying import Replayed
from stream.lab.split import judgeable, split_at_time
from stream.lab.weights import label_weights
from stream.models.artifact import FINDINGS, read_file
from stream.models.model import Model

LEAST_SHIFT = 0.01  # of all gain in the trees: less is left out
EDGES = ("likely_noise", "likely_actionable", "weak", "some", "strong")


class Shift(Struct, frozen=True):
    """A figure of the champion and of the new model."""

    name: str
    before: float
    after: float


class VerdictChange(Struct, frozen=True):
    """A team that one model can read and the other can't, on the same alerts."""

    team: str
    alerts: int
    before: str
    after: str


class VersionComparison(Struct, frozen=True, kw_only=True):
    """The differences between champion and new model.

    Attributes:
        comparison: both on the matured alerts raised after both were split.
        auc: of both on them.
        drift: features that drifted from the champion's training to the alerts after the new split.
        watched: how many features were looked at for it; `untested` of them have too few of the `alerts` to tell.
        importance: features whose share of the gain in the trees moved most; None where the champion's report has none.
        thresholds: edges of bands and evidence that differ.
        verdicts: teams whose verdict differs.
        newly_unreadable, readable_again: teams of whom people are told "not enough history" by one of them only.
    """

    comparison: Comparison
    auc: Shift
    drift: list[Drift]
    watched: int
    importance: list[Shift] | None
    thresholds: list[Shift]
    verdicts: list[VerdictChange]
    newly_unreadable: list[str]
    readable_again: list[str]
    untested: int = 0
    alerts: int = 0


def compare_versions(
    replayed: Replayed, champion: Model, champion_folder: Path, new: Model, new_folder: Path
) -> VersionComparison:
    """The comparison on one replay; the models' folders hold the reference and the report.

    Raises:
        LabError: no alert after both splits can be judged, or all came out alike.
        ModelError: a model failed.
    """
    splits = [seconds(model.manifest.training.split_at) for model in (champion, new)]
    judged = judgeable(replayed, split_at_time(replayed, max(splits)))
    y, places = replayed.outcome[judged], np.flatnonzero(judged)
    check_classes(y, "part after both models' splits")
    scores = [predict(model, served_matrix(replayed, model, places)) for model in (champion, new)]
    edges = {model.version: model.thresholds.likely_noise for model in (champion, new)}
    weights = label_weights(replayed, judged)
    pair = PairedScores(replayed.at[judged], y, scores[0], scores[1], weights)
    teams = [replayed.alerts[place].team for place in places.tolist()]
    unreadable = [set(model.thresholds.unreadable) for model in (champion, new)]
    drift = _drift(replayed, champion, splits[1])
    return VersionComparison(
        comparison=compare_scores(pair, champion.version, new.version, replayed.problem, edges),
        auc=Shift("AUC", *(metrics.auc(y, p, weights) for p in scores)),
        drift=[one for one in drift if one.drifted],
        watched=sum(not one.shown_only for one in drift),
        importance=_importance(champion_folder, new_folder),
        thresholds=_edges(champion.thresholds, new.thresholds),
        verdicts=_verdicts(teams, pair),
        newly_unreadable=sorted(unreadable[1] - unreadable[0]),
        readable_again=sorted(unreadable[0] - unreadable[1]),
        untested=sum(one.drifted is None for one in drift),
        alerts=max((one.n or 0 for one in drift), default=0),
    )


def _drift(replayed: Replayed, champion: Model, start: float) -> list[Drift]:
    """Every feature of the champion: its reference beside the alerts raised from `start` on, the most drifted first."""
    places = np.flatnonzero(replayed.counts & (replayed.at >= start))
    return judge_drift(
        champion.reference, replayed.at[places], served_matrix(replayed, champion, places), champion.table
    )


def _importance(*folders: Path) -> list[Shift] | None:
    shares = [_importance_shares(folder) for folder in folders]
    if not all(shares):
        return None
    before, after = shares
    shifts = [Shift(name, before.get(name, 0.0), after.get(name, 0.0)) for name in before.keys() | after.keys()]
    moved = [shift for shift in shifts if abs(shift.after - shift.before) >= LEAST_SHIFT]
    return sorted(moved, key=lambda shift: (-abs(shift.after - shift.before), shift.name))


def _importance_shares(folder: Path) -> Mapping[str, float]:
    """Each feature's share of the gain, from report.json; empty where an older model has none, or another form."""
    try:
        found = msgspec.json.decode(read_file(folder, FINDINGS), type=_ImportanceSection)
    except (ModelError, msgspec.DecodeError, ValueError):
        return {}
    return {one.feature: one.share for one in found.importance or []}


class _ImportanceSection(Struct, frozen=True):
    """The one section of `Judgement` that is read here."""

    importance: list[Importance] | None = None


def _edges(before: Thresholds, after: Thresholds) -> list[Shift]:
    shifts = [Shift(name, getattr(before, name), getattr(after, name)) for name in EDGES]
    return [shift for shift in shifts if shift.before != shift.after]


def _verdicts(teams: Sequence[str], pair: PairedScores) -> list[VerdictChange]:
    """Judged on the same alerts, so that a difference is the models' and not that of their test parts."""
    before, after = (judge_teams(teams, pair.y, p, pair.weights).teams for p in (pair.champion, pair.challenger))
    verdict = {team.name: team.verdict for team in after}
    return [
        VerdictChange(team.name, team.count, team.verdict, verdict[team.name])
        for team in before
        if team.verdict != verdict[team.name]
    ]
