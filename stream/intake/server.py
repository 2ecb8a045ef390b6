"""uvicorn around the application: on the room's event loop, without its own signals, logs and endless waits."""

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stream.config import IntakeSettings
from stream.core import limits
from stream.core.errors import SettingsError
from stream.extras import import_extra

HEADER_SECONDS = 10.0  # for the headers of a connection's first request
IDLE_SECONDS = 75.0  # between two requests of a connection
CONNECTIONS = 2_000  # at a time; one more is answered 503
_STOP_SECONDS = 10


def open_socket(settings: IntakeSettings) -> socket.socket:
    """The socket on which the intake listens.

    Raises:
        SettingsError: the address can't be opened.
    """
    host, port = settings.host, settings.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2_048)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingsError(
            f"intake_port = {port}: {host}:{port} can't be opened ({reason})", "choose another host or port"
        ) from None


async def serve(app: Any, listener: socket.socket, stopping: asyncio.Event) -> None:
    """Serve an ASGI application on a socket until `stopping` is set, then finish what was begun."""
    uvicorn = import_extra("uvicorn", "web", "the intake needs")
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
    )
    server = _server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait({serving, stop}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    stop.cancel()
    await serving


def _server(config: Any) -> Any:
    uvicorn = import_extra("uvicorn", "web", "the intake needs")

    class Server(uvicorn.Server):  # type: ignore[misc, name-defined]  # a class of an optional package
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            """The room has handlers of its own."""
            yield

    return Server(config)


def _protocol() -> Any:
    h11_impl = import_extra("uvicorn.protocols.http.h11_impl", "web", "the intake needs")

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
