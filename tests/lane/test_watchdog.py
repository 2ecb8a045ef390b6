"""The watchdog ends a process that stands still, and only that."""

import json
import subprocess
import sys

from stream.lane.watchdog import EXIT_STALLED, Watchdog

STUCK = """
import logging, time
from stream.lane.watchdog import Watchdog
from stream.logs import set_up_logs
set_up_logs("info")
Watchdog(0.2, lambda: 1.0).start()
time.sleep(60)
"""


def test_a_stalled_process_ends_with_its_own_status() -> None:
    """Even where the main thread is blocked; every thread's stack is in the log for whoever looks for the cause."""
    ended = subprocess.run([sys.executable, "-c", STUCK], timeout=120, capture_output=True)
    assert ended.returncode == EXIT_STALLED
    said = json.loads(ended.stderr.splitlines()[-1])
    assert "<module>" in said["stacks"]["MainThread"]
    assert "in _watch" in said["stacks"]["watchdog"]


def test_livez_tells_what_is_wrong_before_the_end() -> None:
    """No fault while there is progress, one sentence when there is none."""
    assert Watchdog(10, lambda: 3.0).faults() == []
    assert "no progress" in Watchdog(10, lambda: 11.0).faults()[0]
