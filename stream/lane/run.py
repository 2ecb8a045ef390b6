"""A lane's Faust worker: it drains on a signal, ends in time whatever hangs, and has an honest exit status."""

import asyncio
import logging
import os
import sys
from contextlib import suppress
from threading import Timer
from typing import TYPE_CHECKING, Any, NoReturn

import faust

from stream.core.errors import NoisegateError

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream.lane.app import Lane

log = logging.getLogger(__name__)
EXIT_FAULT = 1
_LEAVE_SECONDS = 4.0  # beyond drain_seconds: leaving the group and closing connections


class LaneWorker(faust.Worker):
    """Faust's worker for an app made by `lane.app.make_app`, also where Faust's own command runs it.

    At SIGTERM or SIGINT the lane first finishes what is begun, within `drain_seconds`. Status 0 after a signal, also
    where the time was over, since what was not finished is read again; 1 after a fault.
    """

    _draining: "asyncio.Task[None] | None" = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.spinner = None  # it writes escape codes between the log's lines

    @property
    def _lane(self) -> "Lane":
        lane: Lane = self.app.lane  # type: ignore[attr-defined]  # make_app gives it
        return lane

    def _on_sigterm(self) -> None:
        self._drain_then(super()._on_sigterm)

    def _on_sigint(self) -> None:
        self._drain_then(super()._on_sigint)

    def _drain_then(self, leave: "Callable[[], None]") -> None:
        lane = self._lane
        lane.stopping = True
        if self._draining is not None:
            return
        seconds = lane.settings.lane.drain_seconds
        deadline = Timer(seconds + _LEAVE_SECONDS, self._end_now)
        deadline.daemon = True
        deadline.start()

        async def drain() -> None:
            if lane.assigned:
                with suppress(TimeoutError):
                    await asyncio.wait_for(lane.drained.wait(), seconds)
            leave()

        self._draining = asyncio.get_running_loop().create_task(drain())

    def _end_now(self) -> None:
        """End the process from another thread: Kafka or the event loop gives no answer."""
        lane = self._lane
        if lane.fault is None:
            log.warning(
                "Kafka gave no answer in time: the process ends without leaving its group, drain_seconds = %g after"
                " SIGTERM; nothing is lost, unfinished work is read again",
                lane.settings.lane.drain_seconds,
            )
        os._exit(self._status())

    def _status(self) -> int:
        """The exit status; says on standard error what ended the worker, where a person can mend it."""
        lane = self._lane
        lane.fault = lane.fault or self.app.crash_reason  # a service beside the lane, such as the one for /metrics
        if isinstance(lane.fault, NoisegateError):
            sys.stderr.write(f"noisegate: {lane.fault}\n")
            sys.stderr.flush()
        if lane.unfinished and lane.fault is None:
            log.warning(
                "work could not be finished in drain_seconds = %g; nothing is lost, it is read again",
                lane.settings.lane.drain_seconds,
            )
        return EXIT_FAULT if lane.fault is not None else 0

    def execute_from_commandline(self) -> NoReturn:
        """Run until a signal or a fault, and leave by SystemExit with the status."""
        status = 0
        try:
            super().execute_from_commandline()
        except SystemExit as stopped:
            status = stopped.code if isinstance(stopped.code, int) else 0
        except Exception as error:
            self._lane.fault = self._lane.fault or error
        status = self._status() or status
        if self._lane.unfinished:  # its thread still waits for Kafka, and Python would wait for the thread
            os._exit(status)
        raise SystemExit(status)


def run_worker(app: faust.App, log_level: str) -> int:
    """Run the app's lane in this process until SIGTERM or SIGINT (status 0) or a fault (status 1)."""
    worker = LaneWorker(
        app,
        loglevel=log_level.upper(),
        override_logging=False,
        redirect_stdouts=False,
        quiet=True,
    )
    try:
        worker.execute_from_commandline()
    except SystemExit as stopped:
        return stopped.code if isinstance(stopped.code, int) else EXIT_FAULT
