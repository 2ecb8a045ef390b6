"""One replay that is large enough to find things on its later part."""

import pytest

from stream.lab.replaying import Replayed, replay
from stream.lab.split import Window
from tests.lab.learning.windows import window_of
from tests.lab.logs import lines, small_log, small_problem


@pytest.fixture(scope="session")
def larger() -> Replayed:
    """1,800 alerts of three teams."""
    return replay(lines(small_log(1_800, seed=4)), small_problem())


@pytest.fixture(scope="session")
def window(larger: Replayed) -> tuple[Window, list[str]]:
    """Nine tenths of them, and the keys of the priors."""
    return window_of(larger)
