"""The storage backend on fsspec, for stores elsewhere: each request ends within a time limit.

A client's library may hang, raise whatever it likes or take a store that fails for an empty one; here each call ends in
its result, or in a ModelError of one sentence.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from stream.core import limits
from stream.core.errors import ModelError, StoreAway, first_line
from stream.core.text import hide_login

ANSWER_SECONDS = 20.0  # of one request; a file is read in pieces
AGAIN_SECONDS, AGAIN_MOST_SECONDS = 20.0, 300.0  # pauses before a store that hangs is tried anew, the first and longest
DEPTH = 2  # levels of a store's files
_PIECE_BYTES = 8 * 1024 * 1024
T = TypeVar("T")


class RemoteStorage:
    """A storage backend on fsspec: object stores, where a file is written at one stroke, and `memory://`.

    A call that gives no answer in its time is left behind in its thread, with its filesystem. After a pause, which
    grows, the next call is made with a fresh one; at most `limits.STORE_CALLS_STUCK` threads are left behind at a time.

    Args:
        url: as given; `where` shows it without user and password.
        files: the filesystem.
        root: the store's path in it.
        reopen: makes a fresh filesystem; without one the same is tried again.
        clock: monotonic, seconds.
    """

    def __init__(
        self,
        url: str,
        files: Any,
        root: str,
        reopen: Callable[[], Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.where = hide_login(url)
        self.folder: Path | None = None
        self._files = files
        self._root = root
        self._reopen = reopen or (lambda: files)
        self._clock = clock
        self._stuck: list[Thread] = []
        self._hangs = False  # whether the last call got no answer
        self._pause, self._again_at = 0.0, 0.0

    def is_empty(self) -> bool:
        """See `StorageBackend`."""
        try:
            return not self._ask(lambda: self._files.ls(self._root, detail=False))
        except FileNotFoundError:
            return True

    def walk(self) -> dict[str, int]:
        """See `StorageBackend`."""
        if self.is_empty():  # `find` takes a store that fails for an empty one; `ls` does not
            return {}
        found: dict[str, Any] = self._ask(lambda: self._files.find(self._root, detail=True))
        if not found:
            raise StoreAway(f"{self.where}: the model store went away while it was listed")
        inside = {path.removeprefix(self._root).lstrip("/"): int(entry["size"] or 0) for path, entry in found.items()}
        return {path: size for path, size in inside.items() if path.count("/") < DEPTH}

    def size(self, path: str) -> int | None:
        """See `StorageBackend`."""
        try:
            entry: dict[str, Any] = self._ask(lambda: self._files.info(self._at(path)))
        except FileNotFoundError:
            return None
        return int(entry["size"] or 0) if entry["type"] == "file" else None

    def read(self, path: str, limit: int) -> bytes | None:
        """See `StorageBackend`."""
        size = self.size(path)
        if size is None:
            return None
        check_size(self.where, path, size, limit)
        try:
            if 0 < size <= _PIECE_BYTES:  # at one stroke, also where a longer file has taken its place since
                return self._piece(path, 0, min(limit, _PIECE_BYTES))
            return b"".join(self._piece(path, start, size) for start in range(0, size, _PIECE_BYTES))
        except FileNotFoundError:  # removed meanwhile
            return None

    def read_many(self, paths: Sequence[str], limit: int) -> list[bytes]:
        """See `StorageBackend`, in one go: a round trip a file would make a rollback slow."""
        if not paths:
            return []
        at = [self._at(path) for path in paths]
        ends = [limit] * len(at)
        found = self._ask(lambda: self._files.cat_ranges(at, [0] * len(at), ends, on_error="return"))
        for content in found:
            if isinstance(content, Exception) and not isinstance(content, FileNotFoundError):
                raise self._failure(content)
        return [content for content in found if isinstance(content, bytes)]

    def write(self, path: str, content: bytes) -> None:
        """See `StorageBackend`."""
        self._ask(lambda: self._files.pipe_file(self._at(path), content))

    def staged(self, folder: str) -> str:
        """See `StorageBackend`: in place, the manifest comes last."""
        return folder

    def publish(self, staged: str, folder: str) -> None:
        """See `StorageBackend`: nothing to do."""

    def remove(self, path: str) -> None:
        """See `StorageBackend`."""
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
        """The answer within its time, by a fresh filesystem where the last call hangs."""
        self._leave_stuck()
        answers: SimpleQueue[T | Exception] = SimpleQueue()
        thread = Thread(target=lambda: answers.put(_outcome(call)), name="model-store", daemon=True)
        thread.start()
        try:
            answer = answers.get(timeout=ANSWER_SECONDS)
        except Empty:
            self._stuck.append(thread)
            self._hangs = True
            self._pause = min(2.0 * self._pause, AGAIN_MOST_SECONDS) or AGAIN_SECONDS
            self._again_at = self._clock() + self._pause
            raise StoreAway(f"{self.where}: the model store gave no answer in {ANSWER_SECONDS:.0f} s") from None
        self._pause = 0.0
        if isinstance(answer, FileNotFoundError):
            raise answer
        if isinstance(answer, Exception):
            raise self._failure(answer)
        return answer

    def _leave_stuck(self) -> None:
        """Let a fresh filesystem take the place of one that hangs; raises StoreAway until that is due."""
        self._stuck = [thread for thread in self._stuck if thread.is_alive()]
        if not self._hangs:
            return
        if self._stuck and self._clock() < self._again_at:
            raise StoreAway(f"{self.where}: the model store still gives no answer")
        if len(self._stuck) >= limits.STORE_CALLS_STUCK:
            raise StoreAway(
                f"{self.where}: {len(self._stuck)} requests to the model store hang, and no more are made until one "
                "ends",
                "restart this process if the store answers others",
            )
        if self._stuck:
            self._files = self._reopen()
        self._hangs = False

    def _failure(self, error: Exception) -> ModelError:
        if isinstance(error, PermissionError):
            return ModelError(f"{self.where}: the model store refuses access: {first_line(error)}")
        return StoreAway(f"{self.where}: the model store can't be reached: {first_line(error)}")


def _outcome(call: Callable[[], T]) -> T | Exception:
    try:
        return call()
    except Exception as error:  # the libraries of stores share no base
        return error


def check_size(where: str, path: str, size: int, limit: int) -> None:
    """Raise ModelError for a file that is over its limit, in bytes."""
    if size > limit:
        raise ModelError(f"{where}/{path}: has {size} bytes, at most {limit} are read")
