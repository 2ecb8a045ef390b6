"""CloudEvents 1.0 over HTTP that carry our own form of events: structured, binary and in a batch."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from stream.core import limits
from stream.sources.body import Body, decode_json, replace_lone_surrogates
from stream.sources.events import add_event, refuse_alone
from stream.sources.options import SourceOptions
from stream.sources.parsed import BadRequest, Parsed, Refused
from stream.sources.texts import as_json

STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
_REQUIRED = ("specversion", "id", "source", "type")
_PREFIX = "ce-"


def is_cloudevent(body: Body) -> bool:
    """Whether headers say that the body is a CloudEvent or a batch of them."""
    return body.content_type.startswith("application/cloudevents") or f"{_PREFIX}specversion" in body.headers


def read(body: Body, options: SourceOptions, received_at: float) -> Parsed:
    """The events that CloudEvents carry; `delivery` is `source` and `id` of a single one.

    Of a batch those that can't be used are refused by themselves.

    Raises:
        BadRequest: no CloudEvent, an attribute is missing, or its data is no event of ours; the field is named.
    """
    parsed = Parsed([], notes=list(body.notes))
    if body.content_type == BATCH:
        batch = decode_json(body.text)
        if not isinstance(batch, list):
            raise BadRequest(422, "", "the batch is no list of events; send one as a JSON list")
        if len(batch) > limits.ITEMS:
            raise BadRequest(413, "", f"the batch has {len(batch)} events, at most {limits.ITEMS} are read; send fewer")
        for number, event in enumerate(batch):
            _add(parsed, event, f"[{number}]", received_at)
        return parsed
    if body.content_type == STRUCTURED:
        event = decode_json(body.text)
        _add(parsed, event, "", received_at)
        refuse_alone(parsed)
        parsed.delivery = _delivery(event)
        return parsed
    if body.content_type.startswith("application/cloudevents"):
        raise BadRequest(415, "content-type", f"{body.content_type} can't be read; send {STRUCTURED} or {BATCH}")
    attributes = {
        name.removeprefix(_PREFIX): unquote(value) for name, value in body.headers.items() if name.startswith(_PREFIX)
    }
    if missing := _missing(attributes):
        raise BadRequest(
            422, f"{_PREFIX}{missing}", f"the header `{_PREFIX}{missing}` is missing, empty or no 1.x; send it"
        )
    add_event(parsed, body.text, "", received_at)
    refuse_alone(parsed)
    parsed.delivery = _delivery(attributes)
    return parsed


def _add(parsed: Parsed, event: Any, where: str, received_at: float) -> None:
    field, detail = "", ""
    if not isinstance(event, dict):
        detail = "it is no CloudEvent, which is an object"
    elif missing := _missing(event):
        field, detail = missing, f"`{missing}` is missing, empty or no text, or another specversion than 1.x"
    elif (data := _data(event)) is None:
        field, detail = "data", "`data` is no object, and `data_base64` no JSON in base64"
    else:
        add_event(parsed, data, f"{where}.data".lstrip("."), received_at)
        return
    place = ".".join(part for part in (where, field) if part)
    parsed.refused.append(Refused(place, "bad_field", detail, as_json(event)))


def _missing(attributes: Mapping[str, Any]) -> str | None:
    for name in _REQUIRED:
        value = attributes.get(name)
        if not isinstance(value, str) or not value or (name == "specversion" and not value.startswith("1.")):
            return name
    return None


def _data(event: Mapping[str, Any]) -> bytes | None:
    if "data_base64" in event:
        try:
            data = base64.b64decode(event["data_base64"], validate=True)
        except (binascii.Error, ValueError, TypeError):
            return None
        return replace_lone_surrogates(data)[0]
    return as_json(event["data"]) if isinstance(event.get("data"), dict) else None


def _delivery(event: Mapping[str, Any]) -> str:
    return f"{event['source']} {event['id']}"
