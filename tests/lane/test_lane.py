"""What a lane shows of its progress."""

import time

import pytest

from stream.config import make_settings, Settings
from stream.lane.app import Lane
from stream.metrics.lane import LaneMetrics
from tests.lane.test_engine import make


@pytest.mark.parametrize(("waiting", "age"), [(False, 0.0), (True, 300.0)])
def test_progress_is_of_the_last_batch_while_records_wait(waiting: bool, age: float) -> None:
    """Else the alert on no progress could never ring in its own case; while nothing waits there is nothing to miss."""
    engine, _ = make()
    metrics = LaneMetrics()
    lane = Lane(make_settings(), engine, "t", metrics)
    lane.waiting = waiting
    engine.progressed_at = time.monotonic() - 300.0
    lane.show_progress()
    assert time.time() - metrics.progress_timestamp._value.get() == pytest.approx(age, abs=5.0)
    lane.thread.shutdown()
