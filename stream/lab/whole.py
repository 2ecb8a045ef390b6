"""A file that is there whole or not at all: written beside its place, then renamed to it."""

import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from stream.core.errors import LogError

COMPRESS_LEVEL = 3


@contextmanager
def whole(output: Path) -> Iterator[IO[bytes]]:
    """A file to write; it becomes `output` where the block ends well, and is gone where it does not.

    Raises:
        LogError: it can't be written.
    """
    made = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        with made.open("wb") as file:
            yield file
        made.replace(output)
    except OSError as error:
        raise LogError(f"{output}: can't be written: {error.strerror or error}") from None
    finally:
        made.unlink(missing_ok=True)


@contextmanager
def packed(file: IO[bytes], wanted: bool) -> Iterator["IO[bytes] | gzip.GzipFile"]:
    """The file as it is, or one that packs what is written to it; the same bytes whenever it is made."""
    if not wanted:
        yield file
        return
    with gzip.GzipFile("", "wb", COMPRESS_LEVEL, file, mtime=0) as gz:
        yield gz
