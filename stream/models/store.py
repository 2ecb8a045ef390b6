"""The model store: versions, the pointers CHAMPION and CHALLENGER, and the log of changes, in a folder or at any URL.

    <version>/manifest.json, model.onnx, reference.json, card.md, ...    visible once its manifest is there
    CHAMPION, CHALLENGER                                                 see `pointers`
    changes/<time>-<id>.json                                             see `changes`

S3, GCS and Azure need their fsspec packages, and take credentials and endpoint from the environment as those do.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from stream.core.errors import Fault, ModelError
from stream.models.artifact import FILES, MANIFEST, ONNX, REFERENCE, SIGNATURE, VERSION_BYTES, limit_of
from stream.models.changes import (
    CHANGE_BYTES,
    CHANGES,
    CHANGES_READ,
    Change,
    before_last,
    decode_change,
    encode_change,
    name_of,
)
from stream.models.manifest import Manifest, decode_manifest, encode_manifest
from stream.models.pointers import (
    CHALLENGER,
    CHAMPION,
    POINTER_BYTES,
    Pointer,
    encode_pointer,
    is_version,
    parse_challenger,
    parse_pointer,
)
from stream.models.storage import LocalStorage, StorageBackend, open_storage


class Entry(Struct, frozen=True):
    """A version as it lies there: the bytes of all its files, and whether there is a signature."""

    version: str
    size: int
    signed: bool


class Store:
    """Every call raises ModelError, or StoreAway where the store can't be reached: one sentence.

    Attributes:
        url: as given.
        folder: where a local store lies, else None.
        location: the URL or absolute folder; the same for every way of naming one store.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._storage: StorageBackend = open_storage(url)
        self.folder = self._storage.folder
        self.location = url.rstrip("/") if self.folder is None else str(self.folder.absolute())

    def is_empty(self) -> bool:
        """Whether nothing at all lies there, also where the folder or bucket itself does not exist."""
        return self._storage.is_empty()

    def versions(self) -> list[str]:
        """The visible ones, oldest first (by date, then hash)."""
        return [entry.version for entry in self.entries()]

    def entries(self) -> list[Entry]:
        """The visible versions with what a listing tells, oldest first."""
        sizes = self._storage.walk()
        found = []
        for path in sorted(sizes):
            version, _, name = path.partition("/")
            if name == MANIFEST and is_version(version):
                whole = sum(size for other, size in sizes.items() if other.startswith(f"{version}/"))
                found.append(Entry(version, whole, f"{version}/{SIGNATURE}" in sizes))
        return found

    def pointer_bytes(self, name: str) -> bytes | None:
        """A pointer file as it lies there; None where there is none."""
        return self._storage.read(name, POINTER_BYTES)

    def pointer(self, name: str) -> Pointer | None:
        """A pointer; None where there is none."""
        data = self.pointer_bytes(name)
        if data is None:
            return None
        return _parse(name, data, f"{self.url}/{name}")

    def point(self, name: str, pointer: Pointer | None) -> None:
        """Readers see the old pointer or the new one; None removes it."""
        if pointer is None:
            self._storage.remove(name)
            return
        data = encode_pointer(pointer)
        _parse(name, data, f"{self.url}/{name}")  # what could not be read again is not written
        self._storage.write(name, data)

    def manifest_bytes(self, version: str) -> bytes:
        """A visible version's manifest, as it lies there."""
        if not is_version(version):
            raise ModelError(f"{self.url}: {version[:40]!r} is not the name of a version")
        data = self._storage.read(f"{version}/{MANIFEST}", limit_of(MANIFEST))
        if data is None:
            raise ModelError(f"{self.url}/{version}: there is no such version")
        return data

    def manifest(self, version: str) -> Manifest:
        """A visible version's manifest; the other files are not looked at."""
        where = f"{self.url}/{version}"
        manifest = decode_manifest(self.manifest_bytes(version), where)
        if manifest.version != version:
            raise ModelError(f"{where}: holds version {manifest.version}")
        return manifest

    def fetch(self, version: str, into: Path) -> Path:
        """The version's folder: a local store's own, else a whole copy in `into`, the sizes checked before.

        Nothing is verified beyond sizes: `load_artifact` does. A copy that is there already is replaced.
        """
        manifest, where = self.manifest_bytes(version), f"{self.url}/{version}"
        if self.folder is not None:
            return self.folder / version
        names = list(decode_manifest(manifest, where).files)
        sizes = {name: self._storage.size(f"{version}/{name}") for name in (*names, SIGNATURE)}
        missing = [name for name in names if sizes[name] is None]
        if missing:
            raise ModelError(f"{where}: {missing[0]} is missing")
        check_sizes({name: sizes[name] or 0 for name in names} | {MANIFEST: len(manifest)}, where)
        try:
            into.mkdir(parents=True, exist_ok=True)
            made = Path(tempfile.mkdtemp(prefix=f".{version}.", dir=into))
            try:
                (made / MANIFEST).write_bytes(manifest)
                for name in names if sizes[SIGNATURE] is None else (*names, SIGNATURE):
                    (made / name).write_bytes(self._read(version, name))
                put_folder(made, into / version)
            finally:
                shutil.rmtree(made, ignore_errors=True)
        except OSError as error:
            raise ModelError(f"{into}: {version} can't be kept there: {error.strerror}") from None
        return into / version

    def publish(self, manifest: Manifest, files: Mapping[str, bytes]) -> str:
        """Add a version; see the function `publish`."""
        return publish(self._storage, manifest, files)

    def signature(self, version: str) -> bytes | None:
        """The version's signature, unchecked; None where there is none."""
        return self._storage.read(f"{version}/{SIGNATURE}", limit_of(SIGNATURE))

    def sign(self, version: str, signature: bytes) -> None:
        """Put a signature beside the manifest that it signs."""
        self.manifest_bytes(version)
        self._storage.write(f"{version}/{SIGNATURE}", signature)

    def remove(self, version: str) -> None:
        """Take a version away: first out of sight, then its files."""
        self.manifest_bytes(version)
        self._storage.remove(f"{version}/{MANIFEST}")
        self._storage.remove(version)

    def changes(self) -> list[Change]:
        """The newest changes noted, at most CHANGES_READ, oldest first; what is no change is passed over."""
        names = sorted(
            path for path in self._storage.walk() if path.startswith(f"{CHANGES}/") and path.endswith(".json")
        )
        read = self._storage.read_many(names[-CHANGES_READ:], CHANGE_BYTES)
        return [change for change in map(decode_change, read) if change is not None]

    def note(self, change: Change) -> None:
        """Add to the log of changes."""
        self._storage.write(name_of(change), encode_change(change))

    def _read(self, version: str, name: str) -> bytes:
        content = self._storage.read(f"{version}/{name}", limit_of(name))
        if content is None:
            raise ModelError(f"{self.url}/{version}: {name} is missing")
        return content


def _parse(name: str, data: bytes, where: str) -> Pointer:
    return parse_challenger(data, where) if name == CHALLENGER else parse_pointer(data, where)


def write_artifact(root: Path, manifest: Manifest, files: Mapping[str, bytes]) -> Path:
    """Publish into a folder of this machine; returns the version's folder. Errors as `publish`."""
    return root / publish(LocalStorage(root), manifest, files)


def publish(storage: StorageBackend, manifest: Manifest, files: Mapping[str, bytes]) -> str:
    """Write a version so that it is visible whole or not at all; returns its name.

    The same version may be there already, with the same graph and reference: then nothing is written.

    Raises:
        ModelError: the version is there with another graph or reference, or a file is over its limit.
        StoreAway: the storage can't be reached, or is full.
    """
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    whole = {**files, MANIFEST: encode_manifest(replace(manifest, files=hashes))}  # the manifest last
    version, where = manifest.version, f"{storage.where}/{manifest.version}"
    check_sizes({name: len(content) for name, content in whole.items()}, where)
    decode_manifest(whole[MANIFEST], where)
    present = storage.read(f"{version}/{MANIFEST}", limit_of(MANIFEST))
    if present is not None:
        there = decode_manifest(present, where).files
        if all(there.get(name) == hashes.get(name) for name in (ONNX, REFERENCE)):
            return version
        raise ModelError(f"{where}: is there already with other files, and versions never change")
    staged = storage.staged(version)
    try:
        for name, content in whole.items():
            storage.write(f"{staged}/{name}", content)
        storage.publish(staged, version)
    except BaseException:
        if staged != version:
            with suppress(ModelError):
                storage.remove(staged)
        raise
    return version


def check_sizes(sizes: Mapping[str, int], where: str) -> None:
    """Hold the files of one version, the manifest among them, to their limits, by their sizes in bytes.

    Raises:
        ModelError: too many, one too large, or too much together.
    """
    if {SIGNATURE, MANIFEST} & (sizes.keys() - {MANIFEST}):
        raise ModelError(f"{where}: {SIGNATURE} can't be one of the files that the manifest names")
    if len(sizes) > FILES:
        raise ModelError(f"{where}: has {len(sizes)} files, at most {FILES} are taken")
    for name, size in sizes.items():
        if size > limit_of(name):
            raise ModelError(f"{where}: {name} has {size} bytes, at most {limit_of(name)} are taken")
    if sum(sizes.values()) > VERSION_BYTES:
        raise ModelError(f"{where}: has {sum(sizes.values())} bytes, at most {VERSION_BYTES} are taken")


def no_champion(store: Store) -> Fault:
    """Why a store without the file CHAMPION has no champion.

    Raises:
        StoreAway: the store can't be reached.
    """
    back = before_last(store.changes(), None)
    if back is not None:
        return Fault(
            f"{store.url}: CHAMPION is gone", f"run `noisegate models rollback`, which restores {back.default}"
        )
    train = "train a model (`noisegate lab train`) and `noisegate models promote` it; until then alerts are unscored"
    if store.folder is not None and not store.folder.is_dir():
        return Fault(f"{store.url}: there is no such folder, so no model", train)
    if store.is_empty():
        return Fault(f"{store.url}: is empty or does not exist, so no model", train)
    return Fault(f"{store.url}: no CHAMPION", train)


def put_folder(made: Path, target: Path) -> None:
    """Rename a folder into place; one that is there already makes way."""
    old = made.with_name(f"{made.name}.old")
    for _ in range(2):  # another process may put its own there in between
        try:
            if target.exists():
                target.rename(old)
            made.rename(target)
        except OSError:
            continue
        finally:
            shutil.rmtree(old, ignore_errors=True)
        return
    if not (target / MANIFEST).is_file():
        raise OSError(0, "another process writes there")


def find(folder: Path) -> Path:
    """The artifact that a person means by `folder`: itself, or in a store the champion, else the newest version.

    Raises:
        ModelError: there is none.
    """
    if (folder / MANIFEST).is_file():
        return folder
    store = Store(str(folder))
    pointer = store.pointer(CHAMPION)
    version = pointer.default if pointer else next(reversed(store.versions()), None)
    if version is None:
        raise ModelError(f"{folder}: holds no model", "name a version's folder, or a folder of versions")
    return folder / version
