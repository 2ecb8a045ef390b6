"""A post's body, read while it streams in: within its limits, in time, never more of it in memory than is allowed."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, NamedTuple

from stream.core import limits
from stream.intake.budget import Share
from stream.intake.errors import Disconnected
from stream.sources.parsed import BadRequest

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
READ_SECONDS = 15.0  # for a whole body; a slower sender is given up


async def read_body(
    receive: Receive, headers: Mapping[str, str], share: Share, max_bytes: int, seconds: float
) -> bytes:
    """The bytes of a body as they came.

    Args:
        receive: gives the messages of ASGI.
        headers: names in lower case.
        share: pays for each byte; of a packed body for what it may unpack to.
        max_bytes: the largest body.
        seconds: how long the sender may take once the first part is there.

    Raises:
        BadRequest: 413 over the limit, before more of it is read; 408 too slow.
        Overloaded: the bodies that are worked on hold too much already.
        Disconnected: the sender left.
    """
    declared = headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > max_bytes:
        raise too_large(max_bytes)
    parts = [await _read_part(receive, share, max_bytes)]
    try:
        if parts[-1].is_more:  # most bodies are there at once
            async with asyncio.timeout(seconds):
                while parts[-1].is_more:
                    parts.append(await _read_part(receive, share, max_bytes))
    except TimeoutError:
        raise BadRequest(
            408, "", f"the body did not come within {seconds:g} s; send it faster, or a smaller one"
        ) from None
    body = parts[0].data if len(parts) == 1 else b"".join(part.data for part in parts)
    if body and headers.get("content-encoding", "").strip().lower() not in ("", "identity"):
        share.take(min(max_bytes, max(limits.GZIP_FREE_BYTES, limits.GZIP_RATIO * len(body))))
    return body


class _Part(NamedTuple):
    """Some bytes of a body, and whether more of it comes."""

    data: bytes
    is_more: bool


async def _read_part(receive: Receive, share: Share, max_bytes: int) -> _Part:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Disconnected
    data = message.get("body", b"")
    if share.bytes + len(data) > max_bytes:
        raise too_large(max_bytes)
    share.take(len(data))
    return _Part(data, message.get("more_body", False))


def too_large(max_bytes: int) -> BadRequest:
    """The refusal of a body over `max_bytes`."""
    return BadRequest(
        413, "", f"the body is over {max_bytes} bytes; send fewer alerts in one post, or raise intake_body_bytes"
    )
