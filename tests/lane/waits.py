"""Waiting in a test for what another task or thread does."""

import asyncio
from collections.abc import Callable


async def until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    """Return once it is so; TimeoutError after these seconds."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what is waited for is also done by threads, which set no asyncio.Event
            await asyncio.sleep(0.0005)
