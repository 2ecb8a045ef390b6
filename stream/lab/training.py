"""Training: replay, split by time, learn, export, judge, write. Nothing from after the split is used to learn."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from stream.core.errors import LabError
from stream.core.events import moment
from stream.core.frame import Array, Matrix, Priors
from stream.core.problem import Problem
from stream.eventlog import read_log
from stream.extras import TRAINING, require_lab
from stream.files import AnyPath
from stream.lab.export import check_parity, export, opset_of
from stream.lab.judging.baselines import score_baselines
from stream.lab.judging.judgement import encode_judgement, judge_trained
from stream.lab.judging.metrics import model_metrics
from stream.lab.judging.report_schema import Check
from stream.lab.learning import canaries
from stream.lab.learning.crossval import cross_validate
from stream.lab.learning.estimators import Estimator, as_estimator
from stream.lab.learning.fit import Fitted, fit_window
from stream.lab.learning.plan import Plan, check_weights
from stream.lab.log_checks import about, about_estimator, check_judging, check_log, check_training
from stream.lab.log_warnings import Notice, no_notice, sentences
from stream.lab.matrix import make_window, predict, served_matrix
from stream.lab.priors import Learnt, learn
from stream.lab.reference import Origin, make_reference
from stream.lab.replaying import Replayed, replay
from stream.lab.reporting import card
from stream.lab.sources.decisions import chances_of_file
from stream.lab.split import Split, Window, judgeable, split_at_share, split_at_time, trainable
from stream.lab.weights import holdout_sentences, label_weights, summarise_weights, weigh, weighted_mean
from stream.models.artifact import CARD, FINDINGS, ONNX, REFERENCE, REPORT
from stream.models.graph import Graph
from stream.models.manifest import FeatureRef, GateVerdict, Golden, Manifest, ProblemRef, Training
from stream.models.model import Model
from stream.models.store import write_artifact
from stream.progress import Progress, no_progress

SPLIT, SEED = 0.6, 7
_DEFAULT = Plan()
GOLDEN_ROWS = 16
_HASH_DIGITS = 8


def train(
    log: AnyPath,
    problem: Problem,
    out: AnyPath,
    *,
    split: float = SPLIT,
    seed: int = SEED,
    plan: Plan = _DEFAULT,
    estimator: Estimator | str | Callable[[], Any] | None = None,
    command: str = "stream.lab.training.train",
    created: datetime | None = None,
    progress: Progress = no_progress,
    notice: Notice = no_notice,
    decisions: AnyPath | None = None,
) -> Path:
    """Train on the first `split` of a log's alerts, judge on the rest, write a version into `out`; returns its folder.

    `estimator` learns in place of the plan's: a function that makes an unfitted one, or MODULE:FUNCTION. `notice` is
    called, before anything is learnt, with each sentence on what of the log is lost on the live system. `decisions` is
    a file of the closer's decisions: the labels of alerts that rules held out are then weighed.

    Raises:
        LogError: the log or the decisions can't be read.
        LabError: it can't be trained on or judged, or the extra is not installed.
    """
    require_lab("training needs", *TRAINING, error=LabError)
    log, out, chances = Path(log), Path(out), chances_of_file(decisions)
    if estimator is not None:
        plan = replace(plan, estimator=as_estimator(estimator))
    replayed = weigh(replay(read_log(log, problem.outcome.grace_minutes * 60.0, progress), problem), chances)
    for sentence in [*sentences(replayed.orphans, replayed.unknown_fields, problem), *holdout_sentences(replayed)]:
        notice(sentence)
    with about(log):
        return train_replayed(
            replayed, out, split=split, seed=seed, plan=plan, command=command, created=created, progress=progress
        )


def train_replayed(
    replayed: Replayed,
    out: Path,
    *,
    split: float = SPLIT,
    split_at: float | None = None,
    seed: int = SEED,
    plan: Plan = _DEFAULT,
    command: str = "stream.lab.training.train_replayed",
    judged: bool = True,
    created: datetime | None = None,
    progress: Progress = no_progress,
) -> Path:
    """The same on a replay. Without `judged` the test part may be empty, and the manifest holds no metrics.

    `split_at` (seconds since 1970) splits at a moment instead of at a share.
    """
    check_log(replayed)
    check_weights(replayed, plan)
    if split_at is not None:
        split = float(np.mean(replayed.at < split_at))
    end = split_at_share(replayed, split) if split_at is None else split_at_time(replayed, split_at)
    usable = trainable(replayed, end)
    check_training(replayed.outcome[: end.alert][usable])
    if judged:
        check_judging(replayed, end)
    progress("computing features", 0.0)
    window, learnt = make_window(replayed, end, usable, plan)
    if plan.estimator is not None:
        plan.estimator.check(window.matrix)
    baselines = score_baselines(replayed)
    progress("computing features", 1.0)
    checks = canaries.run(window, list(learnt.priors.tables), seed, progress)
    fitted = fit_window(window, baselines, seed, progress, plan)
    folds = cross_validate(window, seed, plan, fitted.tuned, lambda share: progress("cross-validating", share))
    training = replace(
        _training(window, fitted, split, seed, command),
        options=plan.options,
        folds=folds,
        canaries={check.name: check.text for check in checks},
        untested_canaries=[check.name for check in checks if check.passed is None],
    )
    with about_estimator():
        onnx = export(fitted.model, fitted.calibration, window.matrix)
    graph = Graph(onnx, len(window.features), "the new model")
    manifest = _manifest(window, learnt, fitted, graph, training, created or datetime.now(UTC), opset_of(onnx))
    files = {ONNX: onnx, REFERENCE: _reference(window, learnt, Model(manifest, graph))}
    model = Model(replace(manifest, version=_version(manifest, files)), graph, files[REFERENCE])
    progress("comparing scores with outcomes", 0.0)
    manifest, reports = _judge(window, fitted, model, baselines, checks, plan) if judged else (model.manifest, {})
    _check_served(window, fitted, model)
    folder = write_artifact(out, manifest, {**files, CARD: card.write(manifest).encode(), **reports})
    progress("comparing scores with outcomes", 1.0)
    return folder


def _manifest(
    window: Window,
    learnt: Learnt,
    fitted: Fitted,
    graph: Graph,
    training: Training,
    created: datetime,
    opset: dict[str, int],
) -> Manifest:
    problem = window.replayed.problem
    return Manifest(
        version="0000-00-00-0000",  # known when the content is
        created=created,
        problem=_problem_ref(problem),
        labels=problem.history.labels,
        features=[FeatureRef(feature.name, feature.version) for feature in window.features],
        priors=learnt.priors,
        thresholds=fitted.thresholds,
        calibration=fitted.calibration,
        training=training,
        golden=_golden(graph, window.matrix),
        opset=opset,
    )


def _judge(
    window: Window,
    fitted: Fitted,
    model: Model,
    baselines: Mapping[str, Array],
    checks: Sequence[Check],
    plan: Plan,
) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest with its figures and the gate's verdict, and card and reports, for people and for programs."""
    from stream.lab.reporting import report  # it needs the extra's libraries

    replayed = window.replayed
    mask = judgeable(replayed, window.end)
    scores = predict(model, served_matrix(replayed, model, np.flatnonzero(mask)))
    metrics = model_metrics(replayed, mask, scores, baselines, fitted.fixed)
    found = judge_trained(window, fitted, model, baselines, scores, mask, plan=plan)
    unused = sentences(replayed.orphans, replayed.unknown_fields, replayed.problem)
    strange = [] if plan.estimator is None else plan.estimator.notes
    found = replace(found, canaries=list(checks), notes=[*found.notes, *strange, *unused])
    gate = GateVerdict(
        passed=found.gate.passed is True,
        failed=[check.text for check in found.gate.checks if check.passed is False],
        not_tested=[f"{check.name} ({check.text})" for check in found.gate.checks if check.passed is None],
    )
    manifest = replace(model.manifest, metrics=metrics, gate=gate)
    texts = {CARD: card.write(manifest, found), REPORT: report.write(found)}
    return manifest, {name: text.encode() for name, text in texts.items()} | {FINDINGS: encode_judgement(found)}


def _check_served(window: Window, fitted: Fitted, model: Model) -> None:
    """Parity on all alerts after the split; before it, if there are none."""
    matrix = served_matrix(window.replayed, model, np.flatnonzero(window.replayed.at >= window.end.at))
    check_parity(fitted.model, fitted.calibration, model.predict, matrix if len(matrix) else window.matrix)


def _training(window: Window, fitted: Fitted, split: float, seed: int, command: str) -> Training:
    replayed, end = window.replayed, window.end
    count = int(np.count_nonzero(window.usable))
    excluded = int(np.count_nonzero(~replayed.counts[: end.alert]))
    before = int(np.count_nonzero(replayed.at < end.at))
    return Training(
        command=command,
        seed=seed,
        split=split,
        split_at=moment(end.at),
        first_raise=moment(float(replayed.at.min())),
        last_raise=moment(float(replayed.at[: end.alert].max())),
        events=replayed.events,
        used=count,
        purged=before - count - excluded,
        excluded=excluded,
        label_rate=weighted_mean(replayed.outcome[: end.alert][window.usable], label_weights(replayed, window.usable)),
        rounds=fitted.model.rounds,
        params=fitted.params,
        fixed_thresholds=fitted.fixed,
        simulated=any(alert.labels.get("simulated") == "true" for alert in replayed.alerts),
        weights=summarise_weights(replayed, window.usable),
    )


def _problem_ref(problem: Problem) -> ProblemRef:
    return ProblemRef(problem.name, problem.digest, problem.question, problem)


def _golden(graph: Graph, matrix: Matrix) -> Golden:
    """Rows from all over the training window, with what the graph says of them."""
    rows = matrix[np.linspace(0, len(matrix) - 1, min(GOLDEN_ROWS, len(matrix))).astype(int)]
    values = [[None if np.isnan(value) else float(value) for value in row] for row in rows]
    return Golden(values, graph.run(rows).tolist())


def _reference(window: Window, learnt: Learnt, model: Model) -> bytes:
    """From the later half of the training window: in the first half, history had only begun to fill."""
    replayed = window.replayed
    later = later_half(replayed, window.end)
    matrix = served_matrix(replayed, model, later)
    names = [feature.name for feature in window.features]
    scores, rate = predict(model, matrix), model.manifest.training.label_rate
    ringing = [feature.name for feature in window.features if feature.watch == "ring"]
    return make_reference(matrix, names, scores, rate, origin_of(replayed, window.end, later, learnt), ringing)


def later_half(replayed: Replayed, end: Split) -> NDArray[np.int64]:
    """The alerts of the training window's later half that count."""
    later = np.flatnonzero(replayed.counts[: end.alert])
    return later[later >= end.alert // 2]


def origin_of(replayed: Replayed, end: Split, later: NDArray[np.int64], learnt: Learnt) -> Origin:
    """Where the reference's alerts come from; what of them is new, judged by tables of the earlier half alone."""
    alerts = [replayed.alerts[index] for index in later.tolist()]
    half = split_at_time(replayed, float(replayed.at[end.alert // 2]))
    earlier = learn(replayed, list(learnt.priors.tables), half.step, half.alert).priors.tables
    known = Priors(0.5, earlier).encode_known(alerts)[1]
    unseen = {key: float(np.mean(~seen)) for key, seen in known.items()} if alerts else {}
    return Origin(replayed.at[later], alerts, replayed.problem.history.labels, unseen)


def _version(manifest: Manifest, files: Mapping[str, bytes]) -> str:
    """The day it was made and a hash of everything that decides a score, band or drift figure."""
    decisive = (manifest.problem.definition, manifest.features, manifest.priors, manifest.thresholds)
    content = hashlib.sha256(msgspec.json.encode(decisive, order="sorted"))
    for name in sorted(files):
        content.update(files[name])
    day = manifest.created.astimezone(UTC).date()
    return f"{day:%Y-%m-%d}-{content.hexdigest()[:_HASH_DIGITS]}"
