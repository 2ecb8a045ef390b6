"""The HTTP server of /metrics, /livez and /readyz, for the process of any room."""

import logging
from collections.abc import Callable
from socketserver import ThreadingMixIn
from threading import Thread
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from stream.core.errors import SettingsError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication

log = logging.getLogger(__name__)
CLIENT_SECONDS = 10.0
"""A client that sends or takes nothing for so long is given up, so that none holds a thread for ever."""
_POLL_SECONDS = 0.1  # how long a close may take
Check = Callable[[], list[str]]  # what is wrong, one sentence each; empty = all is well


class HealthServer:
    """Answers from threads of its own from when it is made until `close`.

    Args:
        host: address to listen on.
        port: 0 chooses a free one, see `port`.
        registry: the metrics that /metrics shows.
        live: faults that only a restart mends; /livez is 503 while there are any.
        ready: what is missing before work is done; /readyz is 503 while there is anything.
        notes: what a person should know of a process that is ready; shown below its "ok".
        client_seconds: how long a client may send or take nothing.

    Raises:
        SettingsError: the address can't be opened.
    """

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry,
        live: Check,
        ready: Check,
        notes: Check = list,
        client_seconds: float = CLIENT_SECONDS,
    ) -> None:
        application = _application(make_wsgi_app(registry), {"/livez": (live, list), "/readyz": (ready, notes)})
        try:
            handler = type("Handler", (_Quiet,), {"timeout": client_seconds})
            self._server = make_server(host, port, application, _Server, handler)
        except OSError as error:
            reason = error.strerror or str(error)
            raise SettingsError(
                f"metrics_port = {port}: {host}:{port} can't be opened ({reason})", "choose another, or 0 for none"
            ) from None
        self.port = self._server.server_port
        Thread(target=self._server.serve_forever, args=(_POLL_SECONDS,), name="health", daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


def _application(metrics: "WSGIApplication", checks: dict[str, tuple[Check, Check]]) -> "WSGIApplication":
    def answer(environ: dict[str, Any], start_response: "StartResponse") -> Any:
        if environ["PATH_INFO"] not in checks:
            return metrics(environ, start_response)
        check, notes = checks[environ["PATH_INFO"]]
        faults = check()
        start_response(
            "503 Service Unavailable" if faults else "200 OK", [("Content-Type", "text/plain; charset=utf-8")]
        )
        return ["".join(f"{line}\n" for line in faults or ["ok", *notes()]).encode()]

    return answer


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("a request from %s failed", client_address, exc_info=True)  # a client that left, or was given up


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        log.debug(format, *args)
