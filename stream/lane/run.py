"""Run a lane's Faust app as this process's worker, and end with an honest exit status."""

import asyncio
import logging
import sys
from collections.abc import Callable
from contextlib import suppress

import faust

from stream.config import Settings
from stream.core.errors import NoisegateError
from stream.lane.app import Lane

log = logging.getLogger(__name__)
EXIT_FAULT = 1


class _Worker(faust.Worker):
    """Faust's worker, which on a signal first lets the lane finish what is begun."""

    lane: Lane

    def _on_sigterm(self) -> None:
        self._drain_then(super()._on_sigterm)

    def _on_sigint(self) -> None:
        self._drain_then(super()._on_sigint)

    def _drain_then(self, leave: Callable[[], None]) -> None:
        async def drain() -> None:
            if self.lane.assigned:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.lane.drained.wait(), self.lane.settings.drain_seconds)
            leave()

        self.lane.stopping = True
        self._draining = asyncio.get_running_loop().create_task(drain())


def run_worker(app: faust.App, lane: Lane, settings: Settings) -> int:
    """Run until SIGTERM or SIGINT (status 0) or a fault (status 1)."""
    worker = _Worker(
        app,
        loglevel=settings.log_level.upper(),
        override_logging=False,
        redirect_stdouts=False,
        quiet=True,
    )
    worker.lane = lane
    worker.spinner = None  # it writes escape codes beside the JSON lines
    status = 0
    try:
        worker.execute_from_commandline()  # always leaves by SystemExit, or by what crashed it
    except SystemExit as stopped:
        status = stopped.code if isinstance(stopped.code, int) else 0
    except Exception as error:
        lane.fault = lane.fault or error
    lane.fault = lane.fault or app.crash_reason  # a service beside the lane, such as the one that answers /metrics
    if isinstance(lane.fault, NoisegateError):
        sys.stderr.write(f"noisegate: {lane.fault}\n")
    return EXIT_FAULT if lane.fault is not None else status
