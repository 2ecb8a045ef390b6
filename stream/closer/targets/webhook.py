"""A webhook as a target: each deed is a post signed by Standard Webhooks, which any system can take.

The header `webhook-id` is the deed's id: a receiver that has had it does nothing. A receiver that pauses by its own
means compares `timestamp`, the time of the decision, with the latest that it had of the same alert.
"""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Callable, Sequence

import msgspec

from stream.closer.targets.http_client import HttpClient, judge
from stream.core.deeds import Deed
from stream.core.errors import SettingsError

TYPES = {"pause": "alert.paused", "close": "alert.closed", "release": "alert.released"}
_PREFIX = "whsec_"
_LEAST_KEY, _MOST_KEY = 24, 64  # bytes, as Standard Webhooks says


def read_keys(text: str, where: str) -> tuple[bytes, ...]:
    """The keys of one or two secrets, `whsec_` and base64 each, with blanks between; all sign, so one can be changed.

    Raises:
        SettingsError: one is none; its text is not shown.
    """
    keys = []
    for number, secret in enumerate(text.split(), start=1):
        try:
            key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not secret.startswith(_PREFIX) or not _LEAST_KEY <= len(key) <= _MOST_KEY:
            raise SettingsError(f"{where}: secret {number} is no secret", "write whsec_ and base64 of 24 to 64 bytes")
        keys.append(key)
    if not 1 <= len(keys) <= 2:
        raise SettingsError(f"{where} holds {len(keys)} secrets, one or two are used", "write whsec_ and base64")
    return tuple(keys)


def sign(keys: Sequence[bytes], id: str, timestamp: int, body: bytes) -> str:  # noqa: A002 - as the scheme names it
    """The header `webhook-signature`: one signature of version 1 a key.

    >>> sign([b"0123456789abcdef01234567"], "msg_1", 1_674_087_231, b"{}")
    'v1,q5dYMcKXTFdFvflnVoTy2XLmLNSb2Hab+7FSZWxbDYU='
    """
    signed = f"{id}.{timestamp}.".encode() + body
    digests = (hmac.new(key, signed, hashlib.sha256).digest() for key in keys)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


class WebhookTarget:
    """Posts to one address.

    Args:
        name: see `Target`.
        client: to it.
        keys: which sign.
        clock: seconds since 1970.
    """

    def __init__(
        self, name: str, client: HttpClient, keys: Sequence[bytes], clock: Callable[[], float] = time.time
    ) -> None:
        self.name = name
        self._client, self._keys, self._clock = client, keys, clock

    def takes(self, deed: Deed) -> bool:
        """Every deed."""
        return True

    def do(self, deed: Deed) -> None:
        """Post it."""
        self.post(deed.id, payload(deed))

    def post(self, id: str, body: bytes) -> None:  # noqa: A002 - as the scheme names it
        """Post an event of any type, signed; errors as of `do`."""
        now = int(self._clock())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": id,
            "webhook-timestamp": str(now),
            "webhook-signature": sign(self._keys, id, now, body),
        }
        judge(self._client.request("POST", "", body, headers), self.name)

    def check(self) -> str:
        """Connect, and post nothing."""
        return f"{self._client.name} can be reached at {self._client.check()}"

    def close(self) -> None:
        """End its connections."""
        self._client.close()


def payload(deed: Deed) -> bytes:
    """The body of a deed's post."""
    value = {
        "type": TYPES[deed.kind],
        "timestamp": deed.decision.decided_at,
        "data": {"id": deed.id, "ended": deed.ended, "alert": deed.alert, "decision": deed.decision},
    }
    return msgspec.json.encode(value)
