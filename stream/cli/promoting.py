"""Moving pointers: what a version must show before it is promoted, and what each move notes in the log of changes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

from stream.config import Settings
from stream.core.errors import ModelError, NoisegateError, StoreAway
from stream.models.artifact import check_files
from stream.models.cache import fetch
from stream.models.changes import Change, Verb, before_last, challenged_since, who
from stream.models.manifest import Manifest
from stream.models.pointers import CHALLENGER, CHAMPION, Pointer
from stream.models.model import Model, load_model
from stream.models.signing import check_signature
from stream.models.signing import sign as signature_of
from stream.models.store import Store


def load_checked(settings: Settings, store: Store, version: str) -> Model:
    """A version loaded as a scorer of these settings would.

    Raises:
        ModelError: it can't be served, in one sentence.
        SettingsError: the file of keys can't be used.
    """
    store.manifest(version)
    folder = fetch(store, version, settings.models.cache)
    trusted = None if settings.models.keys is None else check_signature(folder, settings.models.keys)
    return load_model(folder, settings.load_problem(), trusted)


def promote(
    settings: Settings, store: Store, version: str, teams: Sequence[str] = (), force: str | None = None
) -> Change:
    """Make a version the champion: of some teams, else of all, which drops the table of teams.

    `force` says why gate and evidence are overridden; that the version can be served never is.

    Raises:
        ModelError: it is refused; nothing has changed.
    """
    before = _champion(store, force)
    manifest = load_checked(settings, store, version).manifest
    if teams and before is None:
        raise ModelError(f"{store.url}: no CHAMPION serves the other teams yet", f"promote without --team first")
    if "default" in teams:
        raise ModelError("--team default: in a pointer, default means all other teams", "write 'defaul[t]'")
    if not all(team.strip() for team in teams):
        raise ModelError("--team is empty", "give a team or a pattern, or leave it out to serve all teams")
    after = Pointer(version)
    if teams and before is not None:
        after = Pointer(before.default, {**before.teams, **dict.fromkeys(teams, version)})
    _check_patterns(store, after, version, teams)
    if after == before:
        raise ModelError(f"{store.url}/{version}: is already the champion; nothing was changed")
    fault = _promotion_fault(settings, store, manifest, _beaten(before, version, teams), force)
    if fault is not None and force is None:
        raise ModelError(f'{store.url}/{version}: {fault} (--force "reason" overrides this and is recorded)')
    reason = f"{force}; overrode: {fault}" if fault else force
    change = _move(store, "promote", CHAMPION, before, after, version, reason, forced=fault is not None)
    if not teams:
        _end_challenge(store, version)
    return change


def _check_patterns(store: Store, after: Pointer, version: str, teams: Sequence[str]) -> None:
    """Refuse a pattern that an earlier one decides for: it would be noted as promoted, and move nobody."""
    for team in teams:
        first = next((name for name in after.teams if fnmatchcase(team, name)), team)
        if first != team and set(team) & set("*?[") and after.teams[first] != version:
            raise ModelError(
                f"{store.url}: --team {team!r} would change nothing, as {first!r} comes first in CHAMPION and fits the "
                f"same teams",
                f"promote for {first!r}, or for each team by its name",
            )


def gate_fault(manifest: Manifest) -> str | None:
    """Why a version's gate does not let it pass; None if it does."""
    if manifest.gate is None:
        return "was never judged by the gate; train it with a test part"
    if manifest.gate.passed:
        return None
    if manifest.gate.result == "not tested":
        return f"the gate could not be tested: {'; '.join(manifest.gate.not_tested)}"
    return f"did not pass the gate: {'; '.join(manifest.gate.faults) or 'no condition is named'}"


def evidence_fault(settings: Settings, store: Store, champion: str, version: str) -> str | None:
    """Why a version's outcomes as challenger of `champion` don't let it pass; None if they do.

    Raises:
        BrokerError: the outcomes can't be read.
    """
    since = challenged_since(store.changes(), version)
    if since is None:
        return "has not served as challenger; run `noisegate models challenge` and wait for outcomes"
    from stream.lab.judging.served import compare_served, read_outcomes

    problem = settings.load_problem()
    edges = {name: store.manifest(name).thresholds.likely_noise for name in (champion, version)}
    return compare_served(read_outcomes(settings, since), champion, version, problem, edges).fault


def challenge(settings: Settings, store: Store, version: str | None) -> Change:
    """Let a version score in shadow; None ends it.

    Raises:
        ModelError: it can't be served, or serves already; nothing has changed.
    """
    before = understood(store, CHALLENGER)
    if version is None:
        if store.pointer_bytes(CHALLENGER) is None:
            raise ModelError(f"{store.url}: there is no CHALLENGER; nothing was changed")
        return _move(store, "challenge", CHALLENGER, before, None, None, None)
    load_checked(settings, store, version)
    champion = store.pointer(CHAMPION)
    if champion is not None and champion.versions == (version,):
        raise ModelError(f"{store.url}/{version}: is the champion of all teams; there is nothing to compare it with")
    return _move(store, "challenge", CHALLENGER, before, Pointer(version), version, None)


def rollback(store: Store) -> Change:
    """Make CHAMPION what it was before its last change; once more goes one further back.

    Raises:
        ModelError: it was nothing before, or a version of then is gone; nothing has changed.
    """
    now = understood(store, CHAMPION)  # rubbish in the pointer is a reason to roll back, not in its way
    target = before_last(store.changes(), now)
    if target is None:
        raise ModelError(f"{store.url}: CHAMPION named no version before its last change", f"promote a version instead")
    for version in target.versions:
        store.manifest_bytes(version)
    return _move(store, "rollback", CHAMPION, now, target, target.default, None)


def retire(store: Store, version: str, force: str | None = None) -> Change:
    """Take a version away for good.

    Raises:
        ModelError: it is not there, or still needed; nothing has changed.
    """
    store.manifest_bytes(version)
    fault = None
    try:
        fault = _needed(store, version)
    except StoreAway:
        raise
    except ModelError as error:
        fault = str(error)
    if fault is not None and force is None:
        raise ModelError(f'{store.url}/{version}: {fault} (--force "reason" overrides this and is recorded)')
    store.remove(version)
    change = Change(
        at=datetime.now(UTC), who=who(), verb="retire", version=version, reason=force, forced=fault is not None
    )
    store.note(change)
    return change


def sign(settings: Settings, store: Store, version: str, key: Path) -> Change:
    """Sign a version, every file held to its hash before.

    Raises:
        ModelError: it is not sound.
        SettingsError: the key can't be used.
    """
    store.manifest(version)
    manifest = check_files(fetch(store, version, settings.models.cache))
    store.sign(version, signature_of(manifest, key))
    change = Change(at=datetime.now(UTC), who=who(), verb="sign", version=version)
    store.note(change)
    return change


def understood(store: Store, name: str) -> Pointer | None:
    """A pointer; None where there is none, or it can't be understood."""
    try:
        return store.pointer(name)
    except StoreAway:
        raise
    except ModelError:
        return None


def _champion(store: Store, force: str | None) -> Pointer | None:
    try:
        return store.pointer(CHAMPION)
    except StoreAway:
        raise
    except ModelError as error:
        if force is None:
            raise ModelError(error, f"run `noisegate models rollback` first") from None
        return None


def _beaten(before: Pointer | None, version: str, teams: Sequence[str]) -> list[str]:
    """The champions that the version would take the place of."""
    if before is None:
        return []
    served = [before.version_of(team) for team in teams] if teams else before.versions
    return [champion for champion in dict.fromkeys(served) if champion != version]


def _promotion_fault(
    settings: Settings, store: Store, manifest: Manifest, beaten: Sequence[str], force: str | None
) -> str | None:
    fault = gate_fault(manifest)
    for champion in beaten:
        if fault is not None:
            break
        try:
            fault = evidence_fault(settings, store, champion, manifest.version)
        except NoisegateError as error:
            if force is None:
                raise
            fault = f"the live results could not be read: {error}"
    return fault


def _needed(store: Store, version: str) -> str | None:
    """What still needs a version."""
    champion = store.pointer(CHAMPION)
    for name, pointer in ((CHAMPION, champion), (CHALLENGER, store.pointer(CHALLENGER))):
        if pointer is not None and version in pointer.versions:
            return f"{name} names it; point at another version first"
    back = before_last(store.changes(), champion)
    return "a rollback would restore it" if back is not None and version in back.versions else None


def _end_challenge(store: Store, version: str) -> None:
    """Who became champion of all has nobody left to challenge."""
    challenger = understood(store, CHALLENGER)
    if challenger is not None and challenger.default == version:
        _move(store, "challenge", CHALLENGER, challenger, None, None, "became the champion")


def _move(
    store: Store,
    verb: Verb,
    name: str,
    before: Pointer | None,
    after: Pointer | None,
    version: str | None,
    reason: str | None,
    forced: bool = False,
) -> Change:
    """Point, then note: a change that is noted has happened."""
    store.point(name, after)
    change = Change(
        at=datetime.now(UTC),
        who=who(),
        verb=verb,
        version=version,
        pointer=name,
        before=before,
        after=after,
        reason=reason,
        forced=forced,
    )
    store.note(change)
    return change
