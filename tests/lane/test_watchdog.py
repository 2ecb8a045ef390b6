"""The watchdog ends a process that stands still, and only that."""

import json
import subprocess
import sys
import time

import pytest

from stream.config import make_settings, Settings
from stream.lane.app import Lane
from stream.lane.watchdog import EXIT_STALLED, Watchdog
from stream.metrics.lane import LaneMetrics
from tests.lane.test_engine import make

STUCK = """
import logging, time
from stream.lane.watchdog import Watchdog
from stream.logs import set_up_logs
set_up_logs("info")
Watchdog(0.2, lambda: 1.0).start()
time.sleep(20)
"""


def test_a_stalled_process_ends_with_its_own_status() -> None:
    """Even where the main thread is blocked; every thread's stack is in the log for whoever looks for the cause."""
    ended = subprocess.run([sys.executable, "-c", STUCK], timeout=30, capture_output=True)
    assert ended.returncode == EXIT_STALLED
    said = json.loads(ended.stderr.splitlines()[-1])
    assert "<module>" in said["stacks"]["MainThread"]
    assert "in _watch" in said["stacks"]["watchdog"]


def test_livez_tells_what_is_wrong_before_the_end() -> None:
    """No fault while there is progress, one sentence when there is none."""
    assert Watchdog(10, lambda: 3.0).faults() == []
    assert "no progress" in Watchdog(10, lambda: 11.0).faults()[0]


@pytest.mark.expects_errors
def test_time_without_kafka_is_no_stall() -> None:
    """Records that wait in a Kafka that is away end no process; when it is back, the time counts from then on."""
    engine, _ = make()
    lane = Lane(make_settings(), engine, "alerts.events", LaneMetrics())
    lane.waiting = True
    lane.turned_at = engine.progressed_at = time.monotonic() - 1_000
    lane.broker_watch._outage.up_since = lane.turned_at
    assert lane.stalled_for() >= 1_000
    for _ in range(2):
        lane.broker_watch._outage.failed()
    assert lane.stalled_for() == 0
    lane.broker_watch._outage.answered()
    assert 0 < lane.stalled_for() < 100
