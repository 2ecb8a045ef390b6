"""Where a store's files lie: a local folder, or whatever fsspec reaches. The only module that imports fsspec.

Every call ends: in its result, or in a ModelError of one sentence. Paths are relative to the place.
"""

import os
import shutil
import tempfile
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import fsspec  # type: ignore[import-untyped]  # it has no types, so it is fenced in here
from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]  # the same

from stream.core.errors import ModelError, StoreAway
from stream.extras import missing_sentence
from stream.models.remote import DEPTH, RemotePlace, check_size, first_line

_S3 = ("s3://", "s3a://")


class Place(Protocol):
    """What a store needs. `folder` is where the files lie on this machine, None where they are elsewhere."""

    where: str
    folder: Path | None

    def walk(self) -> dict[str, int]:
        """All files down to the second level and their sizes in bytes; nothing where the place does not exist."""

    def is_empty(self) -> bool:
        """Whether nothing lies there, also where the place itself does not exist."""

    def size(self, path: str) -> int | None:
        """In bytes; None where there is no such file."""

    def read(self, path: str, limit: int) -> bytes | None:
        """The file, refused by its size before it is read; None where there is none."""

    def read_many(self, paths: Sequence[str], limit: int) -> list[bytes]:
        """The beginnings, `limit` bytes at most, of those that are still there."""

    def write(self, path: str, content: bytes) -> None:
        """Readers see the old file or the new one."""

    def staged(self, folder: str) -> str:
        """Where to write a folder's files before `settle`."""

    def settle(self, staged: str, folder: str) -> None:
        """Make what was staged the folder, at one stroke."""

    def remove(self, path: str) -> None:
        """A file or a folder; nothing happens where there is none."""


def open_place(url: str) -> Place:
    """The place that a folder's path or an URL names; nothing is looked at yet.

    Raises:
        ModelError: nothing installed knows such URLs.
    """
    try:
        files, root = _open(url)
    except ImportError as error:
        if url.startswith(_S3):
            raise ModelError(missing_sentence("s3fs", "s3", f"model_store = {url!r} needs")) from None
        raise ModelError(f"model_store = {url!r} can't be opened: {first_line(error)}") from None
    except ValueError as error:
        raise ModelError(f"model_store = {url!r} can't be opened: {first_line(error)}") from None
    if isinstance(files, LocalFileSystem):
        return LocalPlace(Path(root) if "://" in url else _at_home(url))
    return RemotePlace(url.rstrip("/"), files, root.rstrip("/"), lambda: _open(url)[0])


def _at_home(url: str) -> Path:
    try:
        return Path(url).expanduser()
    except RuntimeError:
        raise ModelError(
            f"model_store = {url!r} can't be opened: this user has no home folder",
            f"name a folder or an URL in NOISEGATE_MODEL_STORE",
        ) from None


def _open(url: str) -> tuple[Any, str]:
    """A filesystem that shares nothing with another, and the path in it."""
    files, root = fsspec.core.url_to_fs(url, use_listings_cache=False, skip_instance_cache=True)
    return files, root


class LocalPlace:
    """A folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder: Path | None = folder
        self.where = str(folder)
        self._root = folder

    def walk(self) -> dict[str, int]:
        """As `Place`."""
        found: dict[str, int] = {}
        with self._told("."):
            for parent, folders, files in os.walk(self._root, onerror=_raise_unless_missing):
                inside = Path(parent).relative_to(self._root)
                if len(inside.parts) + 1 >= DEPTH:
                    folders.clear()
                folders[:] = [name for name in folders if not name.startswith(".")]
                found |= {(inside / name).as_posix(): (Path(parent) / name).stat().st_size for name in files}
        return found

    def is_empty(self) -> bool:
        """As `Place`."""
        with self._told("."):
            try:
                with os.scandir(self._root) as entries:
                    return next(entries, None) is None
            except FileNotFoundError:
                return True

    def size(self, path: str) -> int | None:
        """As `Place`."""
        with self._told(path):
            file = self._root / path
            return file.stat().st_size if file.is_file() else None

    def read(self, path: str, limit: int) -> bytes | None:
        """As `Place`."""
        size = self.size(path)
        if size is None:
            return None
        check_size(self.where, path, size, limit)
        with self._told(path), (self._root / path).open("rb") as file:
            return file.read(limit)

    def read_many(self, paths: Sequence[str], limit: int) -> list[bytes]:
        """As `Place`."""
        found = []
        for path in paths:
            with self._told(path), suppress(FileNotFoundError), (self._root / path).open("rb") as file:
                found.append(file.read(limit))
        return found

    def write(self, path: str, content: bytes) -> None:
        """As `Place`."""
        target = self._root / path
        with self._told(path):
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, made = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                Path(made).chmod(0o644)
                Path(made).replace(target)
            except BaseException:
                Path(made).unlink(missing_ok=True)
                raise

    def staged(self, folder: str) -> str:
        """As `Place`: a hidden neighbour."""
        return f".{folder}.{uuid.uuid4().hex[:8]}"

    def settle(self, staged: str, folder: str) -> None:
        """As `Place`: renamed."""
        with self._told(folder):
            (self._root / staged).rename(self._root / folder)

    def remove(self, path: str) -> None:
        """As `Place`."""
        with self._told(path):
            target = self._root / path
            if target.is_dir():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)

    def _told(self, path: str) -> "_Told":
        return _Told(self.where, path)


class _Told:
    """Turns a local folder's OSErrors into one sentence."""

    def __init__(self, where: str, path: str) -> None:
        self._where = where
        self._path = path

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, PermissionError):
            raise ModelError(f"{self._where}: {self._path} can't be read or written: {error.strerror}") from None
        if isinstance(error, OSError):
            raise StoreAway(f"{self._where}: {self._path} can't be read or written: {error.strerror}") from None


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error
