"""Where a store's files lie: a local folder, or whatever fsspec reaches. The only module that imports fsspec.

Every call ends: in its result, or in a ModelError of one sentence. Paths are relative to the place.
"""

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Protocol, TypeVar

import fsspec  # type: ignore[import-untyped]  # it has no types, so it is fenced in here
from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]  # the same

from stream.core.errors import ModelError, StoreAway
from stream.extras import missing_sentence

ANSWER_SECONDS = 20.0  # of one request; a file is read in pieces
_PIECE_BYTES = 8 * 1024 * 1024
_DEPTH = 2
_S3 = ("s3://", "s3a://")
T = TypeVar("T")


class Place(Protocol):
    """What a store needs. `folder` is where the files lie on this machine, None where they are elsewhere."""

    where: str
    folder: Path | None

    def walk(self) -> dict[str, int]:
        """All files down to the second level and their sizes in bytes; nothing where the place does not exist."""

    def size(self, path: str) -> int | None:
        """In bytes; None where there is no such file."""

    def read(self, path: str, limit: int) -> bytes | None:
        """The file, refused by its size before it is read; None where there is none."""

    def read_many(self, paths: Sequence[str], limit: int) -> list[bytes]:
        """The beginnings, `limit` bytes at most, of those that can be read."""

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
        files, root = fsspec.core.url_to_fs(url, use_listings_cache=False, skip_instance_cache=True)
    except ImportError as error:
        if url.startswith(_S3):
            raise ModelError(missing_sentence("s3fs", "s3", f"model_store = {url!r} needs")) from None
        raise ModelError(f"model_store = {url!r} can't be opened: {_first_line(error)}") from None
    except ValueError as error:
        raise ModelError(f"model_store = {url!r} can't be opened: {_first_line(error)}") from None
    if isinstance(files, LocalFileSystem):
        return LocalPlace(Path(root) if "://" in url else Path(url))
    return RemotePlace(url.rstrip("/"), files, root.rstrip("/"))


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
                if len(inside.parts) + 1 >= _DEPTH:
                    folders.clear()
                folders[:] = [name for name in folders if not name.startswith(".")]
                found |= {(inside / name).as_posix(): (Path(parent) / name).stat().st_size for name in files}
        return found

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
        _check_size(self.where, path, size, limit)
        with self._told(path), (self._root / path).open("rb") as file:
            return file.read(limit)

    def read_many(self, paths: Sequence[str], limit: int) -> list[bytes]:
        """As `Place`."""
        found = []
        for path in paths:
            with suppress(OSError), (self._root / path).open("rb") as file:
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


class RemotePlace:
    """Anything else: object stores, where writing a file is one stroke, and `memory://`."""

    def __init__(self, url: str, files: Any, root: str) -> None:
        self.where = url
        self.folder: Path | None = None
        self._files = files
        self._root = root
        self._stuck: Thread | None = None

    def walk(self) -> dict[str, int]:
        """As `Place`."""
        try:  # `find` takes a store that fails for an empty one; `ls` does not
            if not self._ask(lambda: self._files.ls(self._root, detail=False)):
                return {}
        except FileNotFoundError:
            return {}
        found: dict[str, Any] = self._ask(lambda: self._files.find(self._root, detail=True))
        if not found:
            raise StoreAway(f"{self.where}: the model store went away while it was listed")
        inside = {path.removeprefix(self._root).lstrip("/"): int(entry["size"] or 0) for path, entry in found.items()}
        return {path: size for path, size in inside.items() if path.count("/") < _DEPTH}

    def size(self, path: str) -> int | None:
        """As `Place`."""
        try:
            entry: dict[str, Any] = self._ask(lambda: self._files.info(self._at(path)))
        except FileNotFoundError:
            return None
        return int(entry["size"] or 0) if entry["type"] == "file" else None

    def read(self, path: str, limit: int) -> bytes | None:
        """As `Place`."""
        size = self.size(path)
        if size is None:
            return None
        _check_size(self.where, path, size, limit)
        try:
            if 0 < size <= _PIECE_BYTES:  # at one stroke, also where a longer file has taken its place since
                return self._piece(path, 0, min(limit, _PIECE_BYTES))
            return b"".join(self._piece(path, start, size) for start in range(0, size, _PIECE_BYTES))
        except FileNotFoundError:  # removed meanwhile
            return None

    def read_many(self, paths: Sequence[str], limit: int) -> list[bytes]:
        """As `Place`, in one go: a round trip a file would make a rollback slow."""
        if not paths:
            return []
        at = [self._at(path) for path in paths]
        ends = [limit] * len(at)
        found = self._ask(lambda: self._files.cat_ranges(at, [0] * len(at), ends, on_error="return"))
        return [content for content in found if isinstance(content, bytes)]

    def write(self, path: str, content: bytes) -> None:
        """As `Place`."""
        self._ask(lambda: self._files.pipe_file(self._at(path), content))

    def staged(self, folder: str) -> str:
        """As `Place`: in place, the manifest comes last."""
        return folder

    def settle(self, staged: str, folder: str) -> None:
        """As `Place`: nothing to do."""

    def remove(self, path: str) -> None:
        """As `Place`."""
        try:
            self._ask(lambda: self._files.rm(self._at(path), recursive=True))
        except FileNotFoundError:
            return

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _piece(self, path: str, start: int, size: int) -> bytes:
        end = min(start + _PIECE_BYTES, size)
        piece: bytes = self._ask(lambda: self._files.cat_file(self._at(path), start=start, end=end))
        return piece

    def _ask(self, call: Callable[[], T]) -> T:
        """The answer within its time. While one is still out no other is asked for: threads don't pile up."""
        if self._stuck is not None and self._stuck.is_alive():
            raise StoreAway(f"{self.where}: the model store still gives no answer")
        answers: SimpleQueue[T | Exception] = SimpleQueue()
        thread = Thread(target=lambda: answers.put(_outcome(call)), name="model-store", daemon=True)
        thread.start()
        try:
            answer = answers.get(timeout=ANSWER_SECONDS)
        except Empty:
            self._stuck = thread
            raise StoreAway(f"{self.where}: the model store gave no answer in {ANSWER_SECONDS:.0f} s") from None
        if isinstance(answer, FileNotFoundError):
            raise answer
        if isinstance(answer, PermissionError):
            raise ModelError(f"{self.where}: the model store refuses access: {_first_line(answer)}")
        if isinstance(answer, Exception):
            raise StoreAway(f"{self.where}: the model store can't be reached: {_first_line(answer)}")
        return answer


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


def _outcome(call: Callable[[], T]) -> T | Exception:
    try:
        return call()
    except Exception as error:  # the libraries of stores share no base
        return error


def _check_size(where: str, path: str, size: int, limit: int) -> None:
    if size > limit:
        raise ModelError(f"{where}/{path}: has {size} bytes, at most {limit} are read")


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300] or type(error).__name__
