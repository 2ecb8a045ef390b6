"""The page as browsers get it: the real room and application on a port of this machine, fed from the test."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from shutil import which
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from stream.asgi_server import open_socket, serve
from stream.triage.board import Record
from stream.triage.view import Counts
from tests.triage.rig import Rig
from tests.waits import until

LOOPBACK = "127.0.0.1"
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]


def chromium_path() -> str | None:
    """Where the machine's Chromium is; None where it has none."""
    return which("chromium") or which("chromium-browser")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The machine's Chromium, headless."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS, timeout=120_000)
        try:
            yield browser
        finally:
            browser.close()


class LiveRig(Rig):
    """A rig by the real clock."""

    @property
    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    @now.setter
    def now(self, value: float) -> None:
        """Time is not for a test to set."""


class LivePage:
    """A served page.

    Attributes:
        url: its address, without a path.
        answering: while it is not set, a POST waits.
    """

    def __init__(self, port: int = 0, records: Iterable[Record] = (), **settings: Any) -> None:
        self.answering = threading.Event()
        self.answering.set()
        self.rig = LiveRig(**settings)
        self.rig.take(*records)
        self._listener = open_socket(LOOPBACK, port, "triage_port")
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://{LOOPBACK}:{self.port}"
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, name="page", daemon=True)
        self._thread.start()

    def feed(self, records: Iterable[Record]) -> None:
        """Let records come in from the topics."""
        self._loop.call_soon_threadsafe(self.rig.room.take, list(records))

    def feed_steadily(self, make: Callable[[int], Record], per_second: int, seconds: float) -> int:
        """Let so many records a second come in; returns how many came."""
        began, sent = time.monotonic(), 0
        while (past := time.monotonic() - began) < seconds:
            owed = int(past * per_second) - sent
            if owed > 0:
                self.feed([make(sent + at) for at in range(owed)])
                sent += owed
            threading.Event().wait(0.02)
        return sent

    def counts(self) -> Counts:
        """What the head of the page shows, counted between two things that the page does."""
        found: Future[Counts] = Future()
        self._loop.call_soon_threadsafe(lambda: found.set_result(self.rig.room.counts()))
        return found.result(60)

    def wait_for_published(self, count: int) -> None:
        """Wait until so many acts went to Kafka."""
        until(lambda: len(self.rig.published) >= count, 60, "the verdict was never published")

    def stop(self) -> None:
        """End the server; every verdict is published first."""
        self.answering.set()
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(60)

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._run())

    async def _run(self) -> None:
        room = asyncio.create_task(self.rig.room.run())
        closing = asyncio.create_task(self._close_streams())

        async def app(scope: Any, receive: Any, send: Any) -> None:
            while scope.get("method") == "POST" and not self.answering.is_set():  # noqa: ASYNC110 - a thread sets it
                await asyncio.sleep(0.01)
            await self.rig.app(scope, receive, send)

        await serve(app, self._listener, self._stopping)
        for task in (room, closing):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self.rig.published += self.rig.room.close()

    async def _close_streams(self) -> None:
        await self._stopping.wait()
        self.rig.room.broadcaster.close()


@contextmanager
def served(records: Iterable[Record] = (), port: int = 0, **settings: Any) -> Iterator[LivePage]:
    """A page that is ended in any case."""
    page = LivePage(port, records, **settings)
    try:
        yield page
    finally:
        page.stop()
