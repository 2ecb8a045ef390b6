"""The Alertmanagers behind the relay: one post to all of them, over connections that stay open."""

import asyncio
import logging
import ssl
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from msgspec import Struct

from stream.config import RelaySettings
from stream.core import limits
from stream.core.errors import SettingsError
from stream.core.text import hide_login
from stream.extras import import_extra
from stream.metrics.relay import RelayMetrics

log = logging.getLogger(__name__)
ENCODING = "Content-Encoding"
POST_PATH, STATUS_PATH = "/api/v2/alerts", "/api/v2/status"
STRAGGLER_SECONDS = 1.0
"""How much longer than the first that took a post another Alertmanager is waited for, once; then it is not."""
PARTLY = 400
"""Alertmanager's status for a post of which it took the valid alerts, and refused others."""
_CONNECTIONS = 32
_SENTENCE_BYTES = 4 * 1024


class Reply(Struct, frozen=True):
    """What an Alertmanager answered; status 0: nothing, and `body` says why."""

    status: int
    body: bytes = b""

    @property
    def taken(self) -> bool:
        """Whether it has all alerts of the post."""
        return 200 <= self.status < 300


class Alertmanager:
    """One Alertmanager.

    Args:
        url: with path prefix, and with user and password where it asks for them.
        settings: TLS, bearer token, headers, time-out.
        metrics: counts its posts.

    Attributes:
        name: its host and port, for people.
        behind: whether it did not answer lately, so that no sender waits for it.
    """

    def __init__(self, url: str, settings: RelaySettings, metrics: RelayMetrics) -> None:
        httpx = import_extra("httpx", "web", "the relay needs", SettingsError)
        logging.getLogger("httpx").setLevel(logging.WARNING)  # not a line for each post
        try:
            parts = urlsplit(url)
            is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_address = False
        if not is_address:
            raise SettingsError(
                f"relay_alertmanagers has {hide_login(url)!r}, which is no address", "write http://HOST:PORT"
            )
        self.name = parts.netloc.rpartition("@")[2]
        self.behind = False
        self._seconds = settings.timeout_seconds
        self._metrics = metrics
        self._waiting = 0
        # TLS 1.3's alerts come as OSError, and a host that can be no name as UnicodeError.
        self._faults = (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError)
        self._client: Any = httpx.AsyncClient(
            base_url=urlunsplit((parts.scheme, self.name, parts.path.rstrip("/"), "", "")),
            auth=(unquote(parts.username), unquote(parts.password or "")) if parts.username else None,
            headers={"Content-Type": "application/json", **_headers(settings)},
            verify=_tls(settings),
            timeout=None,
            trust_env=False,
            limits=httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS),
        )
        self._own = {name.lower() for name in _headers(settings)} | ({"authorization"} if parts.username else set())
        metrics.upstream_up.labels(self.name).set(1)

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Post alerts, with a sender's headers but those that the settings give; never raises."""
        if self._waiting >= limits.RELAY_WAITING_POSTS:
            reply = Reply(0, b"too many posts wait for it already")
        else:
            self._waiting += 1
            try:
                reply = await self._request("POST", POST_PATH, body, headers)
            finally:
                self._waiting -= 1
        result = "taken" if reply.taken else "refused" if reply.status else "failed"
        self._metrics.upstream_posts.labels(self.name, result).inc()
        if self.behind != (not reply.status):
            self.behind = not reply.status
            log.warning(
                "Alertmanager %s %s", self.name, "does not answer: " + reply.body.decode() if self.behind else "is back"
            )
        self._metrics.upstream_up.labels(self.name).set(0 if self.behind else 1)
        return reply

    async def get(self, path: str) -> Reply:
        """What a path of its API shows; never raises."""
        return await self._request("GET", path, None, {})

    async def close(self) -> None:
        """End the connections."""
        await self._client.aclose()

    async def _request(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        passed = {name: text.encode("latin-1") for name, text in headers.items() if name.lower() not in self._own}
        for final in (False, True):
            try:
                async with asyncio.timeout(self._seconds):
                    answer = await self._client.request(method, path, content=body, headers=passed)
                    return Reply(answer.status_code, answer.content)
            except TimeoutError:
                return Reply(0, f"it did not answer in {self._seconds:g} s".encode())
            except self._faults as error:  # an idle connection may have been closed at this moment
                if final:
                    return Reply(0, (str(error) or type(error).__name__).encode())
        raise AssertionError("not reached")


class Upstream:
    """All Alertmanagers: each gets each post.

    Raises:
        SettingsError: an address, certificate or token can't be used.
    """

    def __init__(self, settings: RelaySettings, metrics: RelayMetrics) -> None:
        if not settings.alertmanagers:
            raise SettingsError(
                "relay_alertmanagers is empty, so nothing can go on", "set it to the addresses of your Alertmanagers"
            )
        self.members = [Alertmanager(url, settings, metrics) for url in settings.alertmanagers]
        self._tasks: set[asyncio.Task[Reply]] = set()

    async def post(self, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
        """Post to all. A success if one took it, else what one of them answered; 502 where none answered.

        Who has not answered lately is posted to, and not waited for while others answer.
        """
        if len(self.members) == 1:
            return _choose([await self.members[0].post(body, headers or {})], self.members)
        tasks = {asyncio.create_task(one.post(body, headers or {})): one for one in self.members}
        self._tasks |= set(tasks)
        for task in tasks:
            task.add_done_callback(self._tasks.discard)
        prompt = {task for task, one in tasks.items() if not one.behind}
        waited = await self._wait(prompt)
        if not any(task.result().taken for task in waited):
            waited |= await self._wait(set(tasks) - waited)
        return _choose([task.result() for task in tasks if task in waited], self.members)

    async def drain(self, seconds: float) -> None:
        """Wait at most so long for posts that nobody waits for, then end all connections."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for one in self.members:
            await one.close()

    @staticmethod
    async def _wait(tasks: set[asyncio.Task[Reply]]) -> set[asyncio.Task[Reply]]:
        """The posts that are done: all of them, or those in time once one was taken."""
        done: set[asyncio.Task[Reply]] = set()
        deadline: float | None = None
        while left := tasks - done:
            timeout = None if deadline is None else deadline - time.monotonic()
            if timeout is not None and timeout <= 0:
                break
            found, _ = await asyncio.wait(left, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            done |= found
            if deadline is None and any(task.result().taken for task in found):
                deadline = time.monotonic() + STRAGGLER_SECONDS
        return done


def _choose(replies: Sequence[Reply], members: Sequence[Alertmanager]) -> Reply:
    """A success, else an answer, of which 400 goes first: the valid alerts of the post are in."""
    answered = [reply for reply in replies if reply.status]
    if answered:
        best = min(answered, key=lambda reply: 0 if reply.taken else 1 if reply.status == PARTLY else 2)
        return Reply(best.status, best.body[:_SENTENCE_BYTES])
    names = ", ".join(one.name for one in members)
    why = replies[0].body.decode("utf-8", "replace") if replies else "none was asked"
    return Reply(502, f"no Alertmanager of {names} took the post: {why}".encode()[:_SENTENCE_BYTES])


def _headers(settings: RelaySettings) -> dict[str, str]:
    headers = dict(settings.upstream_headers)
    for name, value in headers.items():
        if not _is_header(f"{name}{value}") or not name:
            raise SettingsError(f"relay_upstream_headers has {name!r}, which can be no header", "write ASCII, one line")
    if settings.upstream_token is not None:
        path = settings.upstream_token
        headers["Authorization"] = f"Bearer {read_token(path, f'relay_upstream_token = {str(path)!r}')}"
    return headers


def read_token(path: Path, setting: str) -> str:
    """The bearer token that a file holds; `setting` says in messages who names the file. Raises SettingsError."""
    try:
        token = path.expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise SettingsError(f"{setting} can't be read: {reason}", "name a readable file") from None
    if not token or not _is_header(token):
        raise SettingsError(f"{setting} holds no token of one line of ASCII", "write the token only")
    return token


def _is_header(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _tls(settings: RelaySettings) -> ssl.SSLContext:
    ca, certificate, key = settings.upstream_ca, settings.upstream_certificate, settings.upstream_key
    try:
        context = ssl.create_default_context(cafile=str(ca.expanduser()) if ca else None)
        if certificate is not None:
            context.load_cert_chain(str(certificate.expanduser()), str(key.expanduser()) if key else None)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"relay_upstream_ca or relay_upstream_certificate can't be used: {error}", "name PEM files"
        ) from None
    return context
