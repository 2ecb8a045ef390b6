"""The retraining loop, for cron: pull the log, audit, train, judge beside the champion, publish as challenger.

It promotes nothing, unless `retrain_promotes` is set: then, before anything is trained, the present challenger becomes
the champion if its live comparison allows it.
"""

import tempfile
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from stream.config import Settings
from stream.core.errors import LabError, ModelError
from stream.core.events import moment
from stream.core.records import Decision
from stream.eventlog import read_log
from stream.extras import AUDITING, TRAINING, require_lab
from stream.lab.auditing.audit import audit_replayed
from stream.lab.judging.compare_versions import VersionComparison, compare_versions
from stream.lab.learning.plan import Plan
from stream.lab.lock import retrain_lock
from stream.lab.log_checks import about, check_log
from stream.lab.replaying import Replayed, replay
from stream.lab.reporting import retrain_report
from stream.lab.reporting.retrain_report import REFUSED, Data, RetrainResult, Verdict
from stream.lab.sources.decisions import holdout_chances
from stream.lab.store_state import (
    Promote,
    StoreState,
    after_promotion,
    fetch_champion,
    lost_champion,
    read_pointer_or_none,
    read_store_state,
    retry_while_away,
)
from stream.lab.training import SEED, train_replayed
from stream.lab.weights import holdout_sentences, weigh
from stream.models.artifact import read_file
from stream.models.changes import Change, Verb, who
from stream.models.manifest import Manifest
from stream.models.model import Model, load_model
from stream.models.pointers import CHALLENGER, Pointer
from stream.models.store import Store
from stream.progress import Progress, no_progress

JUDGE_DAYS = 14.0
PAGE = "retrain.md"  # among the version's files
DAY = 86_400.0
Pull = Callable[[Path, float | None, Progress], Mapping[str, int]]
"""Write the log to a file, from a time (seconds since 1970) or from its beginning; what was left out, by reason."""
Decisions = Callable[[], Iterable[Decision]]
"""The closer's decisions, whose hold-out weighs labels; called once, before anything is trained."""


class RetrainRequest(Struct, frozen=True, kw_only=True):
    """The options of a retraining.

    Attributes:
        since: only the log from this time on (seconds since 1970), None for all of it. The history before is then not
            folded, and counts that never decay are smaller than a scorer's.
        judge_days: how long before the end of what has matured the split lies. Days and not a share of the alerts: a
            share grows with the log, and with it the age of the newest alert that was learnt from.
        skip_bad: records that are no events are left out and counted; else they end the run.
        force: why a model that failed the gate, or is surely worse than the champion, becomes challenger all the same.
    """

    since: float | None = None
    judge_days: float = JUDGE_DAYS
    seed: int = SEED
    plan: Plan = Plan()
    skip_bad: bool = True
    force: str | None = None
    command: str = "noisegate retrain"


def retrain(
    settings: Settings,
    request: RetrainRequest,
    pull: Pull,
    promote: Promote,
    progress: Progress = no_progress,
    now: datetime | None = None,
    decisions: Decisions = tuple,
) -> RetrainResult:
    """The result of one run of the loop.

    Raises:
        LabError: another run is at work, or the log can't be trained on.
        BrokerError, ModelError: Kafka or the model store can't be used.
    """
    if request.force is not None and not request.force.strip():
        raise LabError("--force is empty: say why, it is noted in the store's log of changes")
    problem, at = settings.load_problem(), now or datetime.now(UTC)
    require_lab("retraining needs", *TRAINING, *AUDITING, error=LabError)
    store = Store(settings.models.store)
    with retrain_lock(settings), tempfile.TemporaryDirectory(prefix="noisegate-retrain-") as made:
        folder = Path(made)
        before = retry_while_away(lambda: read_store_state(settings, store, problem))
        if settings.models.retrain_promotes:
            before = after_promotion(store, before, promote)
        champion = fetch_champion(store, before.champion, folder / "champion")
        log = folder / "events.jsonl.gz"
        left_out = pull(log, request.since, progress)
        if left_out and not request.skip_bad:
            raise LabError("; ".join(_unused(left_out)), "leave them out with --skip-bad")
        replayed = replay(read_log(log, problem.outcome.grace_minutes * 60.0, progress), problem)
        replayed = weigh(replayed, holdout_chances(decisions()))
        with about(Path(settings.topics.events)):
            new = _train(replayed, request, folder / "models", at, progress)
            warnings = lost_champion(store, before) + _audit(replayed, new, left_out)
            moved, unjudged = _beside(champion, replayed, new)
        found = _judged(replayed, before, new.manifest, request, warnings, moved, unjudged, bool(settings.models.keys))
        _publish(store, new, found)
        return found


class _New(Struct, frozen=True):
    """The version just trained, in its own folder."""

    folder: Path
    manifest: Manifest
    model: Model
    split_at: float


def _train(replayed: Replayed, request: RetrainRequest, out: Path, at: datetime, progress: Progress) -> _New:
    check_log(replayed)
    # where nothing was raised any more, ticks let time go on: the days to judge by are the last that hold alerts
    matured = min(replayed.ended_at - replayed.problem.due_seconds, float(replayed.at.max()))
    split_at = matured - request.judge_days * DAY
    if split_at <= float(replayed.at.min()):
        days = (replayed.ended_at - float(replayed.at.min())) / DAY
        raise LabError(
            f"the log spans {days:.1f} days, too few to judge on the last {request.judge_days:g} days that have "
            "matured",
            "give fewer --judge-days, or wait",
        )
    folder = train_replayed(
        replayed,
        out,
        split_at=split_at,
        seed=request.seed,
        plan=request.plan,
        command=request.command,
        created=at,
        progress=progress,
    )
    model = load_model(folder, replayed.problem)
    return _New(folder, model.manifest, model, split_at)


def _audit(replayed: Replayed, new: _New, left_out: Mapping[str, int]) -> list[str]:
    found = audit_replayed(replayed, new.manifest.training.split)
    return (
        _unused(left_out) + holdout_sentences(replayed) + [finding.text for finding in found.findings if finding.warns]
    )


def _unused(left_out: Mapping[str, int]) -> list[str]:
    return [f"{count:,} records on Kafka can't be used: {reason}" for reason, count in left_out.items()]


def _beside(
    champion: Path | ModelError | None, replayed: Replayed, new: _New
) -> tuple[VersionComparison | None, str | None]:
    """The new model beside the champion of most teams, or why that can't be."""
    if champion is None or isinstance(champion, ModelError):
        return None, None if champion is None else str(champion)
    if champion.name == new.manifest.version:
        return None, None
    try:
        old = load_model(champion, replayed.problem)
        return compare_versions(replayed, old, champion, new.model, new.folder), None
    except (ModelError, LabError) as error:
        return None, str(error)


def _judged(
    replayed: Replayed,
    before: StoreState,
    manifest: Manifest,
    request: RetrainRequest,
    warnings: list[str],
    moved: VersionComparison | None,
    unjudged: str | None,
    signed: bool,
) -> RetrainResult:
    metrics = manifest.metrics
    faults = [f"gate: {text}" for text in _gate_faults(manifest)]
    if moved is not None:
        faults += [f"surely worse than the champion: {text}" for text in moved.comparison.worse]
    known = {before.challenger, *(before.champion.versions if before.champion else ())}
    return RetrainResult(
        version=manifest.version,
        created=manifest.created,
        problem=replayed.problem.id,
        question=replayed.problem.question,
        simulated=manifest.training.simulated,
        verdict=_verdict(manifest.version in known, before.champion is not None, faults, request.force),
        faults=faults,
        forced=request.force if faults else None,
        champion=before.champion.default if before.champion else None,
        other_champions=list(before.champion.versions[1:]) if before.champion else [],
        replaced=before.challenger,
        live_comparison=before.live_comparison,
        promoted=before.promoted,
        not_promoted=before.not_promoted,
        data=_data(replayed, manifest, request),
        warnings=warnings,
        metrics=metrics,
        moved=moved,
        unjudged=unjudged,
        to_sign=signed,
    )


def _gate_faults(manifest: Manifest) -> list[str]:
    if manifest.gate is None:
        return [f"{retrain_report.NOT_TESTED}the model was not judged"]
    return [] if manifest.gate.passed else manifest.gate.faults or ["no condition is told"]


def _verdict(there: bool, champion: bool, faults: list[str], force: str | None) -> Verdict:
    if there:
        return "there_already"
    if not champion:
        return "first"
    return REFUSED if faults and force is None else "challenger"


def _data(replayed: Replayed, manifest: Manifest, request: RetrainRequest) -> Data:
    made = manifest.training
    return Data(
        events=made.events,
        alerts=len(replayed.at),
        first_raise=made.first_raise,
        split_at=made.split_at,
        ended_at=moment(replayed.ended_at),
        since=None if request.since is None else moment(request.since),
        used=made.used,
        purged=made.purged,
        excluded=made.excluded,
        label_rate=made.label_rate,
        weights=made.weights,
    )


def _publish(store: Store, new: _New, found: RetrainResult) -> None:
    files = {name: read_file(new.folder, name) for name in new.manifest.files}
    whole = {**files, PAGE: retrain_report.write(found).encode()}
    retry_while_away(lambda: store.publish(new.manifest, whole))
    if found.verdict == "there_already":
        return
    published = _change("publish", found, None, None)
    retry_while_away(lambda: store.note(published))
    if found.verdict == "challenger":
        after = Pointer(found.version)
        challenge = _change(
            "challenge", found, retry_while_away(lambda: read_pointer_or_none(store, CHALLENGER)), after
        )
        retry_while_away(lambda: store.point(CHALLENGER, after))
        retry_while_away(lambda: store.note(challenge))


def _change(verb: Verb, found: RetrainResult, before: Pointer | None, after: Pointer | None) -> Change:
    return Change(
        at=datetime.now(UTC),
        who=who(),
        verb=verb,
        version=found.version,
        pointer=None if after is None else CHALLENGER,
        before=before,
        after=after,
        reason=found.forced or "retrained",
        forced=found.forced is not None,
    )
