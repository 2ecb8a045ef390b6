"""A room without a lane, as a process: one coroutine on an event loop, with the health, signals and end of any room."""

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable

from prometheus_client import CollectorRegistry

from stream.config import Settings
from stream.lane.process import Callbacks, Process
from stream.lane.watchdog import Watchdog

log = logging.getLogger(__name__)
PULSE_SECONDS = 1.0
Work = Callable[[asyncio.Event], Awaitable[None]]
"""A room's work: begins to end once the event is set, and returns when what was begun is finished."""


class Runner:
    """Runs a room's work until a signal or a fault; a blocked event loop ends the process after `stall_seconds`.

    Args:
        settings: where its health is served, and how long its end may take.
        registry: what /metrics shows.
        work: the room's work; called once, on the event loop.
        callbacks: what the room adds to its process; `prepare` is not called.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        settings: Settings,
        registry: CollectorRegistry,
        work: Work,
        callbacks: Callbacks,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._work = work
        self._clock = clock
        self._pulse: float | None = None
        watchdog = Watchdog(settings.lane.stall_seconds, self.stalled_for)
        self.process = Process(settings, registry, watchdog, callbacks.ready, callbacks)

    def run(self) -> int:
        """Serve the health, then work; returns the exit status.

        Raises:
            SettingsError: the health server's port can't be opened.
        """
        self.process.open()
        asyncio.run(self._run())
        return self.process.status()

    def stalled_for(self) -> float:
        """Seconds since the event loop last ran; 0 before it runs."""
        return 0.0 if self._pulse is None else max(0.0, self._clock() - self._pulse - PULSE_SECONDS)

    async def _run(self) -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()

        def stop() -> None:
            if not stopping.is_set():
                log.info("stopping")
                stopping.set()
                self.process.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        self._pulse = self._clock()
        pulse = asyncio.create_task(self._beat())
        try:
            self.process.start()
            await self._work(stopping)
            if not stopping.is_set():
                raise RuntimeError("the work ended without a signal")
        except Exception as error:
            self.process.fail(error)
        finally:
            pulse.cancel()
            stop()

    async def _beat(self) -> None:
        while True:
            self._pulse = self._clock()
            await asyncio.sleep(PULSE_SECONDS)
