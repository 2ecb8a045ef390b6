"""The model in service follows the pointer; what is bad is refused once, and the running one stays."""

import shutil
from pathlib import Path

import pytest

from stream.lab.replaying import replay
from stream.lab.training import train_replayed
from stream.models.artifact import ONNX
from stream.models.pointers import CHAMPION, Pointer
from stream.models.store import Store
from stream.models.watch import ChampionWatch
from tests.lab.logs import lines, small_log, small_problem


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another version for the same problem."""
    return train_replayed(replay(lines(small_log(seed=2)), small_problem()), tmp_path_factory.mktemp("other"))


def promote(store: Path, version: str) -> None:
    """Point at a version in one stroke."""
    Store(str(store)).point(CHAMPION, Pointer(version))


def point(store: Path, version: str) -> None:
    """Point at a version without looking at it."""
    (store / "new").write_text(version)
    (store / "new").replace(store / "CHAMPION")


def test_no_pointer_is_no_model_and_no_fault(store: Path) -> None:
    """Starting without a model is a supported mode."""
    watch = ChampionWatch(store, small_problem())
    watch.poll()
    assert (watch.model, watch.fault, watch.loads, watch.refusals) == (None, None, 0, 0)


def test_the_pointer_is_followed(store: Path, artifact: Path, other: Path) -> None:
    """A new version is loaded when it is promoted, and only then."""
    shutil.copytree(other, store / other.name)
    watch = ChampionWatch(store, small_problem())
    for version in (artifact.name, other.name, artifact.name):
        promote(store, version)
        watch.poll()
        watch.poll()
        assert watch.model is not None
        assert watch.model.version == version
    assert (watch.fault, watch.loads, watch.refusals) == (None, 3, 0)
    loaded = watch.model
    promote(store, artifact.name)
    watch.poll()
    assert watch.model is loaded  # the same version again is not loaded again


def test_a_bad_version_is_refused_once_and_the_running_one_stays(store: Path, artifact: Path, other: Path) -> None:
    """The fault is told, not tried again until the pointer is written again, and gone when it is mended."""
    promote(store, artifact.name)
    watch = ChampionWatch(store, small_problem())
    watch.poll()
    running = watch.model
    shutil.copytree(other, store / other.name)
    (store / other.name / ONNX).write_bytes(b"")
    point(store, other.name)
    for _ in range(3):
        watch.poll()
    assert watch.model is running
    assert watch.refusals == 1
    assert watch.fault is not None
    assert f"{other.name}: {ONNX}" in watch.fault
    shutil.copy(other / ONNX, store / other.name / ONNX)
    watch.poll()
    assert watch.model is running  # mended, but nobody pointed at it again
    promote(store, other.name)
    watch.poll()
    assert watch.model is not None
    assert watch.model.version == other.name
    assert watch.fault is None


def test_every_wrong_pointer_is_a_fault(store: Path, artifact: Path) -> None:
    """Rubbish, a version that is not there, another problem's model, a pointer that went away."""
    promote(store, artifact.name)
    watch = ChampionWatch(store, small_problem())
    watch.poll()
    point(store, "rubbish")
    watch.poll()
    assert watch.fault is not None
    assert "not the name of a version" in watch.fault
    point(store, "2026-01-01-abcd")
    watch.poll()
    assert "no such folder" in watch.fault
    (store / "CHAMPION").unlink()
    watch.poll()
    assert "is gone" in watch.fault
    assert watch.model is not None
    assert watch.refusals == 2
    elsewhere = ChampionWatch(store, small_problem(horizon_hours="2"))
    point(store, artifact.name)
    elsewhere.poll()
    assert elsewhere.model is None
    assert elsewhere.fault is not None
    assert "was made for the problem" in elsewhere.fault


def test_a_version_that_arrives_after_its_pointer_is_loaded(store: Path, other: Path) -> None:
    """A store that copies the pointer first does not leave the worker without a model for good."""
    watch = ChampionWatch(store, small_problem())
    point(store, other.name)
    watch.poll()
    assert watch.fault is not None
    shutil.copytree(other, store / other.name)
    watch.poll()
    assert watch.model is not None
    assert watch.model.version == other.name
