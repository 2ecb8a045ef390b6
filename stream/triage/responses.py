"""What every answer of the page has in common: security headers, JSON, and how a request is read within limits."""

import os
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import unquote

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stream.triage.view import Query, encode

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types lit-html"
)
REPORT_CSP = "sandbox; style-src 'unsafe-inline'; frame-ancestors 'self'"
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
T = TypeVar("T")


class FreshFiles(StaticFiles):
    """Files that a browser keeps but asks for each time: 304 without a body where its copy is the newest."""

    def file_response(
        self, full_path: "str | os.PathLike[str]", stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """The file, or 304 for the ETag that the browser sends."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["cache-control"] = "no-cache"
        return response


def with_headers(app: ASGIApp) -> ASGIApp:
    """The application with the headers of HEADERS on every answer that does not set them itself."""
    pairs = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(pair for pair in pairs if pair[0] not in there)]
            await send(message)

        await app(scope, receive, send_with if scope["type"] == "http" else send)

    return wrapped


async def read_body(request: Request, most: int) -> bytes:
    """The body of a request. Raises HTTPException: 413."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise HTTPException(413, f"the request is over {most:,} bytes; select fewer rows")
    return bytes(body)


def decode_body(body: bytes, kind: type[T]) -> T:
    """A request as its type. Raises HTTPException: 400."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise HTTPException(400, f"the request can't be read: {error}") from None


def json_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A value as JSON, which no cache keeps."""
    held = {"cache-control": "no-store", **(headers or {})}
    return Response(encode(value), status, held, "application/json")


def query_of(request: Request) -> Query:
    """The list's state in an address; what can't be read counts as not there."""
    given = {name: value for name, value in request.query_params.items() if name in Query.__struct_fields__}
    try:
        return msgspec.convert(given, Query)
    except msgspec.ValidationError:
        return Query()


def path_parts(request: Request) -> list[str]:
    """The parts of the path behind its first, each decoded by itself, so that a name may hold a slash."""
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    return [unquote(part) for part in raw.decode("latin-1").partition("?")[0].split("/")[2:]]


def number_of(text: str | None, default: int) -> int:
    """A whole number of an address, or the default."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else default
