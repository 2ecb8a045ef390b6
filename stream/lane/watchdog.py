"""The watchdog: a process that makes no progress while records wait ends, so that its supervisor starts it anew."""

import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from threading import Event, Thread

log = logging.getLogger(__name__)
EXIT_STALLED = 70


class Watchdog:
    """Watches from a thread of its own, so that a blocked event loop does not blind it.

    Args:
        seconds: records wait and none is worked on for this long: a stall.
        stalled_for: seconds since the last progress, 0 while nothing waits.
    """

    def __init__(self, seconds: float, stalled_for: Callable[[], float]) -> None:
        self._seconds = seconds
        self._stalled_for = stalled_for
        self._stop = Event()
        self._thread = Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stop.set()

    def faults(self) -> list[str]:
        """What /livez says."""
        stalled = self._stalled_for()
        return [f"no progress for {stalled:.0f} s while records wait"] if stalled > self._seconds else []

    def _watch(self) -> None:
        while not self._stop.wait(min(self._seconds / 4, 5.0)):
            faults = self.faults()
            if faults:
                log.error(
                    "%s: the process ends with status %d",
                    faults[0],
                    EXIT_STALLED,
                    extra={"fields": {"stacks": stacks()}},
                )
                time.sleep(0.1)  # the log line gets out
                os._exit(EXIT_STALLED)


def stacks() -> dict[str, str]:
    """The present stack of every thread, by its name."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return {
        names.get(ident, str(ident)): "".join(traceback.format_stack(frame))
        for ident, frame in sys._current_frames().items()
    }
