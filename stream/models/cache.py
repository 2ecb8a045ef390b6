"""Copies of versions on this machine: what a worker loads from, and starts with when the store or its champion fails.

<cache>/<version>/              as in the store
<cache>/last_good/<deployment>-<pointer>.json
<cache>/in_use/<deployment>-<pointer>.json    versions that the pointer names: their copies stay
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from stream.core import limits
from stream.core.errors import ModelError
from stream.models.artifact import SIGNATURE, check_files, limit_of
from stream.models.pointers import is_version
from stream.models.store import Store, put_folder

KEPT = 6  # versions, besides those in use and those that served last
_LAST_GOOD, _IN_USE = "last_good", "in_use"
_MARKER_BYTES = 8 * 1024
_IN_USE_VERSIONS = 2 * (limits.CHAMPIONS + 1)  # of one pointer: named, and still serving
T = TypeVar("T", bound=Struct)


class LastGood(Struct, frozen=True):
    """The version that served last, by the hash of its manifest, and the store that named it (None: not noted)."""

    version: str
    sha256: str
    store: str | None = None


class InUse(Struct, frozen=True):
    """The versions that a deployment's pointer names."""

    versions: list[str]


def cache_folder(cache: Path) -> Path:
    """Where the setting model_cache lies; raises ModelError for a user without a home folder."""
    try:
        return cache.expanduser()
    except RuntimeError:
        raise ModelError(
            f"model_cache = {str(cache)!r} can't be used: this user has no home folder",
            f"name a folder in NOISEGATE_MODEL_CACHE",
        ) from None


def fetch(store: Store, version: str, cache: Path) -> Path:
    """A folder of this machine that holds the version, every file held to its hash.

    A copy in the cache is used if its manifest is the store's and its files fit; a damaged one is fetched anew. A
    signature that the store has by now (later, or by another key) replaces the copy's. For a local store: its own
    folder, unverified.

    Raises:
        ModelError: the version is not sound.
        StoreAway: the store can't be reached; see `read_last_good`.
    """
    if store.folder is not None:
        return store.fetch(version, cache)
    root = cache_folder(cache)
    copy, manifest = root / version, store.manifest_bytes(version)
    if not _is(copy, manifest):
        copy = store.fetch(version, root)
        check_files(copy)
    else:
        _put_signature(copy, store.signature(version))
    with suppress(OSError):
        os.utime(copy)
    trim(root, [version])
    return copy


def write_last_good(cache: Path, deployment: str, pointer: str, folder: Path, store: str | None = None) -> None:
    """Keep a copy of the version in `folder`, which serves now, and remember it as the pointer's last good one.

    `store` is where the pointer is; a last good version is one of that store alone.

    Raises:
        ModelError: the folder is not sound, or the cache can't be written.
    """
    root = cache_folder(cache)
    manifest = check_files(folder)
    try:
        if folder.resolve() != (root / folder.name).resolve():
            if not _is(root / folder.name, manifest):
                _copy(folder, root)
            elif (folder / SIGNATURE).is_file() and (folder / SIGNATURE).stat().st_size <= limit_of(SIGNATURE):
                _put_signature(root / folder.name, (folder / SIGNATURE).read_bytes())
        marker = LastGood(folder.name, hashlib.sha256(manifest).hexdigest(), store)
        _write(_marker(root, deployment, pointer), msgspec.json.encode(marker))
    except OSError as error:
        raise ModelError(f"{root}: the last good model can't be kept there: {error.strerror}") from None
    trim(root, [folder.name])


def read_last_good(cache: Path, deployment: str, pointer: str, store: str | None = None) -> Path | None:
    """The folder of the last good version, its files held to their hashes; None where none served yet.

    With `store`, one that is known to be another store's is none.

    Raises:
        ModelError: one served, and its copy is gone or damaged.
    """
    root = cache_folder(cache)
    marker = find_last_good(cache, deployment, pointer)
    if marker is None or (store is not None and marker.store not in (None, store)):
        return None
    folder = root / marker.version
    manifest = check_files(folder)
    if hashlib.sha256(manifest).hexdigest() != marker.sha256:
        raise ModelError(f"{folder}: is not the version that served last (the manifest's sha256 differs)")
    return folder


def find_last_good(cache: Path, deployment: str, pointer: str) -> LastGood | None:
    """Which version served last, its copy unseen; None where none did yet."""
    try:
        root = cache_folder(cache)
    except ModelError:
        return None
    return _read_marker(_marker(root, deployment, pointer), LastGood)


def write_in_use(cache: Path, deployment: str, pointer: str, versions: Iterable[str]) -> None:
    """Note which versions a deployment's pointer needs: no process of this machine trims their copies.

    A cache that can't be written holds no copies to trim, so that is no error.
    """
    note = InUse(sorted({*versions}))
    with suppress(OSError, ModelError):
        _write(cache_folder(cache) / _IN_USE / f"{deployment}-{pointer}.json", msgspec.json.encode(note))


def trim(cache: Path, used: Iterable[str], keep: int = KEPT) -> None:
    """Remove all copies but those used, those that a deployment needs or served last, and the `keep` touched last."""
    held = {*used}
    for path in (cache / _LAST_GOOD).glob("*.json"):
        marker = _read_marker(path, LastGood)
        held |= {marker.version} if marker else set()
    for path in (cache / _IN_USE).glob("*.json"):
        note = _read_marker(path, InUse)
        held |= {*note.versions[:_IN_USE_VERSIONS]} if note else set()
    with suppress(OSError):
        copies = [path for path in cache.iterdir() if is_version(path.name) and path.name not in held]
        copies.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for path in copies[keep:]:
            shutil.rmtree(path, ignore_errors=True)


def _is(copy: Path, manifest: bytes) -> bool:
    """Whether the copy is a sound one of that manifest."""
    try:
        return copy.is_dir() and check_files(copy) == manifest
    except ModelError:
        return False


def _put_signature(copy: Path, signature: bytes | None) -> None:
    """Let a copy have the signature that its origin has, if there is one and it is another."""
    path = copy / SIGNATURE
    if signature is not None and not (path.is_file() and path.read_bytes() == signature):
        _write(path, signature)


def _copy(folder: Path, root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=root))
    try:
        for path in folder.iterdir():
            if path.is_file() and path.stat().st_size <= limit_of(path.name):
                shutil.copyfile(path, made / path.name)
        put_folder(made, root / folder.name)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _marker(root: Path, deployment: str, pointer: str) -> Path:
    return root / _LAST_GOOD / f"{deployment}-{pointer}.json"


def _read_marker(path: Path, kind: type[T]) -> T | None:
    try:
        with path.open("rb") as file:
            marker = msgspec.json.decode(file.read(_MARKER_BYTES), type=kind)
    except (OSError, msgspec.DecodeError, ValueError):
        return None
    return None if isinstance(marker, LastGood) and not is_version(marker.version) else marker


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, made = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    Path(made).replace(path)
