"""A small model to score with, trained once."""

import pytest

from stream.lab.replaying import replay
from stream.lab.training import train_replayed
from stream.models.model import Model, load_model
from tests.lab.logs import lines, small_log, small_problem


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model of the lab's small log."""
    folder = train_replayed(replay(lines(small_log()), small_problem()), tmp_path_factory.mktemp("models"))
    return load_model(folder, small_problem())
