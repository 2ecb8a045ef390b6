"""Storage backends of a model store: a local folder, or whatever fsspec reaches. The only module that imports fsspec.

Each call returns its result or raises a ModelError of one sentence. Paths are relative to the root of the store.
"""

import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import fsspec  # type: ignore[import-untyped]  # it has no types, so it is fenced in here
from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]  # the same

from stream.core.errors import ModelError, StoreAway, first_line
from stream.core.text import hide_login
from stream.extras import missing_package
from stream.files import atomic_write
from stream.models.remote import DEPTH, RemoteStorage, check_size

_S3 = ("s3://", "s3a://")


class StorageBackend(Protocol):
    """The file operations of a store. `folder` holds the files on this machine; None where they are elsewhere."""

    where: str
    folder: Path | None

    def walk(self) -> dict[str, int]:
        """All files down to the second level and their sizes in bytes; empty where the root does not exist."""

    def is_empty(self) -> bool:
        """Whether there are no files at all, also where the root does not exist."""

    def size(self, path: str) -> int | None:
        """In bytes; None where there is no such file."""

    def read(self, path: str, limit: int) -> bytes | None:
        """The file, refused by its size before it is read; None where there is none."""

    def read_many(self, paths: Sequence[str], limit: int) -> list[bytes]:
        """The beginnings, `limit` bytes at most, of those that are still there."""

    def write(self, path: str, content: bytes) -> None:
        """Write a file at one stroke: readers see the old one or the new one."""

    def staged(self, folder: str) -> str:
        """The path to which a folder's files are written before `publish`."""

    def publish(self, staged: str, folder: str) -> None:
        """Make the staged files the folder, at one stroke."""

    def remove(self, path: str) -> None:
        """Remove a file or a folder, if there is one."""


def open_storage(url: str) -> StorageBackend:
    """The backend of a folder's path or an URL; makes no request.

    Raises:
        ModelError: nothing installed knows such URLs.
    """
    try:
        files, root = _open(url)
    except ImportError as error:
        if url.startswith(_S3):
            raise ModelError(*missing_package("s3fs", "s3", f"model_store = {hide_login(url)!r} needs")) from None
        raise ModelError(f"model_store = {hide_login(url)!r} can't be opened: {first_line(error)}") from None
    except ValueError as error:
        raise ModelError(f"model_store = {hide_login(url)!r} can't be opened: {first_line(error)}") from None
    if isinstance(files, LocalFileSystem):
        return LocalStorage(Path(root) if "://" in url else _at_home(url))
    return RemoteStorage(url.rstrip("/"), files, root.rstrip("/"), lambda: _open(url)[0])


def _at_home(url: str) -> Path:
    try:
        return Path(url).expanduser()
    except RuntimeError:
        raise ModelError(
            f"model_store = {hide_login(url)!r} can't be opened: this user has no home folder",
            "name a folder or an URL in NOISEGATE_MODEL_STORE",
        ) from None


def _open(url: str) -> tuple[Any, str]:
    """A filesystem that shares nothing with another, and the path in it."""
    files, root = fsspec.core.url_to_fs(url, use_listings_cache=False, skip_instance_cache=True)
    return files, root


class LocalStorage:
    """A folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder: Path | None = folder
        self.where = str(folder)
        self._root = folder

    def walk(self) -> dict[str, int]:
        """See `StorageBackend`."""
        found: dict[str, int] = {}
        with self._wrap_os_errors("."):
            for parent, folders, files in os.walk(self._root, onerror=_raise_unless_missing):
                inside = Path(parent).relative_to(self._root)
                if len(inside.parts) + 1 >= DEPTH:
                    folders.clear()
                folders[:] = [name for name in folders if not name.startswith(".")]
                found |= {(inside / name).as_posix(): (Path(parent) / name).stat().st_size for name in files}
        return found

    def is_empty(self) -> bool:
        """See `StorageBackend`."""
        with self._wrap_os_errors("."):
            try:
                with os.scandir(self._root) as entries:
                    return next(entries, None) is None
            except FileNotFoundError:
                return True

    def size(self, path: str) -> int | None:
        """See `StorageBackend`."""
        with self._wrap_os_errors(path):
            file = self._root / path
            return file.stat().st_size if file.is_file() else None

    def read(self, path: str, limit: int) -> bytes | None:
        """See `StorageBackend`."""
        size = self.size(path)
        if size is None:
            return None
        check_size(self.where, path, size, limit)
        with self._wrap_os_errors(path), (self._root / path).open("rb") as file:
            return file.read(limit)

    def read_many(self, paths: Sequence[str], limit: int) -> list[bytes]:
        """See `StorageBackend`."""
        found = []
        for path in paths:
            with self._wrap_os_errors(path), suppress(FileNotFoundError), (self._root / path).open("rb") as file:
                found.append(file.read(limit))
        return found

    def write(self, path: str, content: bytes) -> None:
        """See `StorageBackend`."""
        target = self._root / path
        with self._wrap_os_errors(path):
            target.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(target, content, mode=0o644)

    def staged(self, folder: str) -> str:
        """See `StorageBackend`: a hidden neighbour."""
        return f".{folder}.{uuid.uuid4().hex[:8]}"

    def publish(self, staged: str, folder: str) -> None:
        """See `StorageBackend`: renamed."""
        with self._wrap_os_errors(folder):
            (self._root / staged).rename(self._root / folder)

    def remove(self, path: str) -> None:
        """See `StorageBackend`."""
        with self._wrap_os_errors(path):
            target = self._root / path
            if target.is_dir():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)

    @contextmanager
    def _wrap_os_errors(self, path: str) -> Iterator[None]:
        """Raise ModelError or StoreAway of one sentence instead of an OSError."""
        try:
            yield
        except PermissionError as error:
            raise ModelError(f"{self.where}: {path} can't be read or written: {error.strerror}") from None
        except OSError as error:
            raise StoreAway(f"{self.where}: {path} can't be read or written: {error.strerror}") from None


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error
