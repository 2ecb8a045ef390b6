"""What every room's process does: health, faults, signals, status."""

import asyncio
import logging
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from threading import Event

import pytest
from prometheus_client import CollectorRegistry, Gauge

from stream.config import Settings, make_settings
from stream.core.errors import BrokerError, SettingsError
from stream.dev.process import free_port
from stream.lane.process import Callbacks, Process
from stream.lane.watchdog import Watchdog


class Ended:
    """How the process was ended, instead of ending it."""

    def __init__(self) -> None:
        self.status: int | None = None
        self._event = Event()

    def __call__(self, status: int) -> None:
        """End with a status."""
        self.status = status
        self._event.set()

    def wait(self) -> int | None:
        """The status, as soon as there is one; None after a minute."""
        self._event.wait(60)
        return self.status


def make(
    settings: Settings,
    ready: list[str] | None = None,
    stalled: float = 0.0,
    callbacks: Callbacks = Callbacks(),  # noqa: B008 - frozen
    end: Callable[[int], None] = lambda status: None,
) -> Process:
    """A process that is not started, and that nothing but `end` ends."""
    registry = CollectorRegistry()
    Gauge("of_the_room", "", registry=registry).set(7)
    watchdog = Watchdog(10.0, lambda: stalled)
    return Process(settings, registry, watchdog, lambda: ready or [], callbacks, leave_seconds=0.01, end=end)


def get(port: int, path: str) -> tuple[int, str]:
    """Status and body."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_health_shows_what_the_room_says() -> None:
    """/metrics is the registry, /livez the watchdog, /readyz what is missing or else the room's notes."""
    port, missing = free_port(), ["nothing is assigned"]
    process = make(make_settings(metrics_port=port), missing, 99.0, Callbacks(notes=lambda: ["no model"]))
    process.open()
    assert "of_the_room 7.0" in get(port, "/metrics")[1]
    assert get(port, "/livez") == (503, "no progress for 99 s while records wait\n")
    assert get(port, "/readyz") == (503, "nothing is assigned\n")
    missing.clear()
    assert get(port, "/readyz") == (200, "ok\nno model\n")
    with pytest.raises(SettingsError, match=f"metrics_port = {port}"):
        make(make_settings(metrics_port=port)).open()


def test_without_a_port_nothing_is_served() -> None:
    """`metrics_port = 0` opens no port, and two such processes live side by side."""
    for _ in range(2):
        make(make_settings(metrics_port=0)).open()


def test_start_reload_and_stop_reach_the_room() -> None:
    """In the order of a process's life; SIGHUP reloads as often as it comes."""
    calls: list[str] = []

    async def life() -> None:
        reloaded = asyncio.Event()

        def reload() -> None:
            calls.append("reload")
            reloaded.set()

        callbacks = Callbacks(start=lambda: calls.append("start"), reload=reload, stop=lambda: calls.append("stop"))
        process = make(make_settings(), callbacks=callbacks)
        process.start()
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.wait_for(reloaded.wait(), 60)
        process.stop()
        asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)

    asyncio.run(life())
    assert calls == ["start", "reload", "stop"]


@pytest.fixture
def terminated() -> Iterator[Event]:
    """Set when this process is asked to end, which it does not."""
    heard = Event()
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.set())
    yield heard
    signal.signal(signal.SIGTERM, before)


@pytest.mark.expects_errors
def test_a_fault_ends_the_process_with_its_sentence(
    terminated: Event, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """SIGTERM to itself, status 1, the first fault on standard error; a person's mistake has no traceback."""
    process = make(make_settings())
    process.fail(BrokerError("Kafka has no topic alerts.events; run `noisegate topics create`"))
    process.fail(BrokerError("later"))
    assert terminated.wait(60)
    assert process.status() == 1
    assert capsys.readouterr().err == "noisegate: Kafka has no topic alerts.events; run `noisegate topics create`\n"
    assert [record.exc_info for record in caplog.records] == [None, None]


@pytest.mark.expects_errors
def test_a_bug_ends_the_process_with_its_traceback(
    terminated: Event, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """It is in the log, for whoever mends it, and not on standard error beside it."""
    process = make(make_settings())
    try:
        raise ZeroDivisionError("in the fold")
    except ZeroDivisionError as error:
        process.fail(error)
    assert terminated.wait(60)
    assert process.status() == 1
    assert capsys.readouterr().err == ""
    (record,) = caplog.records
    assert record.levelno == logging.CRITICAL
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


def test_what_could_not_be_finished_is_said_and_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    """It is read again: status 0 with one sentence in the log, and status 0 without one where all was finished."""
    process = make(make_settings(drain_seconds=3.0))
    assert process.status() == 0
    assert caplog.records == []
    assert process.status(unfinished=True) == 0
    (record,) = caplog.records
    assert "drain_seconds = 3; nothing is lost" in record.getMessage()


@pytest.mark.parametrize(
    ("fault", "crash", "status", "sentence"),
    [
        (None, None, 0, ""),
        (BrokerError("Kafka is gone"), None, 1, "noisegate: Kafka is gone\n"),
        (None, BrokerError("a server beside it crashed"), 1, "noisegate: a server beside it crashed\n"),
    ],
)
def test_a_process_that_hangs_after_a_signal_ends_in_time(
    fault: BrokerError | None,
    crash: BrokerError | None,
    status: int,
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """From another thread, with the status that it would have had."""
    ended = Ended()
    process = make(make_settings(drain_seconds=0.01), end=ended)
    process.fault = fault
    process.end_in_time(lambda: crash)
    assert ended.wait() == status
    assert capsys.readouterr().err == sentence
    assert [record.getMessage()[:32] for record in caplog.records] == ["Kafka gave no answer in time: th"] * (
        1 - status
    )


def test_an_end_that_no_signal_began_has_a_deadline_too() -> None:
    """A service beside the work crashed and nothing stops: status 1."""
    ended = Ended()
    registry, watchdog = CollectorRegistry(), Watchdog(10.0, lambda: 0.0)
    process = Process(
        make_settings(drain_seconds=0.01), registry, watchdog, list, Callbacks(), shutdown_seconds=0.01, end=ended
    )
    process.stop()
    assert ended.wait() == 1
