"""Bodies and headers, within limits."""

import gzip
import json
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core import limits
from stream.sources.body import Body, decode_json, open_body, read_headers, read_lines, replace_lone_surrogates
from stream.sources.parsed import BadRequest

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


def refusal(raw: bytes, headers: dict[str, str] | None = None, max_bytes: int = limits.BODY_BYTES) -> BadRequest:
    """How a body is refused."""
    with pytest.raises(BadRequest) as caught:
        decode_json(open_body(raw, headers or {}, max_bytes).text)
    return caught.value


@given(VALUES)
def test_json_is_read_as_it_was_written(value: object) -> None:
    """decode(encode(x)) = x, packed or not, with a byte order mark or without."""
    raw = json.dumps(value).encode()
    assert decode_json(open_body(raw, {}).text) == value
    assert decode_json(open_body(b"\xef\xbb\xbf" + raw, {}).text) == value
    assert decode_json(open_body(gzip.compress(raw), {"content-encoding": "gzip"}).text) == value


def test_of_a_key_that_stands_twice_the_last_counts() -> None:
    """One answer, stated: as in Go and JavaScript."""
    assert decode_json(b'{"team":"a","team":"b"}') == {"team": "b"}


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "it is empty"),
        (b"  \n", "it is empty"),
        (b'{"a":', "ends too early, after 5 bytes"),
        (b'{"a": NaN}', "invalid character (byte 6), near '{\"a\": NaN}'"),
        (b"[1, Infinity]", "invalid character (byte 4)"),
        (b'{"a": "x\x00y"}', "byte 8"),
        (b"[1] 2", "trailing characters (byte"),
        (b"[1e999]", "number out of range"),
        (b"9" * 10_000, "integer value out of range"),
    ],
)
def test_what_is_no_json_is_named_with_its_place(raw: bytes, words: str) -> None:
    """Status 400 and one sentence with the byte and what stands there."""
    refused = refusal(raw)
    assert refused.status == 400
    assert words in str(refused)


def test_a_byte_that_is_no_utf8_is_named_with_its_offset() -> None:
    """A body in another encoding is refused, not read with letters of chance."""
    refused = refusal('{"summary":"für"}'.encode("latin-1"))
    assert (refused.status, "byte 0xfc at offset 13" in str(refused)) == (400, True)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
@pytest.mark.parametrize("depth", [limits.BODY_DEPTH + 1, 500, 5_000, 1_000_000])
def test_deep_nesting_is_refused_before_it_is_a_danger(opening: bytes, depth: int) -> None:
    """One deeper than the limit or a million: status 400, in no time."""
    closing = b"]" if opening == b"[" else b"}"
    began = time.perf_counter()
    refused = refusal(opening * depth + b"1" + closing * depth)
    assert (refused.status, "nested" in str(refused)) == (400, True)
    assert time.perf_counter() - began < 20.0


def test_nesting_within_the_limit_is_read() -> None:
    """The limit itself is allowed, and brackets in texts do not count."""
    depth = limits.BODY_DEPTH
    assert decode_json(b"[" * depth + b"]" * depth) is not None
    assert decode_json(json.dumps(["[{" * 5_000] * 3).encode()) == ["[{" * 5_000] * 3


def test_the_size_limit_holds_for_what_is_sent_and_for_what_it_unpacks_to() -> None:
    """413 in both cases, naming the limit; ten thousand alerts fit the default."""
    assert refusal(b" " * 1_001, max_bytes=1_000).status == 413
    refused = refusal(gzip.compress(b" " * 1_001), {"content-encoding": "gzip"}, 1_000)
    assert (refused.status, "over 1000 bytes" in str(refused)) == (413, True)
    assert limits.BODY_BYTES > 2 * 10_000 * 600


@pytest.mark.slow
def test_a_bomb_never_unpacks_beyond_its_limit() -> None:
    """A gigabyte of spaces in a megabyte of gzip is refused with memory and time for the limit only."""
    bomb = gzip.compress(b" " * 200_000_000, 9)
    tracemalloc.start()
    refused = refusal(bomb, {"content-encoding": "gzip"})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused.status == 413
    assert peak < 3 * limits.BODY_BYTES
    small = refusal(gzip.compress(b" " * 5_000_000), {"content-encoding": "gzip"})
    assert "200 times its size" in str(small)


@pytest.mark.parametrize(
    "raw",
    [gzip.compress(b"[1,2,3]")[:-5], gzip.compress(b"[1]")[:3], b"[1]", b"\x1f\x8b"],
    ids=["end", "head", "none", "two"],
)
def test_gzip_that_is_broken_is_a_400(raw: bytes) -> None:
    """Cut off, or no gzip at all."""
    assert refusal(raw, {"content-encoding": "gzip"}).status == 400


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({"content-type": "application/x-www-form-urlencoded"}, "application/x-www-form-urlencoded"),
        ({"content-type": "multipart/form-data; boundary=x"}, "multipart/form-data"),
        ({"content-type": "text/xml"}, "text/xml"),
        ({"content-type": "application/json; charset=iso-8859-1"}, "iso-8859-1"),
        ({"content-encoding": "br"}, "br"),
    ],
)
def test_what_is_no_json_by_its_header_is_a_415_that_names_it(headers: dict[str, str], named: str) -> None:
    """The content type, charset or encoding stands in the sentence."""
    refused = refusal(b"{}", headers)
    assert (refused.status, named in str(refused)) == (415, True)


@pytest.mark.parametrize(
    "content_type",
    ["", "application/json", 'application/json; charset="UTF-8"', "text/plain", "application/octet-stream"],
)
def test_other_content_types_are_read(content_type: str) -> None:
    """SNS sends its JSON as text/plain, and some senders send no type at all."""
    assert decode_json(open_body(b"[1]", {"content-type": content_type}).text) == [1]


def test_half_a_surrogate_pair_is_read_as_a_replacement_and_noted() -> None:
    """A title that was cut within an emoji does not cost the alert; pairs and escaped backslashes stay."""
    body = open_body(rb'["\ud83d\ude00", "cut \ud83d", "\\ud800", "\udc00\ud800"]', {})
    assert decode_json(body.text) == ["😀", "cut �", "\\ud800", "��"]
    assert "3 halves of surrogate pairs" in body.notes[0]


@given(st.lists(st.sampled_from([rb"\ud83d", rb"\ude00", rb"\\", rb"a", rb"\n", rb"\u00e9"]), max_size=12))
def test_no_half_of_a_pair_is_left(parts: list[bytes]) -> None:
    """Whatever escapes stand beside each other, what comes out is JSON, and whole escapes stay as they are."""
    text, count = replace_lone_surrogates(b'"' + b"".join(parts) + b'"')
    decoded = decode_json(text)
    assert decoded.encode().decode() == decoded
    assert count == decoded.count("\ufffd")


def test_lines_are_numbered_and_may_end_in_cr_lf_or_be_blank() -> None:
    """Each line that holds something, with its number in the file."""
    assert read_lines(Body(b"{}\r\n\r\n  \n[1]\n\n")) == [(1, b"{}"), (4, b"[1]")]


def test_headers_have_a_limit_and_names_in_lower_case() -> None:
    """Two of one name are joined; too many, or too long ones, are a 431."""
    assert read_headers([("X-Id", " a "), ("x-id", "b")]) == {"x-id": "a, b"}
    for pairs in ([("a", "b")] * (limits.HEADERS + 1), [("a", "b" * limits.HEADER_BYTES)]):
        with pytest.raises(BadRequest) as caught:
            read_headers(pairs)
        assert caught.value.status == 431


LINES_TYPE = {"content-type": "application/x-ndjson"}


def test_json_lines_are_named_where_json_is_read() -> None:
    """The mend is the content type where the source reads lines, else posts of their own; both are then read."""
    body = b'{"a": 1}\n\n{"b": [2]}\r\n'
    refused = refusal(body)
    assert (refused.status, str(refused)) == (
        400, "the body is JSON lines, not one JSON value; send each line in a post of its own"
    )  # fmt: skip
    with pytest.raises(BadRequest, match=r"; send with Content-Type: application/x-ndjson$"):
        decode_json(body, takes_lines=True)
    lines = read_lines(open_body(body, LINES_TYPE))
    assert [decode_json(line) for _, line in lines] == [{"a": 1}, {"b": [2]}]
    assert "is not JSON: " in str(refusal(b'{"a": 1}\n{"b": '))


def test_json_is_named_where_json_lines_are_read() -> None:
    """One value over several lines names the content type with which it is read; a line that is no JSON does not."""
    body = json.dumps([{"a": 1}, {"b": 2}], indent=1).encode()
    with pytest.raises(BadRequest, match=r"; send it with Content-Type: application/json$"):
        read_lines(open_body(body, LINES_TYPE))
    assert decode_json(open_body(body, {"content-type": "application/json"}).text) == [{"a": 1}, {"b": 2}]
    assert len(read_lines(open_body(b'{"a": \n{"b": 2}', LINES_TYPE))) == 2
