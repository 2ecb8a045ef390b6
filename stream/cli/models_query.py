"""The queries behind `noisegate models`: versions, a verified version, the live comparison of a challenger."""

from pathlib import Path

from stream.cli.models_output import Row, gate_word, roles_of
from stream.config import Settings
from stream.core.errors import ModelError, StoreAway
from stream.models.artifact import verify as verify_artifact
from stream.models.manifest import Manifest
from stream.models.model import load_model
from stream.models.pointers import CHALLENGER, CHAMPION, Pointer, is_version
from stream.models.promotion import LiveComparison
from stream.models.reload import Loader
from stream.models.signing import check_signature, check_signed
from stream.models.store import Entry, Store, find, no_champion


def loader_of(settings: Settings, store: Store) -> Loader:
    """A loader that accepts what a scorer of these settings would accept.

    Raises:
        SettingsError: no problem file is named, or it can't be read.
        ProblemError: the problem file can't be used.
    """
    return Loader(store, settings.load_problem(), settings.models.cache, settings.deployment, settings.models.keys)


def live_comparison_of(settings: Settings, store: Store) -> LiveComparison:
    """The live comparison of champion and challenger by the outcomes topic of the settings."""

    def compare_live(champion: str, challenger: str, since: float) -> str | None:
        from stream.lab.judging.compare_live import compare_live as compare_outcomes
        from stream.lab.judging.compare_live import read_outcomes
        from stream.lab.sources.decisions import holdout_chances, read_decision_topic

        edges = {name: store.manifest(name).thresholds.likely_noise for name in (champion, challenger)}
        outcomes, chances = read_outcomes(settings, since), holdout_chances(read_decision_topic(settings, since))
        return compare_outcomes(outcomes, champion, challenger, settings.load_problem(), edges, chances).fault

    return compare_live


def list_versions(settings: Settings, store: Store) -> tuple[list[Row], list[str]]:
    """A row for each version, and notes about pointers to missing versions, bad signatures and silent workers."""
    notes: list[str] = []
    champion, challenger = (_pointer(store, name, notes) for name in (CHAMPION, CHALLENGER))
    running = _running(settings, notes)
    entries = store.entries()
    there = {entry.version for entry in entries}
    if store.pointer_bytes(CHAMPION) is None:
        notes.append(str(no_champion(store)))
    for name, pointer in ((CHAMPION, champion), (CHALLENGER, challenger)):
        gone = [version for version in (pointer.versions if pointer else ()) if version not in there]
        notes += [f"{name} names {version}, which is not there" for version in gone]
    notes += _wrongly_signed(store, [entry.version for entry in entries if entry.signed], settings.models.keys)
    return [_row(store, entry, roles_of(entry.version, champion, challenger), running) for entry in entries], notes


def verify(settings: Settings, what: str | None) -> tuple[Path, Manifest]:
    """The folder and the manifest of a sound version; one of the store must fit the problem and keys of the settings.

    Raises:
        ModelError: it can't be served, or there is none.
    """
    if what is not None and not is_version(what):
        return _verify_folder(Path(what), settings.models.keys)
    store = Store(settings.models.store)
    version = what
    if version is None:
        pointer = store.pointer(CHAMPION)
        if pointer is None:
            raise ModelError(*no_champion(store))
        version = pointer.default
    loaded = loader_of(settings, store).load(version)
    return loaded.folder, loaded.model.manifest


def _verify_folder(folder: Path, keys: Path | None) -> tuple[Path, Manifest]:
    found = find(folder)
    if found != folder and Store(str(folder)).pointer(CHAMPION) is None:
        raise ModelError(*no_champion(Store(str(folder))))
    manifest = verify_artifact(found)
    if keys is not None:
        check_signature(found, keys)
    load_model(found, manifest.problem.definition)
    return found, manifest


def _row(store: Store, entry: Entry, roles: list[str], running: dict[str, list[str]]) -> Row:
    version = entry.version
    workers = running.get(version, [])
    try:
        manifest = store.manifest(version)
    except StoreAway:
        raise
    except ModelError as error:
        return Row(
            version=version, roles=roles, signed=entry.signed, size=entry.size, workers=workers, fault=str(error)
        )
    return Row(
        version=version,
        created=manifest.created.isoformat(timespec="seconds"),
        simulated=manifest.training.simulated,
        gate=gate_word(manifest),
        auc=None if manifest.metrics is None else manifest.metrics.model.auc,
        roles=roles,
        signed=entry.signed,
        size=entry.size,
        workers=workers,
    )


def _wrongly_signed(store: Store, versions: list[str], keys: Path | None) -> list[str]:
    """Why versions that are signed are not accepted by `model_keys`, one sentence each."""
    faults: list[str] = []
    if keys is None:
        return faults
    for version in versions:
        try:
            check_signed(store.manifest_bytes(version), store.signature(version), keys, version)
        except StoreAway:
            raise
        except ModelError as error:
            faults.append(str(error))
    return faults


def _pointer(store: Store, name: str, notes: list[str]) -> Pointer | None:
    try:
        return store.pointer(name)
    except StoreAway:
        raise
    except ModelError as error:
        notes.append(str(error))
        return None


def _running(settings: Settings, notes: list[str]) -> dict[str, list[str]]:
    """The workers that run each version, by their heartbeats."""
    from redis import RedisError

    from stream.scorer.heartbeat import read_heartbeats

    try:
        beats = read_heartbeats(settings.redis.url, settings.deployment)
    except RedisError:
        notes.append("workers: unknown, since Redis can't be reached")
        return {}
    if not beats:
        notes.append("no worker has reported what it runs within the last minute")
    running: dict[str, list[str]] = {}
    for worker, beat in beats.items():
        for version in beat.champions:
            running.setdefault(version, []).append(worker)
        if beat.challenger is not None:
            running.setdefault(beat.challenger, []).append(f"{worker} (challenger)")
        if beat.fault is not None:
            notes.append(f"{worker}: {beat.fault}")
    return running
