"""Bodies of posts: bytes and headers to UTF-8 text, and that to JSON, within limits. The first step of every source."""

import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from stream.core import limits
from stream.sources.parsed import BadRequest

JSON_LINES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"})
_BOM = b"\xef\xbb\xbf"
_CHUNK = 64 * 1024
_LINES_READ = 1024 * 1024  # bytes of a body that may be JSON lines
_NOT_JSON = re.compile(r"multipart/.*|application/(x-www-form-urlencoded|xml|.*\+xml|x-yaml|yaml)|text/(html|xml|csv)")
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a whole pair
    rb"|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\\."  # another escape, so that the second half of `\\` begins none
)
_MAY_BE_LONE = re.compile(rb"\\u[dD][89a-fA-F]")
_REPLACEMENT = rb"\ufffd"


class Body(Struct, frozen=True):
    """A body that can be read as text.

    Attributes:
        text: the body in UTF-8, unpacked, without a byte order mark.
        headers: names in lower case.
        content_type: the media type in lower case, without parameters; empty where none is given.
        notes: what was mended on the way, one sentence each.
    """

    text: bytes
    headers: Mapping[str, str] = {}
    content_type: str = ""
    notes: tuple[str, ...] = ()

    @property
    def is_lines(self) -> bool:
        """Whether each line is a JSON value of its own."""
        return self.content_type in JSON_LINES


def read_headers(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers by name in lower case; the values of a name that comes twice are joined by a comma.

    Raises:
        BadRequest: 431, there are too many of them or they are too long.
    """
    headers: dict[str, str] = {}
    size = 0
    for count, (name, value) in enumerate(pairs, start=1):
        size += len(name) + len(value)
        if count > limits.HEADERS or size > limits.HEADER_BYTES:
            raise BadRequest(
                431, "", f"more than {limits.HEADERS} headers or {limits.HEADER_BYTES} bytes of them; send fewer"
            )
        key = name.strip().lower()
        headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    return headers


def open_body(raw: bytes, headers: Mapping[str, str], max_bytes: int = limits.BODY_BYTES) -> Body:
    """The body as text, held to its limits; `headers` have names in lower case.

    Half a surrogate pair, which is no character, is read as U+FFFD, as Go does, and noted.

    Raises:
        BadRequest: 413 over `max_bytes`, 415 another content type, charset or encoding, 400 not gzip or not UTF-8.
    """
    content_type = _content_type(headers)
    if len(raw) > max_bytes:
        raise _too_large(max_bytes)
    text = _unpack(raw, headers.get("content-encoding", ""), max_bytes)
    text = text.removeprefix(_BOM)
    try:
        text.decode()
    except UnicodeDecodeError as error:
        bad = text[error.start]
        raise BadRequest(
            400, "", f"the body is not UTF-8: byte 0x{bad:02x} at offset {error.start}; send JSON in UTF-8"
        ) from None
    text, replaced = replace_lone_surrogates(text)
    notes = (f"{replaced} halves of surrogate pairs, which are no characters, are read as U+FFFD",) if replaced else ()
    return Body(text, headers, content_type, notes)


def decode_json(text: bytes, field: str = "", takes_lines: bool = False) -> Any:
    """The JSON value of a text; of a key that stands twice in one object the last one counts, as in Go and JavaScript.

    Args:
        text: UTF-8.
        field: where the text comes from, for errors; empty where it is the body.
        takes_lines: whether the source reads JSON lines too, where the content type says so.

    Raises:
        BadRequest: 400, it is not JSON (NaN and Infinity are not) or nested too deep; the place is named.
    """
    what = f"`{field}`" if field else "the body"
    try:
        value = msgspec.json.decode(text)
    except RecursionError:
        raise _too_deep(what, field) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if _is_json_lines(text):
            mend = "with Content-Type: application/x-ndjson" if takes_lines else "each line in a post of its own"
            raise BadRequest(400, field, f"{what} is JSON lines, not one JSON value; send {mend}") from None
        detail = "it is empty" if not text.strip() else _place(str(error), text)
        raise BadRequest(400, field, f"{what} is not JSON: {detail}; send what a JSON encoder makes") from None
    if text.count(b"[") + text.count(b"{") > limits.BODY_DEPTH and _is_too_deep(value):
        raise _too_deep(what, field)
    return value


def read_lines(body: Body) -> list[tuple[int, bytes]]:
    """The lines that hold something, each with its number from 1; CR LF and blank lines do no harm.

    Raises:
        BadRequest: 413, there are too many; 400, they are one JSON value over several lines.
    """
    lines = enumerate(body.text.split(b"\n"), start=1)
    found = [(number, line.strip()) for number, line in lines if line.strip()]
    if len(found) > 1 and not _is_json(found[0][1]) and _is_json(body.text):
        mend = "send it with Content-Type: application/json"
        raise BadRequest(400, "", f"the body is one JSON value over several lines, not JSON lines; {mend}")
    if len(found) > limits.ITEMS:
        raise BadRequest(413, "", f"the body has {len(found)} lines, at most {limits.ITEMS} are read; send fewer")
    return found


def replace_lone_surrogates(text: bytes) -> tuple[bytes, int]:
    r"""JSON with the escape of U+FFFD for each half of a surrogate pair, and how many there were.

    >>> replace_lone_surrogates(rb'"\ud83d\ude00 \\ud800 \ud800"')
    (b'"\\ud83d\\ude00 \\\\ud800 \\ufffd"', 1)
    """
    if _MAY_BE_LONE.search(text) is None:
        return text, 0
    count = 0

    def replace(found: re.Match[bytes]) -> bytes:
        nonlocal count
        if found["lone"] is None:
            return found[0]
        count += 1
        return _REPLACEMENT

    return _ESCAPE.sub(replace, text), count


def _content_type(headers: Mapping[str, str]) -> str:
    header = headers.get("content-type", "")
    media, _, parameters = header.partition(";")
    media = media.strip().lower()
    if _NOT_JSON.fullmatch(media):
        raise BadRequest(415, "content-type", f"content type {media[:100]} can't be read; send application/json")
    for parameter in parameters.split(";"):
        key, _, value = parameter.strip().partition("=")
        if key.strip().lower() == "charset" and value.strip('" ').lower() not in ("utf-8", "utf8", "us-ascii"):
            raise BadRequest(415, "content-type", f"charset {value.strip()[:40]} can't be read; send UTF-8")
    return media


def _unpack(raw: bytes, encoding: str, max_bytes: int) -> bytes:
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return raw
    if encoding not in ("gzip", "x-gzip"):
        raise BadRequest(
            415, "content-encoding", f"content encoding {encoding[:40]} can't be read; send gzip, or the body as it is"
        )
    allowed = min(max_bytes, max(limits.GZIP_FREE_BYTES, limits.GZIP_RATIO * len(raw)))
    parts: list[bytes] = []
    size, rest = 0, raw
    try:
        while rest:  # members of a gzip file follow one another
            member = zlib.decompressobj(wbits=31)
            while not member.eof:
                part = member.decompress(rest, min(_CHUNK, allowed + 1 - size))
                rest = member.unconsumed_tail
                parts.append(part)
                size += len(part)
                if size > allowed:
                    raise _too_large(max_bytes) if allowed == max_bytes else _bomb()
                if not part and not rest and not member.eof:
                    raise BadRequest(400, "content-encoding", "the gzip body ends too early; send the whole of it")
            rest = member.unused_data.lstrip(b"\0")
    except zlib.error:
        raise BadRequest(
            400, "content-encoding", "the body is not gzip, as its content-encoding says; send what the header names"
        ) from None
    return b"".join(parts)


def _is_too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(limits.BODY_DEPTH):
        below = [child for one in level for child in _children(one) if isinstance(child, dict | list)]
        if not below:
            return False
        level = below
    return True


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _is_json_lines(text: bytes) -> bool:
    """Whether a text that is not one JSON value begins with two lines that are one each, objects or lists."""
    lines = [line for line in (line.strip() for line in text[:_LINES_READ].split(b"\n")) if line]
    whole = lines if len(text) <= _LINES_READ else lines[:-1]
    return len(whole) > 1 and all(line[:1] in (b"{", b"[") and _is_json(line) for line in whole[:2])


def _place(detail: str, text: bytes) -> str:
    """The decoder's words, with what stands at the byte that it names."""
    if "truncated" in detail:
        return f"it ends too early, after {len(text)} bytes"
    found = re.search(r"\(byte (\d+)\)", detail)
    if found is None:
        return detail[:1].lower() + detail[1:]
    place = int(found[1])
    near = text[max(0, place - 20) : place + 10].decode("utf-8", "replace")
    return f"{detail.removeprefix('JSON is malformed: ')}, near {near!r}"


def _too_large(max_bytes: int) -> BadRequest:
    return BadRequest(
        413, "", f"the body is over {max_bytes} bytes; send fewer alerts in one post, or raise intake_body_bytes"
    )


def _bomb() -> BadRequest:
    return BadRequest(
        413, "", f"the gzip body unpacks to more than {limits.GZIP_RATIO} times its size; send it unpacked"
    )


def _too_deep(what: str, field: str) -> BadRequest:
    return BadRequest(400, field, f"{what} is nested more than {limits.BODY_DEPTH} deep; send a flatter one")
