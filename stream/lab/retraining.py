"""The retraining loop, for cron: pull the log, audit, train, judge beside the champion, publish as challenger.

It promotes nothing, unless `retrain_promotes` is set: then, before anything is trained, the present challenger becomes
the champion if its evidence allows it.
"""

import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from stream.config import Settings
from stream.core.errors import LabError, ModelError, StoreAway
from stream.core.events import moment
from stream.core.problem import Problem
from stream.extras import AUDITING, TRAINING, require_lab
from stream.lab.auditing.audit import audit_replayed
from stream.lab.check import about, check_log
from stream.lab.judging.moved import Moved, judge_moved
from stream.lab.judging.served import Comparison, compare_served, read_outcomes
from stream.lab.learning.plan import Plan
from stream.lab.lock import only_one
from stream.eventlog import Progress, no_progress, read_log
from stream.lab.replaying import Replayed, replay
from stream.lab.reporting import retrained as page
from stream.lab.reporting.retrained import REFUSED, Data, Retrained, Standing
from stream.lab.retrying import retry_while_away
from stream.lab.training import SEED, train_replayed
from stream.models.artifact import read_file
from stream.models.changes import Change, Verb, before_last, challenged_since, who
from stream.models.manifest import Manifest
from stream.models.pointers import CHALLENGER, CHAMPION, Pointer
from stream.models.model import Model, load_model
from stream.models.store import Store, no_champion

JUDGE_DAYS = 14.0
PAGE = "retrain.md"  # among the version's files
DAY = 86_400.0
Pull = Callable[[Path, float | None, Progress], Mapping[str, int]]
"""Write the log to a file, from a time (seconds since 1970) or from its beginning; what was left out, by reason."""
Promote = Callable[[str], str | None]
"""Make a version the champion if that is allowed; returns why not, None if it was done."""


class Asked(Struct, frozen=True, kw_only=True):
    """The options of a retraining.

    Attributes:
        since: only the log from this time on (seconds since 1970), None for all of it. The history before is then not
            folded, and counts that never decay are smaller than a scorer's.
        judge_days: how long before the end of what has matured the split lies. Days and not a share of the alerts: a
            share grows with the log, and with it the age of the newest alert that was learnt from.
        force: why a model that failed the gate, or is surely worse than the champion, becomes challenger all the same.
    """

    since: float | None = None
    judge_days: float = JUDGE_DAYS
    seed: int = SEED
    plan: Plan = Plan()
    force: str | None = None
    command: str = "noisegate retrain"


class Present(Struct, frozen=True):
    """The store as it is before the new version: whom the pointers name, and the challenger's evidence so far."""

    champion: Pointer | None
    challenger: str | None
    evidence: Comparison | None
    promoted: str | None = None
    not_promoted: str | None = None


def retrain(
    settings: Settings,
    asked: Asked,
    pull: Pull,
    promote: Promote,
    progress: Progress = no_progress,
    now: datetime | None = None,
) -> Retrained:
    """Run the loop once.

    Raises:
        LabError: another run is at work, or the log can't be trained on.
        BrokerError, ModelError: Kafka or the model store can't be used.
    """
    if asked.force is not None and not asked.force.strip():
        raise LabError("--force is empty: say why, it is noted in the store's log of changes")
    problem, at = settings.load_problem(), now or datetime.now(UTC)
    require_lab("retraining needs", *TRAINING, *AUDITING, error=LabError)
    store = Store(settings.models.store)
    with only_one(settings), tempfile.TemporaryDirectory(prefix="noisegate-retrain-") as made:
        folder = Path(made)
        present = retry_while_away(lambda: _present(settings, store, problem))
        if settings.models.retrain_promotes:
            present = _promoted(store, present, promote)
        champion = _fetch_champion(store, present.champion, folder / "champion")
        log = folder / "events.jsonl.gz"
        left_out = pull(log, asked.since, progress)
        replayed = replay(read_log(log, problem.outcome.grace_minutes * 60.0, progress), problem)
        with about(Path(settings.topics.events)):
            new = _train(replayed, asked, folder / "models", at, progress)
            warnings = _lost_champion(store, present) + _audit(replayed, new, left_out)
            moved, unjudged = _beside(champion, replayed, new)
        found = _judged(replayed, present, new.manifest, asked, warnings, moved, unjudged, bool(settings.models.keys))
        _publish(store, new, found)
        return found


class _New(Struct, frozen=True):
    """The version just trained, in its own folder."""

    folder: Path
    manifest: Manifest
    model: Model
    split_at: float


def _present(settings: Settings, store: Store, problem: Problem) -> Present:
    champion, pointed = store.pointer(CHAMPION), _challenger(store)
    challenger = pointed.default if pointed else None
    if champion is None or challenger is None or challenger == champion.default:
        return Present(champion, challenger, None)
    names = champion.default, challenger
    try:
        edges = {name: store.manifest(name).thresholds.likely_noise for name in names}
    except StoreAway:
        raise
    except ModelError:  # a pointer to nothing
        return Present(champion, challenger, None)
    since = challenged_since(store.changes(), challenger)
    outcomes = read_outcomes(settings, since)
    return Present(champion, challenger, compare_served(outcomes, *names, problem, edges))


def _challenger(store: Store) -> Pointer | None:
    """None also where the pointer can't be understood: what is trained now mends it."""
    try:
        return store.pointer(CHALLENGER)
    except StoreAway:
        raise
    except ModelError:
        return None


def _promoted(store: Store, present: Present, promote: Promote) -> Present:
    """As it is once the challenger was promoted, if that was allowed."""
    if present.evidence is None or present.challenger is None:
        return present
    fault = promote(present.challenger)
    if fault is not None:
        return replace(present, not_promoted=fault)
    return replace(present, champion=store.pointer(CHAMPION), challenger=None, promoted=present.challenger)


def _train(replayed: Replayed, asked: Asked, out: Path, at: datetime, progress: Progress) -> _New:
    check_log(replayed)
    # where nothing was raised any more, ticks let time go on: the days to judge by are the last that hold alerts
    matured = min(replayed.ended_at - replayed.problem.due_seconds, float(replayed.at.max()))
    split_at = matured - asked.judge_days * DAY
    if split_at <= float(replayed.at.min()):
        days = (replayed.ended_at - float(replayed.at.min())) / DAY
        raise LabError(
            f"the log spans {days:.1f} days, too few to judge on the last {asked.judge_days:g} days that have matured",
            "give fewer --judge-days, or wait",
        )
    folder = train_replayed(
        replayed,
        out,
        split_at=split_at,
        seed=asked.seed,
        plan=asked.plan,
        command=asked.command,
        created=at,
        progress=progress,
    )
    model = load_model(folder, replayed.problem)
    return _New(folder, model.manifest, model, split_at)


def _lost_champion(store: Store, present: Present) -> list[str]:
    """That there was a champion, where there is none any more: the new version is then not the first."""
    if present.champion is not None or before_last(retry_while_away(store.changes), None) is None:
        return []
    return [no_champion(store)]


def _audit(replayed: Replayed, new: _New, left_out: Mapping[str, int]) -> list[str]:
    found = audit_replayed(replayed, new.manifest.training.split)
    unused = [f"{count:,} records on Kafka can't be used: {reason}" for reason, count in left_out.items()]
    return unused + [finding.text for finding in found.findings if finding.warns]


def _fetch_champion(store: Store, champion: Pointer | None, into: Path) -> Path | ModelError | None:
    """The folder of the champion of most teams, or why it is not sound; None where there is none.

    It is fetched before the hours of training: a store that can't be reached ends the run here.
    """
    if champion is None:
        return None
    try:
        return retry_while_away(lambda: store.fetch(champion.default, into))
    except StoreAway:
        raise
    except ModelError as error:
        return error


def _beside(champion: Path | ModelError | None, replayed: Replayed, new: _New) -> tuple[Moved | None, str | None]:
    """The new model beside the champion of most teams, or why that can't be."""
    if champion is None or isinstance(champion, ModelError):
        return None, None if champion is None else str(champion)
    if champion.name == new.manifest.version:
        return None, None
    try:
        old = load_model(champion, replayed.problem)
        return judge_moved(replayed, old, champion, new.model, new.folder), None
    except (ModelError, LabError) as error:
        return None, str(error)


def _judged(
    replayed: Replayed,
    present: Present,
    manifest: Manifest,
    asked: Asked,
    warnings: list[str],
    moved: Moved | None,
    unjudged: str | None,
    signed: bool,
) -> Retrained:
    metrics = manifest.metrics
    faults = [f"gate: {text}" for text in _gate_faults(manifest)]
    if moved is not None:
        faults += [f"surely worse than the champion: {text}" for text in moved.comparison.worse]
    known = {present.challenger, *(present.champion.versions if present.champion else ())}
    return Retrained(
        version=manifest.version,
        created=manifest.created,
        problem=replayed.problem.id,
        question=replayed.problem.question,
        simulated=manifest.training.simulated,
        standing=_standing(manifest.version in known, present.champion is not None, faults, asked.force),
        faults=faults,
        forced=asked.force if faults else None,
        champion=present.champion.default if present.champion else None,
        other_champions=list(present.champion.versions[1:]) if present.champion else [],
        replaced=present.challenger,
        evidence=present.evidence,
        promoted=present.promoted,
        not_promoted=present.not_promoted,
        data=_data(replayed, manifest, asked),
        warnings=warnings,
        metrics=metrics,
        moved=moved,
        unjudged=unjudged,
        to_sign=signed,
    )


def _gate_faults(manifest: Manifest) -> list[str]:
    if manifest.gate is None:
        return [f"{page.NOT_TESTED}the model was not judged"]
    return [] if manifest.gate.passed else manifest.gate.faults or ["no condition is told"]


def _standing(there: bool, champion: bool, faults: list[str], force: str | None) -> Standing:
    if there:
        return "there_already"
    if not champion:
        return "first"
    return REFUSED if faults and force is None else "challenger"


def _data(replayed: Replayed, manifest: Manifest, asked: Asked) -> Data:
    made = manifest.training
    return Data(
        events=made.events,
        alerts=len(replayed.at),
        first_raise=made.first_raise,
        split_at=made.split_at,
        ended_at=moment(replayed.ended_at),
        since=None if asked.since is None else moment(asked.since),
        used=made.used,
        purged=made.purged,
        excluded=made.excluded,
        label_rate=made.label_rate,
    )


def _publish(store: Store, new: _New, found: Retrained) -> None:
    files = {name: read_file(new.folder, name) for name in new.manifest.files}
    whole = {**files, PAGE: page.write(found).encode()}
    retry_while_away(lambda: store.publish(new.manifest, whole))
    if found.standing == "there_already":
        return
    published = _change("publish", found, None, None)
    retry_while_away(lambda: store.note(published))
    if found.standing == "challenger":
        after = Pointer(found.version)
        challenge = _change("challenge", found, retry_while_away(lambda: _challenger(store)), after)
        retry_while_away(lambda: store.point(CHALLENGER, after))
        retry_while_away(lambda: store.note(challenge))


def _change(verb: Verb, found: Retrained, before: Pointer | None, after: Pointer | None) -> Change:
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
