"""JSON values as texts, and texts as alerts carry them."""

import json
from contextlib import suppress
from typing import Any

import msgspec

from stream.core import limits


def text_of(value: Any) -> str | None:
    """A JSON value as text, numbers and true as JSON writes them; None for null, lists and objects.

    >>> text_of(503), text_of(True), text_of(None), text_of([80])
    ('503', 'true', None, None)
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return None


def strip_port(text: str) -> str:
    """The host of `host:port`; what has more than one colon is stripped in brackets only.

    >>> [strip_port(text) for text in ("db-7:9100", "[::1]:9100", "fe80::1", "db-7", "disk:a", "http://db-7:80")]
    ['db-7', '::1', 'fe80::1', 'db-7', 'disk:a', 'http://db-7:80']
    """
    host, colon, port = text.rpartition(":")
    if not (colon and host and port.isdecimal() and len(port) <= 5):
        return text
    if host.startswith("[") and host.endswith("]"):
        return host[1:-1] or text
    return text if ":" in host else host


def cut_title(text: str | None) -> tuple[str | None, bool]:
    """A text that people only read, without NUL and cut at its limit; and whether anything was lost."""
    if text is None:
        return None, False
    clean = text.replace("\0", " ")[: limits.TITLE_LENGTH]
    return clean, clean != text


def as_json(value: Any) -> bytes:
    """A value decoded from JSON as JSON again, for alerts.failed; empty for a number of thousands of digits."""
    with suppress(OverflowError, ValueError, RecursionError):
        return msgspec.json.encode(value)
    with suppress(ValueError, RecursionError):  # also a number over 64 bits, and half of a surrogate pair
        return json.dumps(value).encode()
    return b""
