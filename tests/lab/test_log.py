"""A log is read whole and in order, or refused in one sentence that names the file and the line."""

import gzip
from datetime import timedelta
from pathlib import Path

import pytest

from stream.core import limits
from stream.core.errors import LogError
from stream.core.events import encode_event
from stream.eventlog import read_log
from tests.lab.logs import START, acted, raised, small_log, write


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """Plain and compressed files give the same events, with the bytes they came in; empty lines are nothing."""
    events = small_log(50)
    plain = write(tmp_path / "log.jsonl", events)
    packed = tmp_path / "log.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes().replace(b"\n", b"\r\n\n")))
    for path in (plain, packed):
        lines = list(read_log(path))
        assert [line.event for line in lines] == events
        assert [line.value for line in lines] == [encode_event(event) for event in events]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"{", "not_json"),
        (b'{"type":"other"}', "unknown_type"),
        (b'{"type":"raised","at":"2026-01-05T00:00:00Z","alert_id":"1"}', "bad_field"),
        (b'{"type":"tick","at":"1999-12-31T00:00:00Z"}', "before_floor"),
        (b'"' + b"x" * (limits.EVENT_BYTES + 10_000) + b'"', "too_large"),
        (b"\xff\xfe", "not_json"),
    ],
)
def test_the_first_bad_line_is_named(tmp_path: Path, line: bytes, told: str) -> None:
    """File, line and reason stand in the message."""
    path = tmp_path / "log.jsonl"
    good = encode_event(raised(1, START))
    path.write_bytes(b"\n".join([good, good, line, b"{}"]))
    with pytest.raises(LogError) as caught:
        list(read_log(path))
    assert str(caught.value).startswith(f"{path}: line 3: {told}")


def test_a_log_out_of_order_is_told_with_count_and_place(tmp_path: Path) -> None:
    """Within the grace, and at equal times, anything goes; beyond it the sentence says how many and where first."""
    times = [0, 10, 10, 6, 20, 14, 15, 2]
    path = write(tmp_path / "log.jsonl", [raised(i, START + timedelta(minutes=at)) for i, at in enumerate(times)])
    with pytest.raises(LogError, match=r"2 of 8 events .* more than 300 s, the first in line 6; sort it") as caught:
        list(read_log(path, 300.0))
    assert str(path) in str(caught.value)
    assert len(list(read_log(path, 18 * 60.0))) == len(times)


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_an_empty_log_is_told(tmp_path: Path, content: bytes) -> None:
    """Nothing in it is not a success."""
    (tmp_path / "log.jsonl").write_bytes(content)
    with pytest.raises(LogError, match="holds no events"):
        list(read_log(tmp_path / "log.jsonl"))


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    """Missing, a folder, not compressed, cut off: one sentence each."""
    packed = tmp_path / "log.jsonl.gz"
    for content in (b"plain text", gzip.compress(b"x" * 10_000)[:-20]):
        packed.write_bytes(content)
        with pytest.raises(LogError, match=str(packed)):
            list(read_log(packed))
    for path in (tmp_path, tmp_path / "nowhere.jsonl"):
        with pytest.raises(LogError, match=f"{path}: can't be read"):
            list(read_log(path))


def test_reading_tells_how_far_it_is(tmp_path: Path) -> None:
    """Progress only rises, and ends at 1."""
    told: list[float] = []
    path = write(tmp_path / "log.jsonl", [acted(i, START) for i in range(5_000)])
    list(read_log(path, progress=lambda _, share: told.append(share)))
    assert len(told) > 2
    assert told == sorted(told)
    assert told[-1] == 1.0
