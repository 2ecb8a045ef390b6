"""An HTTP server that takes what webhooks and PagerDuty's Events API take, counts it, and fails as it is told."""

import json
import socket
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, NamedTuple

from stream.dev.process import LOOPBACK

LOST = -1
"""In place of a status: the request is done, and its connection ends without an answer."""
STATES = {"alert.paused": "pause", "alert.closed": "close", "alert.released": "release"}


class Failure(NamedTuple):
    """An answer in place of the usual one; what is not 2xx or LOST is not done."""

    status: int
    headers: Mapping[str, str] = {}


class Seen(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


class CountingServer:
    """Honours ids: what it has done under an id is not done again. A context manager, on loopback.

    Attributes:
        requests: all that came.
        done: how often each id was done.
        states: of each alert, the latest that was done to it; of PagerDuty's events by dedup_key.
        failures: answers to the next requests.
    """

    def __init__(self, failures: Iterable[Failure] = (), body: bytes = b"{}") -> None:
        self.requests: list[Seen] = []
        self.done: Counter[str] = Counter()
        self.states: dict[str, str] = {}
        self.failures = deque(failures)
        self.body = body
        self._lock = Lock()
        self._server = _Server((LOOPBACK, 0), _handler(self))
        self.port: int = self._server.server_port
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{LOOPBACK}:{self.port}"

    def answer(self, seen: Seen) -> Failure:
        """Do what a request asks, unless it is to fail."""
        with self._lock:
            self.requests.append(seen)
            failure = self.failures.popleft() if self.failures else Failure(200)
            if failure.status == LOST or 200 <= failure.status < 300:
                self._do(seen)
            return failure

    def _do(self, seen: Seen) -> None:
        value = seen.json if seen.body else {}
        if "event_action" in value:
            self.states[value["dedup_key"]] = value["event_action"]
        elif "data" in value and not self.done[seen.headers["webhook-id"]]:
            self.done[seen.headers["webhook-id"]] += 1
            if value["type"] in STATES:
                self.states[value["data"]["alert"]["alert_id"]] = STATES[value["type"]]

    def __enter__(self) -> "CountingServer":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads, request_queue_size = True, 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is no fault of the test's."""


def _handler(server: CountingServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, more = server.answer(Seen(self.command, self.path, headers, body))
            if status == LOST:
                self.close_connection = True
                with suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(server.body)))
            self.end_headers()
            self.wfile.write(server.body)

        do_GET = do_POST = do_DELETE = _answer

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
            """Nothing is printed."""

    return Handler
