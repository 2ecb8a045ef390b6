"""A sound artifact to damage: trained once, copied for each test."""

import shutil
from pathlib import Path

import pytest

from stream.lab.replaying import replay
from stream.lab.training import train_replayed
from tests.lab.logs import lines, small_log, small_problem


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small model; not to be changed."""
    store = tmp_path_factory.mktemp("trained")
    return train_replayed(replay(lines(small_log()), small_problem()), store)


@pytest.fixture
def store(trained: Path, tmp_path: Path) -> Path:
    """A model store that holds the one version."""
    shutil.copytree(trained, tmp_path / "store" / trained.name)
    return tmp_path / "store"


@pytest.fixture
def artifact(store: Path, trained: Path) -> Path:
    """The version's folder in `store`, free to be damaged."""
    return store / trained.name
