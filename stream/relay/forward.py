"""From the bytes of a post to the bytes that go on; no server, no clock, no state.

An alert is only taken apart where something is added to it: every other byte goes on as it came. What can't be read
here goes on as well, since it is for Alertmanager to refuse it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Raw, Struct

from stream.core import limits
from stream.sources.fingerprint import OUR_LABEL
from stream.sources.times import BadTime, check_time, read_time

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_read_list = msgspec.json.Decoder(list[Raw]).decode
_read_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_read_labels = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.encode
_scan = json.JSONDecoder().raw_decode
_read_time = lru_cache(maxsize=1_024)(read_time)  # alerts of one evaluation share their times
_blank = re.compile(r"[ \t\n\r]*")


class _Alert(Struct):
    labels: Raw
    startsAt: Any = None
    endsAt: Any = None
    generatorURL: Any = None


_read_alert = msgspec.json.Decoder(_Alert).decode


class Copy(Struct, frozen=True):
    """One alert of a post, as it can be told apart from others.

    Attributes:
        raw: the alert as it came.
        labels: the object of its labels as it came; alerts of one sender are the same where these bytes are.
        starts_at: seconds since 1970; None where it is not given.
        ends_at: seconds since 1970; None where it is not given. In the past: the alert is resolved.
        sender: who made it, such as `prometheus-0:9090`; empty where it does not say.
    """

    raw: bytes
    labels: bytes
    starts_at: float | None = None
    ends_at: float | None = None
    sender: str = ""

    def resolved(self, now: float) -> bool:
        """Whether it ended, as Alertmanager sees it."""
        return self.ends_at is not None and self.ends_at <= now


class Rejected(Struct, frozen=True):
    """An alert that goes on and can't be followed, as no event can be made of it.

    Attributes:
        reason: a short name for `alerts.failed`.
        detail: one sentence.
        labels: the object of its labels as it came; empty where it has none.
        counted: the short name that is counted.
    """

    reason: str
    detail: str
    labels: bytes = b""
    counted: str = "no_alert"


class Post(Struct, frozen=True):
    """A post to `/api/v2/alerts`.

    Attributes:
        body: as it came.
        copies: its alerts; a `Rejected` goes on as well, and is not followed.
        parts: each alert as it came.
    """

    body: bytes
    copies: Sequence[Copy | Rejected]
    parts: Sequence[bytes]


class Addition(Struct, frozen=True):
    """What is added to one alert: annotations, and the value of our label; empty: none."""

    annotations: Mapping[str, str] = {}
    label: str = ""

    def __bool__(self) -> bool:
        return bool(self.annotations or self.label)


NOTHING = Addition()


def read_post(body: bytes, now: float) -> Post | None:
    """The alerts of a post; None where the body is no list of values. `now` is when it came, seconds since 1970.

    >>> post = read_post(b'[{"labels":{"alertname":"Down"},"startsAt":"2026-03-01T10:00:00Z"}, 7]', 1772359200.0)
    >>> post.copies[0].labels, post.copies[0].starts_at, post.copies[1].reason
    (b'{"alertname":"Down"}', 1772359200.0, 'no_alert')
    """
    try:
        parts = [bytes(part) for part in _read_list(body)]
    except _UNREADABLE:
        found = _split(body)
        if found is None:
            return None
        parts = found
    return Post(body, [_copy(part, now) for part in parts], parts)


def read_labels(labels: bytes) -> dict[str, Any] | None:
    """The labels of a copy by name; None where they are no object."""
    try:
        return _read_labels(labels)
    except _UNREADABLE:
        return None


def rewrite(post: Post, additions: Sequence[Addition]) -> bytes:
    """The post with an addition to each of its alerts; its own bytes where nothing is added."""
    if not any(additions):
        return post.body
    changed = [add(part, one) if one else part for part, one in zip(post.parts, additions, strict=True)]
    if all(new is part for new, part in zip(changed, post.parts, strict=True)):
        return post.body
    return join(changed)


def join(alerts: Sequence[bytes]) -> bytes:
    """A post of these alerts."""
    return b"[%b]" % b",".join(alerts)


def add(alert: bytes, addition: Addition) -> bytes:
    """The alert with annotations and label added; as it came where nothing can be added.

    What the alert has already stays as it is, so a sender's own annotation of our name wins.

    >>> add(b'{"labels":{"a":"b"},"endsAt":"x"}', Addition({"noisegate_probability": "0.07"}))
    b'{"labels":{"a":"b"},"endsAt":"x","annotations":{"noisegate_probability":"0.07"}}'
    """
    label = {OUR_LABEL: addition.label} if addition.label else {}
    try:
        fields = _read_fields(alert)
        changes = [_add_to(fields, "annotations", addition.annotations), _add_to(fields, "labels", label)]
        return _encode(fields) if any(changes) else alert
    except (*_UNREADABLE, UnicodeEncodeError):
        return alert


def end(alert: bytes, at: str) -> bytes:
    """The alert, resolved at `at`, RFC 3339; as it came where it is no object."""
    try:
        fields = _read_fields(alert)
    except _UNREADABLE:
        return alert
    fields["endsAt"] = Raw(_encode(at))
    return _encode(fields)


def _add_to(fields: dict[str, Raw], name: str, added: Mapping[str, str]) -> bool:
    if not added:
        return False
    stands = fields.get(name)
    present = {} if stands is None or bytes(stands) == b"null" else _read_fields(stands)
    new = {key: Raw(_encode(value)) for key, value in added.items() if key not in present}
    if not new:
        return False
    fields[name] = Raw(_encode({**present, **new}))
    return True


def _split(body: bytes) -> list[bytes] | None:
    """The values of a list with half a surrogate pair in it, which is JSON though no text; None where it is no list."""
    try:
        text = body.decode()
        parts: list[bytes] = []
        at = _blank.match(text).end()  # type: ignore[union-attr]  # it matches nothing, too
        while at < len(text) and text[at] in ("[" if not parts else ","):
            start = _blank.match(text, at + 1).end()  # type: ignore[union-attr]
            _, end = _scan(text, start)
            parts.append(text[start:end].encode())
            at = _blank.match(text, end).end()  # type: ignore[union-attr]
        whole = parts and text[at : at + 1] == "]" and not text[at + 1 :].strip()
    except (ValueError, RecursionError):
        return None
    return parts if whole else None


def _copy(part: bytes, now: float) -> Copy | Rejected:
    """An alert as a copy; or why it can't be followed."""
    try:
        alert = _read_alert(part)
    except _UNREADABLE as error:
        return Rejected("no_alert", f"it is no alert of Alertmanager's API: {error}")
    labels = bytes(alert.labels)
    if not labels.startswith(b"{"):
        return Rejected("no_alert", "its labels are no object")
    if len(part) > limits.EVENT_BYTES:
        return Rejected("too_large", f"it has {len(part)} bytes, {limits.EVENT_BYTES} are allowed", labels)
    field = "startsAt"
    try:
        starts_at = _time(alert.startsAt)
        if starts_at is not None:
            check_time(starts_at, now)
        field = "endsAt"
        ends_at = _time(alert.endsAt)
    except BadTime as error:
        return Rejected(error.reason, f"{field}: {error}", labels, error.reason)
    return Copy(part, labels, starts_at, ends_at, _host(alert.generatorURL))


def _time(value: Any) -> float | None:
    """The time; None where there is none, or Go's zero time stands for none."""
    if value is None or (isinstance(value, str) and (not value or value.startswith("0001-01-01T00:00:00"))):
        return None
    return _read_time(value) if isinstance(value, str) else read_time(value)


def _host(url: Any) -> str:
    """The host and port of an address; empty where it has none."""
    if not isinstance(url, str):
        return ""
    _, slashes, rest = url.partition("://")
    return rest.partition("/")[0][: limits.NAME_LENGTH] if slashes else ""
