"""Models that tests only read, trained once for all workers and runs: `.cache/models` holds them until code changes."""

import hashlib
import inspect
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

from stream.lab.replaying import replay
from stream.lab.training import train_replayed
from tests.lab import logs

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "models"
LIBRARIES = ("lightgbm", "numpy", "onnx", "onnxruntime", "scipy")
CREATED = datetime(2026, 1, 12, tzinfo=UTC)
KEPT_SECONDS = 7 * 86_400.0


def small_model(store: Path, *, seed: int = 1, judged: bool = True) -> Path:
    """The folder of a model of `small_log(seed=seed)`, in a store of the test's own; with a report if `judged`."""

    def train(out: Path) -> Path:
        replayed = replay(logs.lines(logs.small_log(seed=seed)), logs.small_problem())
        return train_replayed(replayed, out, judged=judged, created=CREATED)

    return cached_model(f"small-{seed}-{'judged' if judged else 'bare'}", train, store)


def cached_model(name: str, train: Callable[[Path], Path], store: Path, folder: Path = CACHE) -> Path:
    """A copy, in `store`, of the version that `train` writes into the store it is given.

    `name` names the model among those of the file that defines `train`, which decides, with the package, whether what
    `folder` holds is still what `train` would write.
    """
    made = folder / f"{name}-{_key_with(Path(inspect.getfile(train)))}"
    if not made.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{name}.lock"):
            if not made.exists():
                _remove_old(folder)
                with tempfile.TemporaryDirectory(dir=folder) as unfinished:
                    train(Path(unfinished, "store"))
                    Path(unfinished, "store").rename(made)
    (kept,) = made.iterdir()
    return Path(shutil.copytree(kept, store / kept.name))


def key_of(sources: Iterable[Path]) -> str:
    """A hash of these files and of the versions of the libraries that a model depends on."""
    content = hashlib.sha256(repr([(name, version(name)) for name in LIBRARIES]).encode())
    for path in sorted(sources):
        content.update(hashlib.sha256(path.read_bytes()).digest())
    return content.hexdigest()[:16]


@cache
def _key_with(trainer: Path) -> str:
    return key_of([*(ROOT / "stream").rglob("*.py"), Path(logs.__file__), trainer])


def _remove_old(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and path.stat().st_mtime < time.time() - KEPT_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
