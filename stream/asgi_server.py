"""uvicorn around a room's application: on the room's event loop, without its own signals, logs and endless waits."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stream.core import limits
from stream.core.errors import SettingsError
from stream.extras import import_extra

HEADER_SECONDS = 10.0  # for the headers of a connection's first request
IDLE_SECONDS = 75.0  # between two requests of a connection
CONNECTIONS = 2_000  # at a time; one more is answered 503
BACKLOG = 2_048
_STOP_SECONDS = 10
NEEDS = "a room that listens to HTTP needs"


def open_socket(host: str, port: int, setting: str) -> socket.socket:
    """The socket on which a room listens; `setting` names the port for people.

    Raises:
        SettingsError: the address can't be opened.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(
        family, socket.SOCK_STREAM, socket.IPPROTO_TCP
    )  # without it asyncio leaves Nagle's delay on
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
        return listener
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise SettingsError(
            f"{setting} = {port}: {host}:{port} can't be opened ({reason})", "choose another host or port"
        ) from None


def tls_files(certificate: Path | None, key: Path | None, room: str) -> tuple[str, str] | None:
    """The files of a room's certificate and its key, as `serve` takes them; None where neither is set: plain HTTP.

    Raises:
        SettingsError: one of the two is missing, or they are no certificate and its key.
    """
    if certificate is None and key is None:
        return None
    for setting, path in ((f"{room}_tls_certificate", certificate), (f"{room}_tls_key", key)):
        if path is None or not path.expanduser().is_file():
            raise SettingsError(f"{setting} = {str(path or '')!r} is no file", "name PEM files for both")
    assert certificate is not None
    assert key is not None
    files = str(certificate.expanduser()), str(key.expanduser())
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(*files, password=lambda: b"")
    except (OSError, ssl.SSLError, ValueError) as error:
        raise SettingsError(
            f"{room}_tls_certificate and {room}_tls_key can't be used ({error})",
            "name the PEM file of a certificate and that of its key, which has no passphrase",
        ) from None
    return files


async def serve(app: Any, listener: socket.socket, stopping: asyncio.Event, tls: tuple[str, str] | None = None) -> None:
    """Serve an ASGI application on a socket until `stopping` is set, then finish what was begun.

    `tls` is the certificate's file and its key's; None: plain HTTP.
    """
    uvicorn = import_extra("uvicorn", "web", NEEDS)
    logging.getLogger("uvicorn.error").setLevel(
        logging.ERROR
    )  # not a line for each scanner and each refused connection
    config = uvicorn.Config(
        app,
        http=_protocol(),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        h11_max_incomplete_event_size=2 * limits.HEADER_BYTES,
        timeout_keep_alive=int(IDLE_SECONDS),
        timeout_graceful_shutdown=_STOP_SECONDS,
        limit_concurrency=CONNECTIONS,
        ssl_certfile=tls[0] if tls else None,
        ssl_keyfile=tls[1] if tls else None,
    )
    server = _server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait({serving, stop}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    stop.cancel()
    await serving


def _server(config: Any) -> Any:
    uvicorn = import_extra("uvicorn", "web", NEEDS)

    class Server(uvicorn.Server):  # type: ignore[misc, name-defined]  # a class of an optional package
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            """The room has handlers of its own."""
            yield

    return Server(config)


def _protocol() -> Any:
    h11_impl = import_extra("uvicorn.protocols.http.h11_impl", "web", NEEDS)

    class Protocol(h11_impl.H11Protocol):  # type: ignore[misc, name-defined]  # a class of an optional package
        """HTTP/1.1 that gives up a sender whose headers do not come; uvicorn itself would wait for ever."""

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._headers_due = self.loop.call_later(HEADER_SECONDS, self._give_up)

        def connection_lost(self, error: Exception | None) -> None:
            self._headers_due.cancel()
            super().connection_lost(error)

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._headers_due.cancel()
            self._headers_due = self.loop.call_later(IDLE_SECONDS, self._give_up)

        def _give_up(self) -> None:
            if self.cycle is None or self.cycle.response_complete:
                self.transport.close()

    return Protocol
