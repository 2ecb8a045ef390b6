"""The API that Prometheus posts to, as an ASGI application."""

import tomllib
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from stream.core import limits
from stream.core.errors import SettingsError
from stream.metrics.relay import RelayMetrics
from stream.relay.upstream import Reply
from stream.sources.parsed import BadRequest
from stream.sources.signatures import check_bearer, check_hashes, hash_token

ALERTS, ALERTS_V1 = "/api/v2/alerts", "/api/v1/alerts"
_EARLY = frozenset({401, 413, 503})  # may be answered before the whole body was read
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
    """

    def __init__(self, forward: Forward, prefix: str, auth: AuthOptions, metrics: RelayMetrics) -> None:
        self._forward, self._auth, self._metrics = forward, auth, metrics
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
            encoding = headers.get("content-encoding", "").strip()
            client = (scope.get("client") or ("",))[0]
            return await self._forward(body, client, {"Content-Encoding": encoding} if encoding else {})
        finally:
            self._posts -= 1
            self._bytes -= held[0]

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
