"""Hostile records: NUL, surrogates, depth, size, and times out of any range."""

import pytest

from stream.core import limits
from stream.core.errors import BadRecord
from stream.core.events import Raised, check_time, decode_event, moment, seconds
from tests.core.test_events import RAISED, changed, reason


@pytest.mark.parametrize("name", ["alert_id", "team", "rule", "entity", "severity", "source", "title"])
def test_nul_is_told(name: str) -> None:
    """A NUL in any text of an event fails under its own reason; keys of states are parted by it."""
    for text in ("\0", "a\0", "\\\0", '"\0', "\\\\\0b"):
        assert reason(changed(RAISED, **{name: text})) == "nul"


def test_nul_in_labels_is_told() -> None:
    """In a label's name and in its value."""
    assert reason(changed(RAISED, labels={"a\0": "b"})) == "nul"
    assert reason(changed(RAISED, labels={"a": "\0"})) == "nul"


def test_what_only_looks_like_nul_passes() -> None:
    """The six characters of the escape as a text are no NUL, and one in a field nobody reads harms nobody."""
    event = decode_event(changed(RAISED, title="\\u0000", other="\0"))
    assert isinstance(event, Raised)
    assert event.title == "\\u0000"


def test_a_raw_nul_byte_is_not_json() -> None:
    """JSON has no raw control characters."""
    assert reason(changed(RAISED).replace(b"INC1", b"INC\x00")) == "not_json"


@pytest.mark.parametrize("escape", [b"\\ud800", b"\\udc00", b"\\ud800\\u0041", b"\\udc00\\ud800", b"\xed\xa0\x80"])
def test_a_lone_surrogate_is_told(escape: bytes) -> None:
    """Half a character, escaped or raw, is no text; a whole pair is."""
    assert reason(changed(RAISED).replace(b"INC1", escape)) == "not_json"
    assert reason(changed(RAISED).replace(b"INC1", escape + b"x")) == "not_json"
    assert reason(changed(RAISED, labels=None).replace(b"INC1", escape)) == "not_json"
    pair = decode_event(changed(RAISED).replace(b"INC1", b"\\ud83d\\ude00"))
    assert isinstance(pair, Raised)
    assert pair.alert_id == "\U0001f600"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (rb"\ud800", r"\ud800"),
        (rb"\ud800 and more text than a whole pair would take", r"\ud800"),
        (rb"\ud83d\ude00\udc00", r"\udc00"),
        (rb"\\\ud800", r"\ud800"),
        (rb"\ud83d\n\ude00", r"\ud83d"),
    ],
)
def test_a_lone_surrogate_is_named_for_what_it_is(text: bytes, named: str) -> None:
    """The detail names the escape as it stands in the record, in a field that is read or not, wherever in the text."""
    for value in (changed(RAISED).replace(b"INC1", text), changed(RAISED, other="INC2").replace(b"INC2", text)):
        with pytest.raises(BadRecord) as failed:
            decode_event(value)
        assert failed.value.detail == f"a text holds {named}, half of a surrogate pair, which is no character"


def test_a_cut_record_is_still_called_truncated() -> None:
    """What really is cut is not taken for a surrogate."""
    with pytest.raises(BadRecord) as failed:
        decode_event(changed(RAISED, title="\U0001f600")[:-4])
    assert failed.value.detail == "Input data was truncated"


def test_bytes_that_are_not_utf8_are_told() -> None:
    """A name in Latin-1 is not JSON text."""
    assert reason(changed(RAISED).replace(b"INC1", b"caf\xe9")) == "not_json"


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_depth_is_told(opening: bytes) -> None:
    """Nesting as deep as fits a record fails by name instead of exhausting the stack."""
    deep = opening * (limits.EVENT_BYTES // len(opening) // 2 - 500)
    assert reason(deep) in ("bad_field", "not_json")
    assert reason(changed(RAISED)[:-1] + b',"other":' + deep + b"}") == "not_json"


def test_size_is_told() -> None:
    """A record of the limit's size is read; one byte more, and 10 MB, are not, whatever they hold."""
    padding = b" " * (limits.EVENT_BYTES - len(changed(RAISED)))
    assert decode_event(changed(RAISED) + padding) == decode_event(changed(RAISED))
    for value in (changed(RAISED) + padding + b" ", b"x" * 10_000_000):
        with pytest.raises(BadRecord, match=f"too_large: {len(value)} bytes, at most {limits.EVENT_BYTES} are read"):
            decode_event(value)


@pytest.mark.parametrize(
    "at",
    [
        "2026-03-01T10:00:00",
        "2026-03-01",
        "yesterday",
        "",
        "2026-13-01T10:00:00Z",
        "2026-02-30T10:00:00Z",
        1_772_359_200,
    ],
)
def test_a_time_that_is_none_is_told(at: object) -> None:
    """Times need a zone, a form and a day that exists; numbers are not times."""
    assert reason(changed(RAISED, at=at)) == "bad_field"


def test_times_of_any_zone_are_one_moment() -> None:
    """An offset, a lower-case z and fractions of a second are read as RFC 3339 has them."""
    for at in ("2026-03-01T10:00:00.25Z", "2026-03-01t10:00:00.250000z", "2026-03-01T15:30:00.25+05:30"):
        assert seconds(decode_event(changed(RAISED, at=at)).at) == 1_772_359_200.25
    assert moment(1_772_359_200.25).isoformat() == "2026-03-01T10:00:00.250000+00:00"


def failure(at: float, recorded_at: float) -> str:
    """Under which reason a time fails."""
    with pytest.raises(BadRecord) as failed:
        check_time(at, recorded_at)
    return failed.value.reason


def test_a_time_before_the_floor_is_told() -> None:
    """The year 2000 passes, a second before fails."""
    check_time(limits.FLOOR_SECONDS, limits.FLOOR_SECONDS)
    assert failure(limits.FLOOR_SECONDS - 1, limits.FLOOR_SECONDS) == "before_floor"


def test_a_time_beyond_the_skew_is_told() -> None:
    """Ten minutes after the record's timestamp pass, a second more fails; the past is never too far."""
    recorded_at = 1_772_359_200.0
    check_time(recorded_at + limits.SKEW_SECONDS, recorded_at)
    check_time(recorded_at - 20 * 365 * 86_400, recorded_at)
    assert failure(recorded_at + limits.SKEW_SECONDS + 1, recorded_at) == "beyond_skew"


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", "1999-12-31T23:59:59Z"])
@pytest.mark.parametrize("recorded_at", [-1.0, 0.0, 1e15, float("inf")])
def test_the_earliest_times_fail_by_name(at: str, recorded_at: float) -> None:
    """The first moments a calendar knows, and those before it in UTC, are told like any other early time."""
    assert failure(seconds(decode_event(changed(RAISED, at=at)).at), recorded_at) == "before_floor"


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59Z", "2200-01-01T00:00:01Z"])
@pytest.mark.parametrize("recorded_at", [-1.0, 1_772_359_200.0, 1e15, float("inf")])
def test_the_latest_times_fail_by_name(at: str, recorded_at: float) -> None:
    """Times after 2200 fail whatever the record's timestamp says: no outcome could be written down for them."""
    assert failure(seconds(decode_event(changed(RAISED, at=at)).at), recorded_at) == "beyond_skew"
