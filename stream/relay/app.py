"""The API that Prometheus posts to, as an ASGI application."""

import re
import tomllib
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from stream.config import RelaySettings
from stream.core import limits
from stream.core.errors import SettingsError
from stream.metrics.relay import RelayMetrics
from stream.relay.upstream import ENCODING, Reply
from stream.sources.parsed import BadRequest
from stream.sources.signatures import check_bearer, check_hashes, hash_token

ALERTS, ALERTS_V1 = "/api/v2/alerts", "/api/v1/alerts"
_EARLY = frozenset({401, 413, 503})  # may be answered before the whole body was read
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_KEPT_BACK = frozenset(
    {"connection", "content-encoding", "content-length", "content-type", "expect", "host", "keep-alive", "te"}
    | {"proxy-authenticate", "proxy-authorization", "proxy-connection", "trailer", "transfer-encoding", "upgrade"}
)  # they are of one connection or of the body, not of the post
Forward = Callable[[bytes, str, Mapping[str, str]], Awaitable[Reply]]
Password = Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}\Z")]


class AuthOptions(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who may post: hashes of bearer tokens, and of passwords by user; empty: everybody."""

    tokens: tuple[str, ...] = ()
    users: dict[str, Password] = {}


def load_auth(path: Path | None) -> AuthOptions:
    """The options of the file that the setting `relay_auth` names.

    Raises:
        SettingsError: naming file, key and mend.
    """
    if path is None:
        return AuthOptions()
    try:
        options = msgspec.convert(tomllib.loads(path.expanduser().read_text(encoding="utf-8")), AuthOptions)
    except OSError as error:
        raise SettingsError(f"relay_auth = {str(path)!r} can't be read: {error.strerror}", "name a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise SettingsError(f"relay_auth = {str(path)!r} can't be used: {error}", "mend the file") from None
    check_hashes(options.tokens, "relay_auth: tokens")
    if not options.tokens and not options.users:
        raise SettingsError(f"relay_auth = {str(path)!r} names nobody who may post", "add tokens or [users]")
    return options


def forwarded_headers(settings: RelaySettings) -> tuple[str, ...]:
    """The names of a sender's headers that go on with its post.

    Raises:
        SettingsError: naming setting and header.
    """
    names = {"relay_tenant_header": [settings.tenant_header] if settings.tenant_header else []}
    names["relay_forward_headers"] = settings.forward_headers
    for setting, each in names.items():
        for name in each:
            if not _TOKEN.fullmatch(name):
                raise SettingsError(f"{setting} has {name!r}, which is no name of a header", "write one such as X-Team")
            if name.lower() in _KEPT_BACK:
                problem = f"{setting} has {name!r}, which is of one connection or body and can't go on"
                raise SettingsError(problem, "leave it out")
    return tuple(name for each in names.values() for name in each)


def check_sender(headers: Mapping[str, str], options: AuthOptions) -> None:
    """Hold the header Authorization against tokens and users. Raises BadRequest: 401."""
    if not options.tokens and not options.users:
        return
    scheme, _, given = headers.get("authorization", "").strip().partition(" ")
    if scheme.casefold() == "basic" and options.users:
        try:
            user, _, password = b64decode(given.strip(), validate=True).decode().partition(":")
        except ValueError:
            user = password = ""
        expected = options.users.get(user, "")
        check = {"authorization": f"Bearer {password or '-'}"}
        _check(check, (expected or hash_token("\0"),), "name and password are not ones that may post")
        return
    if not options.tokens:
        raise BadRequest(401, "authorization", "no name and password came; set basic_auth in prometheus.yml")
    _check(headers, options.tokens, "no bearer token came that may post; set authorization in prometheus.yml")


def _check(headers: Mapping[str, str], hashes: tuple[str, ...], sentence: str) -> None:
    try:
        check_bearer(headers, hashes)
    except BadRequest:
        raise BadRequest(401, "authorization", sentence) from None


class RelayApp:
    """POST of alerts; every other request gets one sentence.

    Args:
        forward: sends a body on.
        prefix: what stands before the paths.
        auth: who may post.
        metrics: of the relay.
        passed: names of the headers that go on, see `forwarded_headers`.
    """

    def __init__(
        self, forward: Forward, prefix: str, auth: AuthOptions, metrics: RelayMetrics, passed: Sequence[str] = ()
    ) -> None:
        self._forward, self._auth, self._metrics = forward, auth, metrics
        self._passed = {name.lower(): name for name in (*passed, ENCODING)}
        self._prefix = f"/{prefix.strip('/')}" if prefix.strip("/") else ""
        self._posts = self._bytes = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        try:
            reply = await self._reply(scope, receive)
        except BadRequest as error:
            reply = Reply(error.status, msgspec.json.encode({"code": error.status, "message": str(error)}))
            self._metrics.posts.labels(str(error.status)).inc()
        except _Left:
            return
        await _send(send, reply)

    async def _reply(self, scope: Any, receive: Any) -> Reply:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        path, method = scope["path"], scope["method"]
        if path == self._prefix + ALERTS_V1:
            raise BadRequest(410, "", "version 1 of the API is not taken; set api_version: v2 in prometheus.yml")
        if path != self._prefix + ALERTS:
            sentence = f"there is only {self._prefix}{ALERTS} here; ask an Alertmanager itself for anything else"
            raise BadRequest(404, "", sentence)
        if method != "POST":
            raise BadRequest(405, "", f"{method} is not taken here; ask an Alertmanager itself, the relay takes POST")
        check_sender(headers, self._auth)
        if self._posts >= limits.RELAY_POSTS:
            raise BadRequest(503, "", f"{self._posts} posts are worked on already; send it again later")
        self._posts += 1
        held = [0]
        try:
            body = await self._read(receive, held)
            client = (scope.get("client") or ("",))[0]
            return await self._forward(body, client, self._pass(headers))
        finally:
            self._posts -= 1
            self._bytes -= held[0]

    def _pass(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers that go on: those of the settings, unless the sender says that they are of this connection."""
        of_connection = {name.strip().lower() for name in headers.get("connection", "").split(",")}
        found = {name: headers.get(key, "").strip() for key, name in self._passed.items() if key not in of_connection}
        return {name: value for name, value in found.items() if value}

    async def _read(self, receive: Any, held: list[int]) -> bytes:
        parts: list[bytes] = []
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Left
            part = message.get("body", b"")
            held[0] += len(part)
            self._bytes += len(part)
            if held[0] > limits.BODY_BYTES:
                raise BadRequest(413, "", f"the body is over {limits.BODY_BYTES} bytes; send fewer alerts in one post")
            if self._bytes > limits.RELAY_WAITING_BYTES:
                raise BadRequest(503, "", f"bodies of {self._bytes} bytes are worked on already; send it again later")
            parts.append(part)
            if not message.get("more_body", False):
                return parts[0] if len(parts) == 1 else b"".join(parts)


class _Left(Exception):
    """The sender left before its body was whole."""


async def _send(send: Any, reply: Reply) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(reply.body)).encode())]
    if reply.status in _EARLY:
        headers.append((b"connection", b"close"))
    if reply.status == 401:
        headers.append((b"www-authenticate", b'Bearer, Basic realm="noisegate"'))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
