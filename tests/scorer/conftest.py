"""A small model to score with, trained once."""

import pytest

from stream.models.serving import Model, load_model
from tests.lab import model_cache
from tests.lab.logs import small_problem


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model of the lab's small log."""
    return load_model(model_cache.small_model(tmp_path_factory.mktemp("models")), small_problem())
