"""A small model to score with, trained once; and the end of every rig's threads."""

from collections.abc import Iterator

import pytest

from stream.models.model import Model, load_model
from tests.lab import model_cache
from tests.lab.logs import small_problem
from tests.scorer.rig import RIGS


@pytest.fixture(autouse=True)
def closed_rigs() -> Iterator[None]:
    """End the threads of the rigs that a test made."""
    before = set(RIGS)
    yield
    for rig in set(RIGS) - before:
        rig.close()


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model of the lab's small log."""
    return load_model(model_cache.small_model(tmp_path_factory.mktemp("models")), small_problem())
