"""Waiting in an async test for what another task or thread does, with a deadline."""

import asyncio
import time
from collections.abc import Callable

POLL_SECONDS = 0.0005


async def until(true: Callable[[], object], seconds: float = 60.0, what: str = "it never came true") -> None:
    """Return once the condition holds; AssertionError with `what` if it does not within so many seconds."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(POLL_SECONDS)
