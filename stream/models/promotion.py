"""Promotion: the rules by which a store's pointers move, and the moves, each noted in the log of changes."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

from stream.core.errors import ModelError, NoisegateError, StoreAway
from stream.models.artifact import check_files
from stream.models.cache import fetch
from stream.models.changes import Change, Verb, before_last, challenged_since, who
from stream.models.manifest import Manifest
from stream.models.pointers import CHALLENGER, CHAMPION, Pointer
from stream.models.reload import Loader
from stream.models.signing import sign as signature_of
from stream.models.store import Store

LiveComparison = Callable[[str, str, float], str | None]
"""Why the outcomes since a time (seconds since 1970) don't let a challenger pass; None if they do.

Called with champion, challenger and time; raises NoisegateError where the outcomes can't be read.
"""


def promote(
    loader: Loader,
    compare_live: LiveComparison,
    version: str,
    teams: Sequence[str] = (),
    force: str | None = None,
) -> Change:
    """Make a version the champion of some teams, or of all teams, which drops the table of teams.

    `force` is the reason for overriding gate and live comparison. A version that can't be served is never promoted.

    Raises:
        ModelError: the version is refused; nothing has changed.
    """
    store = loader.store
    before = _champion(store, force)
    manifest = loader.load(version).model.manifest
    if teams and before is None:
        raise ModelError(f"{store.url}: no CHAMPION serves the other teams yet", "promote without --team first")
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
    fault = _promotion_fault(store, compare_live, manifest, _replaced_champions(before, version, teams), force)
    if fault is not None and force is None:
        raise ModelError(f'{store.url}/{version}: {fault} (--force "reason" overrides this and is recorded)')
    reason = f"{force}; overrode: {fault}" if fault else force
    change = _move(store, "promote", CHAMPION, before, after, version, reason, forced=fault is not None)
    if not teams:
        _end_challenge_of(store, version)
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


def live_comparison_fault(store: Store, compare_live: LiveComparison, champion: str, version: str) -> str | None:
    """Why a version's outcomes as challenger of `champion` don't let it pass; None if they do."""
    since = challenged_since(store.changes(), version)
    if since is None:
        return "has not served as challenger; run `noisegate models challenge` and wait for outcomes"
    return compare_live(champion, version, since)


def challenge(loader: Loader, version: str) -> Change:
    """Make a version the challenger, which scores in shadow.

    Raises:
        ModelError: it can't be served, or is the champion of all teams; nothing has changed.
    """
    store = loader.store
    before = read_pointer_or_none(store, CHALLENGER)
    loader.load(version)
    champion = store.pointer(CHAMPION)
    if champion is not None and champion.versions == (version,):
        raise ModelError(f"{store.url}/{version}: is the champion of all teams", "name another version")
    return _move(store, "challenge", CHALLENGER, before, Pointer(version), version, None)


def end_challenge(store: Store) -> Change:
    """Remove the challenger.

    Raises:
        ModelError: there is none; nothing has changed.
    """
    before = read_pointer_or_none(store, CHALLENGER)
    if store.pointer_bytes(CHALLENGER) is None:
        raise ModelError(f"{store.url}: there is no CHALLENGER; nothing was changed")
    return _move(store, "challenge", CHALLENGER, before, None, None, None)


def rollback(store: Store) -> Change:
    """Make CHAMPION what it was before its last change; once more goes one further back.

    Raises:
        ModelError: it was nothing before, or a version of then is gone; nothing has changed.
    """
    now = read_pointer_or_none(store, CHAMPION)  # rubbish in the pointer is a reason to roll back, not in its way
    target = before_last(store.changes(), now)
    if target is None:
        raise ModelError(f"{store.url}: CHAMPION named no version before its last change", "promote a version instead")
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


def sign(store: Store, cache: Path, version: str, key: Path) -> Change:
    """Sign a version after checking every file against its hash.

    Raises:
        ModelError: it is not sound.
        SettingsError: the key can't be used.
    """
    store.manifest(version)
    manifest = check_files(fetch(store, version, cache))
    store.sign(version, signature_of(manifest, key))
    change = Change(at=datetime.now(UTC), who=who(), verb="sign", version=version)
    store.note(change)
    return change


def read_pointer_or_none(store: Store, name: str) -> Pointer | None:
    """A pointer; None where there is none or its file is malformed. Raises StoreAway."""
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
            raise ModelError(str(error), "run `noisegate models rollback` first") from None
        return None


def _replaced_champions(before: Pointer | None, version: str, teams: Sequence[str]) -> list[str]:
    """The champions that the version would replace."""
    if before is None:
        return []
    served = [before.version_of(team) for team in teams] if teams else before.versions
    return [champion for champion in dict.fromkeys(served) if champion != version]


def _promotion_fault(
    store: Store, compare_live: LiveComparison, manifest: Manifest, replaced: Sequence[str], force: str | None
) -> str | None:
    fault = gate_fault(manifest)
    for champion in replaced:
        if fault is not None:
            break
        try:
            fault = live_comparison_fault(store, compare_live, champion, manifest.version)
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


def _end_challenge_of(store: Store, version: str) -> None:
    """End the challenge of a version that became the champion of all teams."""
    challenger = read_pointer_or_none(store, CHALLENGER)
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
