"""The HTTP client of Alertmanager's API v2, as the watcher of silences needs it."""

import base64
import http.client
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from stream.core import limits
from stream.core.errors import NoisegateError, SettingsError
from stream.sources.alertmanager_state import BadState, Snapshot, merge, read_alerts, read_silences

TIMEOUT_SECONDS = 10.0
_CHUNK = 256 * 1024
_AT_A_TIME = 8  # Alertmanagers that are asked at once


class AlertmanagerAway(NoisegateError):
    """An Alertmanager gives no answer that can be used."""


class AlertmanagerApi:
    """One Alertmanager. Calls block and may come from any thread.

    Args:
        url: its address, perhaps with a path prefix, and with user and password for basic authentication.
        headers: more headers, such as a bearer token's.
        timeout_seconds: how long one answer may take, from the first byte sent to the last one read.
        context: of TLS.

    Raises:
        SettingsError: the address is none of http or https.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.url, self._headers = _without_credentials(url)
        self._headers |= {"Accept": "application/json", **(headers or {})}
        self._timeout = timeout_seconds
        self._opener = urllib.request.build_opener(_NoRedirects, urllib.request.HTTPSHandler(context=context))

    def snapshot(self, now: float) -> Snapshot:
        """Its silences and alerts; silences first, so that every one of them is regarded in what alerts say.

        Args:
            now: seconds since 1970.

        Raises:
            AlertmanagerAway: in one sentence, without user and password.
        """
        try:
            silences = read_silences(self._get("silences"))
            return Snapshot(at=now, silences=silences, alerts=read_alerts(self._get("alerts")))
        except BadState as error:
            raise AlertmanagerAway(f"Alertmanager at {self.url}: {error}") from None

    def _get(self, path: str) -> bytes:
        request = urllib.request.Request(f"{self.url}/api/v2/{path}", headers=self._headers)
        until = time.monotonic() + self._timeout
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                return _read(answer, until)
        except urllib.error.HTTPError as error:
            error.close()
            fault = f"answered {error.code}"
            if error.code in (401, 403):
                fault += ", so it wants other credentials"
        except TimeoutError:
            fault = f"gave no whole answer within {self._timeout:g} s"
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            timed_out = isinstance(reason, TimeoutError)
            fault = f"gave no answer within {self._timeout:g} s" if timed_out else f"can't be reached: {reason}"
        raise AlertmanagerAway(f"Alertmanager at {self.url} {fault}; see that it runs, and that this is its address")


def look(apis: Sequence[AlertmanagerApi], now: float) -> tuple[Snapshot, list[str]]:
    """All Alertmanagers at one time, asked at once, and one sentence for each that did not answer.

    The snapshot is not complete where one did not; it blocks for at most twice the time-out.
    """
    if not apis:
        return Snapshot(at=now, complete=False), []
    faults: list[str] = []
    found: list[Snapshot] = []
    with ThreadPoolExecutor(min(len(apis), _AT_A_TIME), thread_name_prefix="alertmanager") as pool:
        for asked in [pool.submit(api.snapshot, now) for api in apis]:
            try:
                found.append(asked.result())
            except AlertmanagerAway as error:
                faults.append(str(error))
                found.append(Snapshot(at=now, complete=False))
    return merge(found), faults


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Credentials go to the address that was set, and to no other."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """No request."""


def _read(answer: Any, until: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := answer.read1(_CHUNK):
        size += len(part)
        if size > limits.API_BYTES:
            raise ValueError(f"its answer is over {limits.API_BYTES} bytes")
        if time.monotonic() > until:
            raise TimeoutError
        parts.append(part)
    return b"".join(parts)


def _without_credentials(url: str) -> tuple[str, dict[str, str]]:
    """The address without user, password and slash at its end, and the header that says them."""
    try:
        parts = urllib.parse.urlsplit(url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        parts, host, port = urllib.parse.SplitResult("", "", "", "", ""), None, ""
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise SettingsError(
            "an Alertmanager's address is wrong; write one such as http://alertmanager:9093 or https://..."
        )
    bare = f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"
    if parts.username is None:
        return bare, {}
    user, password = (urllib.parse.unquote(text or "") for text in (parts.username, parts.password))
    basic = base64.b64encode(f"{user}:{password}".encode()).decode()
    return bare, {"Authorization": f"Basic {basic}"}
