"""Dead letters: records for the topic of failed records, with the reason and coordinates in their headers."""

import hashlib
from collections.abc import Mapping

from msgspec import Struct

from stream.core import limits
from stream.core.errors import BadRecord
from stream.kafka.records import Output, Part

_DIGITS = 20


class FailedRecord(Struct, frozen=True):
    """A record of `alerts.failed`: where it came from, why it failed, and its bytes, cut where they were too many.

    Others may write to the topic, too: what their headers do not hold, or hold in another form, is None.
    """

    at: float  # when it failed, seconds since 1970
    reason: str
    detail: str
    topic: str
    partition: int | None
    offset: int | None
    length: int | None  # of the whole value
    sha256: str
    value: bytes
    key: bytes | None = None
    room: str | None = None  # who could not use it, where that was not the scorer

    @property
    def cut(self) -> bool:
        """Whether some of it is gone."""
        return self.length is not None and len(self.value) < self.length

    @property
    def identity(self) -> tuple[str, int]:
        """Hash and length of the whole value: equal for what is sent again and fails again."""
        if self.cut and self.length is not None:
            return self.sha256, self.length
        return hashlib.sha256(self.value).hexdigest(), len(self.value)


def failed_output(
    topic: str,
    part: Part,
    offset: int,
    key: bytes | None,
    value: bytes,
    error: BadRecord,
    room: str | None = None,
) -> Output:
    """The record for `alerts.failed`: the raw bytes, cut at a limit, with reason and coordinates in headers.

    `room` is who could not use it; the scorer's dead letters have no such header.
    """
    headers = {} if room is None else {"room": room}
    headers |= {
        "reason": error.reason,
        "detail": error.detail[:1_000],
        "topic": part.topic,
        "partition": str(part.partition),
        "offset": str(offset),
        "length": str(len(value)),
        "sha256": hashlib.sha256(value).hexdigest(),
    }
    if key is not None and len(key) > limits.FAILED_KEY_BYTES:
        headers |= {"key_length": str(len(key)), "key_sha256": hashlib.sha256(key).hexdigest()}
        key = key[: limits.FAILED_KEY_BYTES]
    encoded = [(name, text.encode("utf-8", "replace")) for name, text in headers.items()]
    return Output(topic, key, value[: limits.FAILED_VALUE_BYTES], headers=encoded)


def read_failed_record(
    at: float, headers: Mapping[str, bytes | None], key: bytes | None, value: bytes | None
) -> FailedRecord:
    """The record that lies in `alerts.failed` with these headers, written at `at` (seconds since 1970)."""
    texts = {name: bytes(text or b"").decode("utf-8", "replace") for name, text in headers.items()}
    return FailedRecord(
        at=at,
        reason=texts.get("reason") or "?",
        detail=texts.get("detail", ""),
        topic=texts.get("topic") or "?",
        partition=_read_number(texts.get("partition")),
        offset=_read_number(texts.get("offset")),
        length=_read_number(texts.get("length")),
        sha256=texts.get("sha256", ""),
        value=value or b"",
        key=key,
        room=texts.get("room"),
    )


def _read_number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < _DIGITS else None
