"""One small replay, shared by the tests that only read it."""

import pytest

from stream.lab.replaying import Replayed, replay
from tests.lab.logs import lines, small_log, small_problem


@pytest.fixture(scope="session")
def small() -> Replayed:
    """900 alerts of three teams."""
    return replay(lines(small_log()), small_problem())
