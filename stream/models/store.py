"""The model store: versions, the pointers CHAMPION and CHALLENGER, and the log of changes, in a folder or at any URL.

    <version>/manifest.json, model.onnx, reference.json, card.md, ...    visible once its manifest is there
    CHAMPION, CHALLENGER                                                 see `pointers`
    changes/<time>-<id>.json                                             see `changes`

S3, GCS and Azure need their fsspec packages, and take credentials and endpoint from the environment as those do.
"""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from stream.core.errors import ModelError
from stream.models.artifact import MANIFEST, SIGNATURE, limit_of
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
from stream.models.manifest import Manifest, decode_manifest
from stream.models.storage import StorageBackend, open_storage
from stream.models.pointers import CHALLENGER, CHAMPION, POINTER_BYTES, Pointer, encode_pointer, is_version
from stream.models.pointers import parse_pointer as parse
from stream.models.store import check_sizes, publish


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
        place: which store it is, by whatever path it was named.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._place: StorageBackend = open_storage(url)
        self.folder = self._place.folder
        self.place = url.rstrip("/") if self.folder is None else str(self.folder.absolute())

    def is_empty(self) -> bool:
        """Whether nothing at all lies there, also where the folder or bucket itself does not exist."""
        return self._place.is_empty()

    def versions(self) -> list[str]:
        """The visible ones, oldest first (by date, then hash)."""
        return [entry.version for entry in self.entries()]

    def entries(self) -> list[Entry]:
        """The visible versions with what a listing tells, oldest first."""
        sizes = self._place.walk()
        found = []
        for path in sorted(sizes):
            version, _, name = path.partition("/")
            if name == MANIFEST and is_version(version):
                whole = sum(size for other, size in sizes.items() if other.startswith(f"{version}/"))
                found.append(Entry(version, whole, f"{version}/{SIGNATURE}" in sizes))
        return found

    def pointer_bytes(self, name: str) -> bytes | None:
        """A pointer file as it lies there; None where there is none."""
        return self._place.read(name, POINTER_BYTES)

    def pointer(self, name: str) -> Pointer | None:
        """What a pointer says; None where there is none."""
        data = self.pointer_bytes(name)
        if data is None:
            return None
        pointer = parse(data, f"{self.url}/{name}")
        if name == CHALLENGER and pointer.teams:
            raise ModelError(f"{self.url}/{name}: a challenger is one for all teams", f"write one version in it")
        return pointer

    def point(self, name: str, pointer: Pointer | None) -> None:
        """Readers see the old pointer or the new one; None removes it."""
        if pointer is None:
            self._place.remove(name)
            return
        data = encode_pointer(pointer)
        parse(data, f"{self.url}/{name}")  # what could not be read again is not written
        self._place.write(name, data)

    def manifest_bytes(self, version: str) -> bytes:
        """A visible version's manifest, as it lies there."""
        if not is_version(version):
            raise ModelError(f"{self.url}: {version[:40]!r} is not the name of a version")
        data = self._place.read(f"{version}/{MANIFEST}", limit_of(MANIFEST))
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
        sizes = {name: self._place.size(f"{version}/{name}") for name in (*names, SIGNATURE)}
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
        """Add a version; see `publishing.publish`."""
        return publish(self._place, manifest, files)

    def signature(self, version: str) -> bytes | None:
        """The version's signature, unchecked; None where there is none."""
        return self._place.read(f"{version}/{SIGNATURE}", limit_of(SIGNATURE))

    def sign(self, version: str, signature: bytes) -> None:
        """Put a signature beside the manifest that it signs."""
        self.manifest_bytes(version)
        self._place.write(f"{version}/{SIGNATURE}", signature)

    def remove(self, version: str) -> None:
        """Take a version away: first out of sight, then its files."""
        self.manifest_bytes(version)
        self._place.remove(f"{version}/{MANIFEST}")
        self._place.remove(version)

    def changes(self) -> list[Change]:
        """The newest changes noted, at most CHANGES_READ, oldest first; what is no change is passed over."""
        names = sorted(path for path in self._place.walk() if path.startswith(f"{CHANGES}/") and path.endswith(".json"))
        read = self._place.read_many(names[-CHANGES_READ:], CHANGE_BYTES)
        return [change for change in map(decode_change, read) if change is not None]

    def note(self, change: Change) -> None:
        """Add to the log of changes."""
        self._place.write(name_of(change), encode_change(change))

    def _read(self, version: str, name: str) -> bytes:
        content = self._place.read(f"{version}/{name}", limit_of(name))
        if content is None:
            raise ModelError(f"{self.url}/{version}: {name} is missing")
        return content


def no_champion(store: Store) -> str:
    """Why a store in which CHAMPION is not there has none, and the mend: one sentence.

    Raises:
        StoreAway: the store can't be reached.
    """
    back = before_last(store.changes(), None)
    if back is not None:
        return f"{store.url}: CHAMPION is gone; run `noisegate models rollback`, which restores {back.default}"
    train = "train a model (`noisegate lab train`) and `noisegate models promote` it; until then alerts are unscored"
    if store.folder is not None and not store.folder.is_dir():
        return f"{store.url}: there is no such folder, so no model; {train}"
    if store.is_empty():
        return f"{store.url}: is empty or does not exist, so no model; {train}"
    return f"{store.url}: no CHAMPION; {train}"


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
        raise ModelError(f"{folder}: holds no model", f"name a version's folder, or a folder of versions")
    return folder / version
