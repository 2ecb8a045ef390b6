"""The watchdog ends a process that stands still, and only that."""

import subprocess
import sys

from stream.lane.watchdog import EXIT_STALLED, Watchdog

STUCK = """
import time
from stream.lane.watchdog import Watchdog
Watchdog(0.2, lambda: 1.0).start()
time.sleep(20)
"""


def test_a_stalled_process_ends_with_its_own_status() -> None:
    """Even where the main thread is blocked."""
    ended = subprocess.run([sys.executable, "-c", STUCK], timeout=30, capture_output=True)
    assert ended.returncode == EXIT_STALLED


def test_livez_tells_what_is_wrong_before_the_end() -> None:
    """No fault while there is progress, one sentence when there is none."""
    assert Watchdog(10, lambda: 3.0).faults() == []
    assert "no progress" in Watchdog(10, lambda: 11.0).faults()[0]
