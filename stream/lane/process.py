"""What every room's process does, whatever its work is: health, signals, a hard deadline, an honest exit status.

In this order: `exit_on_sigterm` is called and logs are set up, `open` makes the health server answer before anything
outside is asked, `start` begins what runs beside the work, `stop` ends it, and `status` is the exit status.
"""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread, Timer
from typing import TypeVar

from msgspec import Struct
from prometheus_client import CollectorRegistry

from stream.config import Settings
from stream.core import state
from stream.core.errors import NoisegateError
from stream.health import HealthServer
from stream.lane.watchdog import Watchdog

log = logging.getLogger(__name__)
T = TypeVar("T")
EXIT_FAULT = 1
_LEAVE_SECONDS = 4.0
_SHUTDOWN_SECONDS = 10.0


def _nothing() -> None:
    pass


def _no_faults() -> list[str]:
    return []


class Callbacks(Struct, frozen=True, kw_only=True):
    """What a room adds to its process; the default of each does nothing.

    Attributes:
        start: begins what runs beside the work; called from the event loop, may not block.
        prepare: returns when the work may begin; called once, after `start`, from a thread of its own.
        unprepared: what /readyz shows until `prepare` has returned, one sentence.
        reload: what SIGHUP asks for; called from the event loop, may not block.
        stop: ends what `start` began; called from the event loop, may not block.
        ready: what is missing before the room works as it should, one sentence each; called from any thread.
        notes: what a person should know of a room that is ready; called from any thread.
    """

    start: Callable[[], None] = _nothing
    prepare: Callable[[], None] = _nothing
    unprepared: str = "the room is not prepared yet"
    reload: Callable[[], None] = _nothing
    stop: Callable[[], None] = _nothing
    ready: Callable[[], list[str]] = _no_faults
    notes: Callable[[], list[str]] = _no_faults


class Process:
    """One room's process.

    Args:
        settings: where its health is served, and how long its end may take.
        registry: what /metrics shows.
        watchdog: ends it where nothing goes on; its faults are those of /livez.
        ready: what /readyz waits for, one sentence each.
        callbacks: what the room adds.
        leave_seconds: how long after `drain_seconds` it may take to leave the group and to close connections.
        shutdown_seconds: the same where no signal began the end.
        end: ends the process at once with a status.

    Attributes:
        fault: what ended or ends the process; None after a signal.
    """

    def __init__(
        self,
        settings: Settings,
        registry: CollectorRegistry,
        watchdog: Watchdog,
        ready: Callable[[], list[str]],
        callbacks: Callbacks,
        leave_seconds: float = _LEAVE_SECONDS,
        shutdown_seconds: float = _SHUTDOWN_SECONDS,
        end: Callable[[int], None] = os._exit,
    ) -> None:
        self.fault: BaseException | None = None
        self._settings = settings
        self._registry = registry
        self._watchdog = watchdog
        self._ready = ready
        self._callbacks = callbacks
        self._leave_seconds = leave_seconds
        self._shutdown_seconds = shutdown_seconds
        self._end = end

    def open(self) -> None:
        """Serve /metrics, /livez and /readyz, if `metrics_port` is not 0.

        Raises:
            SettingsError: the port can't be opened.
        """
        if not self._settings.metrics.port:
            return
        server = HealthServer(
            self._settings.metrics.host,
            self._settings.metrics.port,
            self._registry,
            live=self._watchdog.faults,
            ready=self._ready,
            notes=self._callbacks.notes,
        )
        log.info("health", extra={"fields": {"host": self._settings.metrics.host, "port": server.port}})

    def start(self) -> None:
        """Begin what runs beside the work; called from the process's event loop."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._callbacks.reload)
        self._callbacks.start()
        self._watchdog.start()

    def stop(self) -> None:
        """Stop what `start` began; the process ends within `drain_seconds` and a little, whatever hangs."""
        _after(self._settings.lane.drain_seconds + self._shutdown_seconds, lambda: self._end(EXIT_FAULT))
        self._watchdog.stop()
        self._callbacks.stop()

    def fail(self, fault: BaseException) -> None:
        """End the process in order, with status 1 and, on standard error, this sentence; callable from any thread."""
        self.fault = self.fault or fault
        expected = isinstance(fault, NoisegateError)
        log.log(logging.ERROR if expected else logging.CRITICAL, "%s", fault, exc_info=None if expected else fault)
        os.kill(os.getpid(), signal.SIGTERM)

    def end_in_time(self, crash: Callable[[], BaseException | None] = lambda: None) -> None:
        """End the process after a signal, `drain_seconds` and a little, whatever hangs.

        Args:
            crash: gives what ended the work, where that is no fault that the process knows.
        """

        def end_now() -> None:
            self.fault = self.fault or crash()
            if self.fault is None:
                log.warning(
                    "Kafka gave no answer in time: the process ends without leaving its group, drain_seconds = %g after"
                    " SIGTERM; nothing is lost, unfinished work is read again",
                    self._settings.lane.drain_seconds,
                )
            self._end(self.status())

        _after(self._settings.lane.drain_seconds + self._leave_seconds, end_now)

    def status(self, unfinished: bool = False) -> int:
        """The exit status: 0, or 1 after a fault; writes what a person can mend to standard error.

        Args:
            unfinished: what was begun could not be finished in time; the log says so.
        """
        if isinstance(self.fault, NoisegateError):
            sys.stderr.write(f"noisegate: {self.fault}\n")
            sys.stderr.flush()
        if unfinished and self.fault is None:
            log.warning(
                "work could not be finished in drain_seconds = %g; nothing is lost, it is read again",
                self._settings.lane.drain_seconds,
            )
        return EXIT_FAULT if self.fault is not None else 0


def exit_on_sigterm() -> None:
    """Until the work begins and has a handler of its own, SIGTERM ends the process with status 0: nothing is begun."""

    def leave(number: int, frame: object) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, leave)


def in_thread(call: Callable[[], T]) -> T:
    """What the call returns or raises, made in a thread, so that a signal interrupts the wait for a library in C."""
    answers: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

    def answer() -> None:
        try:
            answers.put((call(), None))
        except BaseException as error:
            answers.put((None, error))

    Thread(target=answer, name="start", daemon=True).start()
    value, error = answers.get()
    if error is not None:
        raise error
    return value  # type: ignore[return-value]  # there is one where there is no error


def tune_garbage_collection() -> None:
    """Leave what is there out of garbage collection, and look for cycles seldom; called as the work begins."""
    gc.freeze()
    gc.set_threshold(*state.GC_THRESHOLDS)


def _after(seconds: float, end: Callable[[], None]) -> None:
    timer = Timer(seconds, end)
    timer.daemon = True
    timer.start()
