"""Files that readers on this machine see in full or not at all, also after a power cut."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

AnyPath = str | os.PathLike[str]
_NO_FOLDER_SYNC = (errno.EACCES, errno.EINVAL, errno.ENOTSUP)  # a folder that can't be opened, or a filesystem without


@contextmanager
def atomic_file(path: Path, mode: int | None = None) -> Iterator[IO[bytes]]:
    """A binary file that replaces `path` when the block ends, and is removed when the block raises.

    File and folder are synced to disk before the block's end returns. Of several writers the last one to finish wins.

    Args:
        path: the target; a symbolic link is replaced, not followed.
        mode: permission bits of the file; None keeps those of the file that is replaced, or applies the umask.

    Raises:
        OSError: the file can't be written.
    """
    mode = _mode_of(path) if mode is None else mode
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            if mode is not None and os.fstat(handle).st_mode & 0o777 != mode:
                os.fchmod(handle, mode)
            os.fsync(handle)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def atomic_write(path: Path, content: bytes, mode: int | None = None) -> None:
    """Replace the file `path` by one that holds `content`; see `atomic_file`.

    Raises:
        OSError: the file can't be written; `path` is as it was before.
    """
    with atomic_file(path, mode) as file:
        file.write(content)


def _mode_of(path: Path) -> int | None:
    try:
        return None if path.is_symlink() else path.stat().st_mode & 0o777
    except FileNotFoundError:
        return None


def _sync_folder(folder: Path) -> None:
    """Make a rename in the folder survive a power cut, where the filesystem can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
