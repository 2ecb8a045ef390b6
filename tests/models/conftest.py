"""A sound artifact to damage: trained once, copied for each test."""

import shutil
from pathlib import Path

import pytest

from tests.lab.model_cache import small_model


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small model; not to be changed."""
    return small_model(tmp_path_factory.mktemp("trained"))


@pytest.fixture
def store(trained: Path, tmp_path: Path) -> Path:
    """A model store that holds the one version."""
    shutil.copytree(trained, tmp_path / "store" / trained.name)
    return tmp_path / "store"


@pytest.fixture
def artifact(store: Path, trained: Path) -> Path:
    """The version's folder in `store`, free to be damaged."""
    return store / trained.name
