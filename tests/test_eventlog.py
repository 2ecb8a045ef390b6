"""A log is read whole and in order, or refused in one sentence that names the file and the line."""

import gzip
import json
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.core import limits
from stream.core.errors import LogError
from stream.core.events import encode_event
from stream.eventlog import Line, clean_log, read_log, write_parquet
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


PRETTY = json.dumps(json.loads(encode_event(raised(1, START))), indent=2).encode()


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        (
            "a.jsonl",
            b"[" + encode_event(raised(1, START)) + b"]",
            "is a JSON array.*; `jq -c '.\\[\\]' a.jsonl > events",
        ),
        ("a.jsonl.gz", gzip.compress(b"[\n{}\n]"), "is a JSON array.*`zcat a.jsonl.gz | jq -c"),
        ("a.jsonl", PRETTY, "has events over several lines.*; `jq -c . a.jsonl > events.jsonl`"),
        ("a.jsonl", encode_event(raised(1, START)).decode().encode("utf-16"), "is UTF-16.*; `iconv -f UTF-16"),
        (
            "a.jsonl",
            b'{"type":"tick","at":"2026-01-05T00:00:00Z","x":NaN}',
            "line 1: not_json: NaN is no JSON; write null",
        ),
        ("a.jsonl", b'{"type":"tick","tiem":"2026-01-05T00:00:00Z"}', "`at` \\(it has 'tiem', which nothing reads"),
        ("a.jsonl", encode_event(raised(1, START))[:40], "line 1: not_json"),
    ],
    ids=["array", "packed array", "pretty", "utf-16", "NaN", "misspelt", "cut off"],
)
@pytest.mark.parametrize("skipping", [False, True])
def test_what_is_no_log_is_named(tmp_path: Path, name: str, content: bytes, told: str, skipping: bool) -> None:
    """What the file is and what turns it into a log stand in the message; also when lines are skipped."""
    path = tmp_path / name
    path.write_bytes(content)
    single = "line 1" in told or "nothing reads" in told
    with pytest.raises(LogError, match="holds no events" if skipping and single else told):
        list(read_log(path, skipped={} if skipping else None))


def test_the_content_says_how_a_log_is_read(tmp_path: Path) -> None:
    """A byte order mark is no part of the first event, and what is packed or Parquet is read so, whatever its name."""
    events = small_log(5)
    whole = write(tmp_path / "log.jsonl", events).read_bytes()
    for content in (b"\xef\xbb\xbf" + whole, gzip.compress(whole)):
        (tmp_path / "log.jsonl").write_bytes(content)
        assert [line.event for line in read_log(tmp_path / "log.jsonl")] == events
    (tmp_path / "plain.jsonl.gz").write_bytes(whole)
    with (tmp_path / "parquet.jsonl").open("wb") as file:
        write_parquet([Line(event, event.at.timestamp(), encode_event(event)) for event in events], file)
    for name in ("plain.jsonl.gz", "parquet.jsonl"):
        assert [line.event for line in read_log(tmp_path / name)] == events


def test_a_log_is_cleaned(tmp_path: Path) -> None:
    """What is no event is counted under the scorer's reason with its first line, and the rest is in order of time."""
    events = [raised(number, START + timedelta(minutes=minute)) for number, minute in enumerate((5, 1, 5, 0))]
    good = [encode_event(event) for event in events]
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"\n".join([good[0], b"{", good[1], b'{"type":"other"}', b"{]", good[2], good[3]]))
    skipped = clean_log(path, tmp_path / "clean.jsonl", skip_bad=True, sort=True)
    assert {reason: (of.count, of.first_line) for reason, of in skipped.items()} == {
        "not_json": (2, 2), "unknown_type": (1, 4),
    }  # fmt: skip
    assert [line.event for line in read_log(tmp_path / "clean.jsonl", 0.0)] == [events[of] for of in (3, 1, 0, 2)]
    with pytest.raises(LogError, match="line 2: not_json"):
        clean_log(path, tmp_path / "clean.jsonl", skip_bad=False, sort=True)


@settings(deadline=None)  # each example writes files to disk
@given(st.lists(st.integers(0, 50), min_size=1, max_size=20))
def test_sorting_a_log_keeps_the_order_of_equal_times(minutes: list[int]) -> None:
    """The same events, in order of time, those of one time as they stood; and sorting again changes nothing."""
    events = [raised(number, START + timedelta(minutes=minute)) for number, minute in enumerate(minutes)]
    with TemporaryDirectory() as folder:
        path, once, twice = (Path(folder) / name for name in ("log.jsonl", "once.jsonl", "twice.jsonl"))
        write(path, events)
        clean_log(path, once, skip_bad=False, sort=True)
        clean_log(once, twice, skip_bad=False, sort=True)
        assert [line.event for line in read_log(once, 0.0)] == sorted(events, key=lambda event: event.at)
        assert once.read_bytes() == twice.read_bytes()
