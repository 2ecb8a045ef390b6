"""Waiting for a condition, with a deadline."""

import time
from collections.abc import Callable

POLL_SECONDS = 0.05


def until(true: Callable[[], object], seconds: float, what: str = "it never came true") -> None:
    """Return once the condition holds; AssertionError with `what` if it does not within so many seconds."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(POLL_SECONDS)
