"""Dead letters: records for the topic of failed records, with the reason and coordinates in their headers."""

import hashlib

from stream.core import limits
from stream.core.errors import BadRecord
from stream.kafka.records import Output, Part


def failed_output(topic: str, part: Part, offset: int, key: bytes | None, value: bytes, error: BadRecord) -> Output:
    """The record for `alerts.failed`: the raw bytes, cut at a limit, with reason and coordinates in headers."""
    headers = {
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
