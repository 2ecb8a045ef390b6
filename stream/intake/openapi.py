"""The OpenAPI document of the intake, made of ROUTES."""

from collections.abc import Sequence
from typing import Any

import msgspec

from stream import __version__
from stream.core.events import Acted, Raised
from stream.intake.routes import LINES, ROUTES, Route
from stream.sources.options import MAP

_COUNT = {"type": "integer", "minimum": 0}
_PART = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("where", "reason", "detail")},
    "required": ["where", "reason", "detail"],
}
COUNTS = {
    "type": "object",
    "properties": {
        "accepted": {**_COUNT, "description": "Events that Kafka has"},
        "duplicates": {**_COUNT, "description": "Events that were known already"},
        "refused": {"type": "array", "items": _PART, "description": "Parts that can't be used: in alerts.failed"},
        "refused_count": {**_COUNT, "description": "How many they are, where more than 100"},
        "ignored": {**_COUNT, "description": "Parts that need nothing, such as a test"},
        "duplicate": {"type": "boolean", "description": "Nothing of it was new"},
        "notes": {"type": "array", "items": {"type": "string"}, "description": "Sentences for people"},
    },
    "required": ["accepted", "duplicates", "refused", "ignored"],
}
ERROR = {
    "type": "object",
    "properties": {"error": {"type": "string"}, "field": {"type": "string"}},
    "required": ["error", "field"],
}
_ERRORS = {
    400: "The body is not JSON in UTF-8",
    401: "The sender did not prove who it is",
    404: "There is no such mapping",
    408: "The body did not come in time",
    413: "The body, or what it unpacks to, is over its limit; the same body will be refused again",
    415: "The content type or encoding can't be read",
    422: "The body says nothing that can be used; `field` is wrong",
    431: "Too many headers",
    503: "Kafka is away, or too much is worked on: send it again after Retry-After seconds",
}


def make_openapi(mappings: Sequence[str]) -> dict[str, Any]:
    """The document; `mappings` are the names of the mappings that are served, such as `map/zabbix`."""
    events, components = msgspec.json.schema_components([Raised | Acted], ref_template="#/components/schemas/{name}")
    return {
        "openapi": "3.1.0",
        "info": {"title": "noisegate intake", "version": __version__},
        "paths": {route.path: _path(route, events[0], mappings) for route in ROUTES},
        "components": {
            "schemas": {**components, "Counts": COUNTS, "Error": ERROR},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"bearer": []}, {}],
    }


def _path(route: Route, event: dict[str, Any], mappings: Sequence[str]) -> dict[str, Any]:
    post = {
        "summary": route.summary,
        "operationId": route.path.split("/")[2],
        "requestBody": {
            "required": True,
            "content": {one: {"schema": _schema(route, one, event)} for one in route.content},
        },
        "responses": {
            "202": _answer("Kafka has what could be used", "Counts"),
            "200": _answer("There was nothing new, or nothing to do", "Counts"),
            **{str(status): _answer(text, "Error") for status, text in _ERRORS.items() if _may_be(route, status)},
        },
    }
    path: dict[str, Any] = {"post": post}
    if route.source == MAP:
        names = (
            {"type": "string", "enum": [name.removeprefix(MAP) for name in mappings]}
            if mappings
            else {"type": "string"}
        )
        path["parameters"] = [{"name": "name", "in": "path", "required": True, "schema": names}]
    if route.handshake:
        path["options"] = {
            "summary": "The handshake of CloudEvents' webhooks",
            "responses": {"200": {"description": "The sender may post"}, "400": _answer("No origin is named", "Error")},
        }
    return path


def _schema(route: Route, content: str, event: dict[str, Any]) -> dict[str, Any]:
    if content == LINES:
        return {"type": "string", "description": "One event a line"}
    if route.source == "events" and content == "application/json":
        return {"anyOf": [event, {"type": "array", "items": event}]}
    return {"type": ["object", "array"]}


def _answer(text: str, schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": text, "content": content}


def _may_be(route: Route, status: int) -> bool:
    return status != 404 or route.source == MAP
