"""The lock that keeps two retrainings of one deployment on one machine apart."""

from collections.abc import Iterator
from contextlib import contextmanager

from stream.config import Settings
from stream.core.errors import LabError
from stream.extras import import_extra
from stream.models.cache import cache_folder


@contextmanager
def retrain_lock(settings: Settings) -> Iterator[None]:
    """Hold the deployment's lock file in `model_cache`; the system frees it with the process, however that ends.

    Two machines are not kept apart: each would publish a sound version, and the later one becomes challenger.

    Raises:
        LabError: another retraining holds it, or the folder of `model_cache` can't be written.
    """
    filelock = import_extra("filelock", "lab", "retraining needs", LabError)
    cache = cache_folder(settings.models.cache)
    path = cache / f"retrain-{settings.deployment}.lock"
    lock = filelock.FileLock(path, timeout=0)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout:
        raise LabError(
            f"another retraining of {settings.deployment} is at work on this machine ({path} is locked)",
            "wait until it ends",
        ) from None
    except NotImplementedError:
        raise LabError(f"{path}: its file system has no locks", "set NOISEGATE_MODEL_CACHE to a local folder") from None
    except OSError as error:
        raise LabError(f"{path}: can't be written ({error.strerror})", "set NOISEGATE_MODEL_CACHE") from None
    try:
        yield
    finally:
        lock.release()
