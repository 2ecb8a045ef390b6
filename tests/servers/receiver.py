"""A receiver of what Alertmanager sends to Slack, PagerDuty and webhooks; and a poster of JSON."""

import json
import socket
import ssl
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple

from stream.dev.process import LOOPBACK

ANSWER_SECONDS = 60


class Received(NamedTuple):
    """One request that came to a receiver."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


class _Server(ThreadingHTTPServer):
    daemon_threads, request_queue_size = True, 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves, or whose handshake fails, is no fault of the test's."""


class Receiver:
    """An HTTP server that takes every post and remembers it; a context manager. With `tls` it speaks HTTPS."""

    def __init__(
        self,
        answer: bytes = b'{"ok":true,"status":"success"}',
        status: int = 200,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.requests: list[Received] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                receiver._connections.append(self.connection)

            def do_POST(self) -> None:  # the base class names it so
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.requests.append(Received(self.path, headers, body))
                self.send_response(receiver.status)
                self.send_header("content-length", str(len(receiver.answer)))
                self.end_headers()
                self.wfile.write(receiver.answer)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
                """Nothing is printed."""

        self.answer, self.status = answer, status
        self._connections: list[socket.socket] = []
        self._scheme = "http" if tls is None else "https"
        self._server = _Server((LOOPBACK, 0), Handler)
        if tls is not None:  # each handshake in its own thread
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port: int = self._server.server_port
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        """Its address."""
        return f"{self._scheme}://{LOOPBACK}:{self.port}"

    def of(self, path: str) -> list[Received]:
        """The requests to a path, in order."""
        return [one for one in list(self.requests) if one.path == path]

    def close_connections(self) -> None:
        """Close the connections that are open, as a restart does."""
        while self._connections:
            with suppress(OSError):
                self._connections.pop().shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> "Receiver":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def post_json(url: str, value: Any, headers: Mapping[str, str] | None = None) -> Any:
    """Post a value as JSON; the answer's JSON, None where it is empty."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json", **(headers or {})})
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
        text = answer.read()
        return json.loads(text) if text else None
