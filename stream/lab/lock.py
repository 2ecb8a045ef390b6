"""One retraining at a time: a lock file that goes with the process that holds it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from stream.config import Settings
from stream.core.errors import LabError
from stream.models.cache import cache_folder


@contextmanager
def only_one(settings: Settings) -> Iterator[None]:
    """Keep a second run of this deployment on this machine out; the lock goes with the process, however it ends.

    Two machines are not kept apart: each would publish a sound version, and the later one becomes challenger.

    Raises:
        LabError: one is at work, or the folder of `model_cache` can't be written.
    """
    cache = cache_folder(settings.models.cache)
    path = cache / f"retrain-{settings.deployment}.lock"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b")
    except OSError as error:
        raise LabError(f"{path}: can't be written ({error.strerror})", f"set NOISEGATE_MODEL_CACHE") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise LabError(
                f"another retraining of {settings.deployment} is at work on this machine ({path} is locked)",
                "wait until it ends",
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode())
        file.flush()
        yield
