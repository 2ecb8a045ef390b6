"""The intake over HTTP: ROUTES as a Starlette application."""

from collections.abc import Iterable, Mapping

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.routing import Route as HttpRoute
from starlette.types import Receive, Scope, Send

from stream.intake.answer import JSON, Answer
from stream.intake.errors import Disconnected
from stream.intake.inboxes import Inbox
from stream.intake.openapi import make_openapi
from stream.intake.post import PostHandler
from stream.intake.routes import ROUTES, UNKNOWN, Route
from stream.metrics.intake import IntakeMetrics
from stream.sources.options import MAP

_EARLY = frozenset({401, 408, 413, 431, 503})  # may be answered before the whole body was read


def make_app(handler: PostHandler, inboxes: Mapping[str, Inbox], metrics: IntakeMetrics) -> Starlette:
    """The application; POST to each route, GET of /openapi.json, all other answers in JSON too."""
    endpoints = {route: _Endpoint(route, handler, inboxes, metrics) for route in ROUTES}
    routes: list[BaseRoute] = [
        HttpRoute(route.path, endpoint, methods=_methods(route)) for route, endpoint in endpoints.items()
    ]
    document = msgspec.json.encode(make_openapi(sorted(name for name in inboxes if name.startswith(MAP))))

    async def openapi(request: Request) -> Response:
        return Response(document, media_type="application/json")

    routes.append(HttpRoute("/openapi.json", openapi, methods=["GET"]))
    app = _Intake(routes=routes, exception_handlers={HTTPException: _refuse})
    app.posts = {route.path: endpoint for route, endpoint in endpoints.items() if "{" not in route.path}
    return app


class _Intake(Starlette):
    """The application, with a short way to `posts`: Starlette's middleware and search cost 50 us a post."""

    posts: Mapping[str, "_Endpoint"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self.posts.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if endpoint is None:
            await super().__call__(scope, receive, send)
        else:
            await endpoint(scope, receive, send)


class _Endpoint:
    """One route as an ASGI application, without Starlette's request and response: they cost as much as the rest."""

    def __init__(
        self, route: Route, handler: PostHandler, inboxes: Mapping[str, Inbox], metrics: IntakeMetrics
    ) -> None:
        self._route, self._handler, self._inboxes, self._metrics = route, handler, inboxes, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS":
            await _send(send, _handshake(scope["headers"]))
            return
        name = self._route.source
        if name == MAP:
            name += scope["path_params"]["name"]
        inbox = self._inboxes.get(name)
        if inbox is None:
            self._metrics.posts.labels(UNKNOWN, "404").inc()
            known = ", ".join(sorted(one.removeprefix(MAP) for one in self._inboxes if one.startswith(MAP))) or "none"
            sentence = f"there is no mapping of this name, there are: {known}; add it to the file of sources"
            await _send(send, _sentence(404, sentence))
            return
        headers = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
        try:
            answer = await self._handler.handle(inbox, headers, receive)
        except Disconnected:
            return
        await _send(send, answer)


def _methods(route: Route) -> list[str]:
    return ["POST", "OPTIONS"] if route.handshake else ["POST"]


async def _send(send: Send, answer: Answer) -> None:
    headers = [(b"content-type", JSON), (b"content-length", str(len(answer.body)).encode()), *answer.headers]
    if answer.status in _EARLY:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def _handshake(pairs: Iterable[tuple[bytes, bytes]]) -> Answer:
    """The answer to a sender of CloudEvents that asks whether it may post; its callback address is never asked."""
    headers = {name.lower(): value for name, value in pairs}
    origin = headers.get(b"webhook-request-origin")
    if origin is None:
        return _sentence(400, "the header WebHook-Request-Origin is missing; send it, or post without asking")
    allowed = ((b"webhook-allowed-origin", origin), (b"webhook-allowed-rate", b"*"), (b"allow", b"POST, OPTIONS"))
    return Answer(200, b"{}", allowed)


def _sentence(status: int, sentence: str) -> Answer:
    return Answer(status, msgspec.json.encode({"error": sentence, "field": ""}))


async def _refuse(request: Request, error: Exception) -> Response:
    """404 and 405 as one sentence in JSON."""
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        sentence = f"{request.method} is not taken here; use POST"
    else:
        sentence = f"there is no such path; post to one of {', '.join(route.path for route in ROUTES)}"
    answer = _sentence(error.status_code, sentence)
    return Response(answer.body, answer.status, dict(error.headers or {}), "application/json")
