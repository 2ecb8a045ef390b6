"""/metrics, /livez and /readyz of one process, served from a thread."""

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
Check = Callable[[], list[str]]  # what is wrong, one sentence each; empty = all is well


class HealthServer:
    """Serves until the process ends.

    Args:
        host: address to listen on.
        port: 0 chooses a free one, see `port`.
        registry: what /metrics shows.
        live: faults that only a restart mends.
        ready: what is still missing before alerts are worked on.
        notes: what a person should know of a process that is ready; shown below its "ok".
    """

    def __init__(
        self, host: str, port: int, registry: CollectorRegistry, live: Check, ready: Check, notes: Check = list
    ) -> None:
        application = _application(make_wsgi_app(registry), {"/livez": (live, list), "/readyz": (ready, notes)})
        try:
            self._server = make_server(host, port, application, _Server, _Quiet)
        except OSError as error:
            reason = error.strerror or str(error)
            raise SettingsError(
                f"metrics_port = {port}: {host}:{port} can't be opened ({reason})", f"choose another, or 0 for none"
            ) from None
        self.port = self._server.server_port
        Thread(target=self._server.serve_forever, name="health", daemon=True).start()

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


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        log.debug(format, *args)
