"""HTTP requests that reach allowed addresses only: checked after the name is looked up, on the connection itself.

Redirects are not followed and proxies of the environment are not used, so that the address that was checked is the one
that is talked to.
"""

import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from threading import Lock, Timer
from urllib.parse import urlsplit

from msgspec import Struct

from stream.closer.targets.addresses import AddressRules
from stream.closer.targets.target import DeedRefused, TargetAway
from stream.core.errors import SettingsError

MOST_RETRY_SECONDS = 3_600.0  # of a Retry-After that is believed
ANSWER_BYTES = 16 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024
_SENTENCE_CHARACTERS = 200
_RETRIED = frozenset({408, 409, 423, 425, 429})  # of 4xx: the same request may pass later


class Reply(Struct, frozen=True):
    """What a server answered."""

    status: int
    body: bytes
    retry_seconds: float | None = None

    @property
    def done(self) -> bool:
        """Whether it took the request."""
        return 200 <= self.status < 300


class HttpClient:
    """Requests to one server, from any thread; connections stay open until `close`.

    Args:
        url: http:// or https://, with a path that begins all paths.
        rules: which addresses it may have.
        seconds: how long one request may take, from the connection to the last byte.
        headers: of every request.
        ca: certificates that its own is checked by; None: those of the system.

    Raises:
        SettingsError: the address or the certificates can't be used.
    """

    def __init__(
        self,
        url: str,
        rules: AddressRules,
        seconds: float,
        headers: Mapping[str, str] | None = None,
        ca: Path | None = None,
    ) -> None:
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or parts.query or parts.fragment or not (url.isascii() and url.isprintable()) or " " in url:
            raise SettingsError("url is no address", "write http://HOST:PORT or https://HOST/PATH")
        if parts.username is not None:
            raise SettingsError("url holds a user or a password", "name them by authorization_file instead")
        self._host, self._tls = parts.hostname or "", parts.scheme == "https"
        self._port = parts.port or (443 if self._tls else 80)
        self.path = parts.path.rstrip("/")
        self.name = f"{parts.scheme}://{parts.netloc}"
        self._rules, self._seconds, self._headers = rules, seconds, dict(headers or {})
        self._context = _context(ca) if self._tls else None
        self._lock = Lock()
        self._idle: list[_Connection] | None = []  # None: closed

    def check(self) -> str:
        """Connect and hang up; returns the address.

        Raises:
            TargetAway, DeedRefused: it can't be reached.
        """
        try:
            made = _connect(self._host, self._port, self._rules, self._seconds)
            with (
                made if self._context is None else self._context.wrap_socket(made, server_hostname=self._host) as open_
            ):
                return str(open_.getpeername()[0])
        except (OSError, UnicodeError) as error:
            raise self._away(error) from None

    def request(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = {}) -> Reply:
        """Send a request and read the answer, whatever its status.

        Raises:
            TargetAway: there was no whole answer in time.
            DeedRefused: its address is not allowed.
        """
        until = time.monotonic() + self._seconds
        kept = self._take()
        if kept is not None:
            try:
                return self._exchange(kept, method, path, body, headers, until)
            except (OSError, HTTPException, ValueError) as error:
                if kept.is_cut:
                    raise self._away(error) from None
                # else the server may have closed an idle connection at this moment: a new one is tried once
        made = _Connection(self._host, self._port, self._rules, self._context, self._seconds)
        try:
            return self._exchange(made, method, path, body, headers, max(until, time.monotonic() + 0.1))
        except (OSError, HTTPException, ValueError) as error:
            raise self._away(error) from None

    def close(self) -> None:
        """End the connections; one that is in use ends with its request."""
        with self._lock:
            idle, self._idle = self._idle or [], None
        for connection in idle:
            connection.close()

    def _take(self) -> "_Connection | None":
        with self._lock:
            while self._idle:
                kept = self._idle.pop()
                if not kept.is_cut:  # after its answer had come
                    return kept
                kept.close()
            return None

    def _keep(self, connection: "_Connection") -> None:
        with self._lock:
            if self._idle is not None:
                self._idle.append(connection)
                return
        connection.close()

    def _exchange(
        self,
        connection: "_Connection",
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        until: float,
    ) -> Reply:
        watch = Timer(max(until - time.monotonic(), 0.0), connection.cut)  # a socket's time-out is of each byte
        watch.daemon = True
        watch.start()
        is_kept = False
        try:
            connection.request(method, self.path + path, body, {**self._headers, **headers})
            answer = connection.getresponse()
            reply = Reply(answer.status, _read(answer), _retry_seconds(answer.getheader("retry-after")))
            is_kept = not answer.will_close and not connection.is_cut
        except (OSError, HTTPException, ValueError):
            if connection.is_cut:
                raise TimeoutError(f"there was no whole answer in {self._seconds:g} s") from None
            raise
        finally:
            watch.cancel()
            if is_kept:
                self._keep(connection)
            else:
                connection.close()
        return reply

    def _away(self, error: Exception) -> TargetAway:
        words = (str(error).splitlines() or [""])[0][:_SENTENCE_CHARACTERS] or type(error).__name__
        return TargetAway(f"{self.name} does not answer: {words}", "start it, or correct its url")


class _Connection(HTTPConnection):
    """A connection to a checked address; with a context by TLS, for the name and not for the address."""

    def __init__(
        self, host: str, port: int, rules: AddressRules, context: ssl.SSLContext | None, seconds: float
    ) -> None:
        super().__init__(host, port, timeout=seconds)
        self._rules, self._context, self._seconds = rules, context, seconds
        if context is not None:
            self.default_port = 443
        self.is_cut = False

    def connect(self) -> None:
        self.sock = _connect(self.host, self.port, self._rules, self._seconds)
        if self._context is not None:
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self.host)
        if self.is_cut:
            raise TimeoutError

    def cut(self) -> None:
        """End it from another thread: whoever waits for it is woken."""
        self.is_cut = True
        if self.sock is not None:
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)


def judge(reply: Reply, name: str) -> None:
    """Pass what is 2xx.

    Raises:
        TargetAway: the same request may pass later.
        DeedRefused: it never will.
    """
    if reply.done:
        return
    words = " ".join(reply.body[:_SENTENCE_CHARACTERS].decode("utf-8", "replace").split())
    problem = f"{name} answered {reply.status}" + (f": {words}" if words else "")
    if reply.status >= 500 or reply.status in _RETRIED or reply.status < 200:
        raise TargetAway(problem, "look at its log", reply.retry_seconds)
    if 300 <= reply.status < 400:
        raise DeedRefused("target_redirects", problem, "give the url that it redirects to; redirects are not followed")
    if reply.status in (401, 403):
        raise DeedRefused("target_forbids", problem, "correct the key, secret or authorization of this target")
    raise DeedRefused("target_refuses", problem, "see what it says of the request")


def _connect(host: str, port: int, rules: AddressRules, seconds: float) -> socket.socket:
    """A socket to the first of a host's allowed addresses that answers."""
    until = time.monotonic() + seconds
    objection, mend, fault = "", "", None
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        why = rules.objection(str(address[0]))
        if why is not None:
            objection = f"{host} is {why}" if host == address[0] else f"{host} is {address[0]}, {why}"
            mend = (
                "correct its url" if rules.never(str(address[0])) else "name its network in allow, or correct its url"
            )
            continue
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(max(until - time.monotonic(), 0.01))
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.connect(address)
        except OSError as error:
            made.close()
            fault = error
        else:
            return made
    if fault is None and objection:
        raise DeedRefused("target_address", objection, mend)
    raise fault or OSError("its name has no address")


def _read(answer: HTTPResponse) -> bytes:
    found = bytearray()
    while chunk := answer.read(_CHUNK_BYTES):
        found += chunk
        if len(found) > ANSWER_BYTES:
            raise ValueError(f"its answer is over {ANSWER_BYTES} bytes")
    if answer.length:  # `read` of so many bytes passes over a body that ends too soon
        raise ValueError("its answer ended too soon")
    return bytes(found)


def _retry_seconds(text: str | None) -> float | None:
    """Seconds of a Retry-After header, which has a number or a date; None where it can't be read."""
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) < 10:
        return min(float(text), MOST_RETRY_SECONDS)
    try:
        return min(max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0), MOST_RETRY_SECONDS)
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=16)  # the system's certificates take a tenth of a second to read
def _context(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca.expanduser()) if ca else None)
    except OSError as error:
        raise SettingsError(f"ca = {str(ca)!r} can't be used: {error}", "name a PEM file") from None
