"""The typed reader: what is handed out, left out, counted and consumed."""

import logging
import re
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream import reader
from stream.core.errors import BadRecord, KafkaAway, SettingsError
from stream.core.events import Acted, Event, Raised, Tick, moment
from stream.core.once import Once
from stream.core.records import Enriched, Score, decode_enriched, encode_record
from stream.kafka.failed import FailedRecord, failed_output, read_failed_record
from stream.kafka.records import Part
from stream.kafka.subscription import LATEST, Received
from stream.reader import Records, Unreadable
from tests.core.logs import LAW
from tests.memory_source import MemorySource, received

NOW = moment(1e9)


def value(alert_id: str, probability: float | None = 0.5) -> bytes:
    """An enriched record's value, scored or not."""
    alert = Raised(NOW, alert_id, "pay", "disk", "db")
    return encode_record(Enriched(alert, Score(probability, "unsure", None, "none"), None, [], NOW, "t/0/1"))


def decode(one: Received) -> Enriched:
    """As `reader.enriched` does."""
    return decode_enriched(one.value or b"")


def records_of(source: MemorySource, once: bool = True, follow: bool = False) -> Records[Enriched]:
    """What `reader.enriched` makes, on a source in memory."""
    return Records(source, decode, Once().takes if once else None, follow)


@pytest.mark.slow
def test_repetitions_are_left_out_and_counted() -> None:
    """A scored record follows an unscored one, and nothing follows that; without `once` everything comes."""
    values = [value("a", None), value("a"), value("a"), value("a", None), value("b")]
    source = MemorySource(received(one, offset) for offset, one in enumerate(values))
    records = records_of(source)
    found = [(one.alert.alert_id, one.score.probability) for one in records]
    assert found == [("a", None), ("a", 0.5), ("b", 0.5)]
    assert (records.repeated, source.marked, source.closed) == (2, {0: 5}, True)
    everything = MemorySource(received(one, offset) for offset, one in enumerate(values))
    assert len(list(records_of(everything, once=False))) == 5


def test_what_cannot_be_decoded_is_handed_over_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    """Text that is no JSON, another type's JSON and no value at all; the others still come, and one line is logged."""
    bad: list[Unreadable] = []
    values = [b"nonsense", value("a"), b'{"alert": 1}', None, value("b")]
    source = MemorySource(received(one, offset) for offset, one in enumerate(values))
    records = Records(source, decode, follow=False, on_unreadable=bad.append)
    with caplog.at_level(logging.WARNING):
        assert [one.alert.alert_id for one in records] == ["a", "b"]
    assert records.unreadable == 3
    assert [one.received.offset for one in bad] == [0, 2, 3]
    assert "`$.alert`" in bad[1].problem
    assert [line.getMessage().partition(" (")[0] for line in caplog.records] == ["t/0/0 can't be read"]
    assert source.marked == {0: 5}


def test_a_record_is_consumed_when_the_next_is_asked_for() -> None:
    """Neither before, nor where the block ends with an exception; a block that ends otherwise consumes the last one."""
    stored = [received(value(str(offset)), offset) for offset in range(5)]
    source = MemorySource(stored)
    with pytest.raises(RuntimeError), records_of(source) as records:
        assert next(records).alert.alert_id == "0"
        assert source.marked == {}
        assert next(records).alert.alert_id == "1"
        assert source.marked == {0: 1}
        raise RuntimeError
    assert (source.marked, source.closed) == ({0: 1}, True)
    again = MemorySource(stored, source.marked)
    with records_of(again) as records:
        assert next(records).alert.alert_id == "1"
    assert (again.marked, again.closed) == ({0: 2}, True)


def test_a_callback_that_raises_leaves_its_record_unconsumed() -> None:
    """Who can't put a bad record away gets it again."""

    def refuse(one: Unreadable) -> None:
        raise BadRecord("not_json", one.problem)

    source = MemorySource([received(value("a"), 0), received(b"?", 1)])
    with pytest.raises(BadRecord), Records(source, decode, on_unreadable=refuse) as records:
        list(records)
    assert source.marked == {0: 1}


def test_it_waits_for_more_until_it_is_stopped() -> None:
    """`stop` from another thread ends the loop after the record that was handed out; nothing comes afterwards."""
    source = MemorySource([received(value("a"), 0)])
    records = records_of(source, follow=True)
    seen = []
    for record in records:
        seen.append(record.alert.alert_id)
        if record.alert.alert_id == "a":
            threading.Timer(0.01, lambda: source.waiting.append(received(value("b"), 1))).start()
        else:
            stopping = threading.Thread(target=records.stop)
            stopping.start()
            stopping.join()
    assert (seen, source.marked, source.closed) == (["a", "b"], {0: 2}, True)
    source.waiting.append(received(value("c"), 2))
    assert next(records, None) is None


def test_reading_to_the_end_gives_up_without_a_broker() -> None:
    """Where more is owed and no broker answers; one that follows goes on waiting."""
    source = MemorySource()
    source.away_seconds = 31.0
    source.poll = lambda seconds: None  # type: ignore[method-assign]  # never at its end
    with pytest.raises(KafkaAway, match="no Kafka broker has answered for 30 s; start it"):
        next(records_of(source))


@LAW
@given(st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.just(0.5)), max_size=12), st.integers(0, 12))
def test_a_restart_at_any_record_loses_none(alerts: list[tuple[str, float | None]], stop_after: int) -> None:
    """Whatever was marked when a reader ended, the next one hands out the rest: each alert comes, scored if it was."""
    stored = [received(value(name, probability), offset) for offset, (name, probability) in enumerate(alerts)]
    first = MemorySource(stored)
    seen = [record for record, _ in zip(records_of(first), range(stop_after), strict=False)]
    seen += records_of(MemorySource(stored, first.marked))
    assert {(one.alert.alert_id, one.score.probability is None) for one in seen} >= {
        (name, all(other is None for name_, other in alerts if name_ == name)) for name, _ in alerts
    }


def test_events_once() -> None:
    """A repeated raise or action is left out, another action of the same id's alert is not, and every tick comes."""
    raised = Raised(NOW, "a", "pay", "disk", "db")
    acted = Acted(NOW, "a", "pay", "1", "worked")
    tick = Tick(NOW)
    once = Once()
    ones: list[Event] = [
        raised,
        acted,
        Acted(NOW, "a", "pay", "2", "worked"),
        Acted(NOW, "a", "shop", "1", "worked"),
        tick,
    ]
    assert [once.takes_event(one) for one in (*ones, *ones)] == [True] * 5 + [False] * 4 + [True]


def test_a_failed_record_is_read_as_it_was_written() -> None:
    """Reason, coordinates, size and room come from the headers; a bare record has none of them."""
    output = failed_output("f", Part("alerts.events", 3), 7, b"k", b"?", BadRecord("not_json", "bad"), "intake")
    one = read_failed_record(5.0, dict(output.headers or ()), output.key, output.value)
    assert (one.at, one.reason, one.topic, one.partition, one.offset) == (5.0, "not_json", "alerts.events", 3, 7)
    assert (one.length, one.value, one.key, one.room, one.cut) == (1, b"?", b"k", "intake", False)
    assert read_failed_record(5.0, {}, None, None) == FailedRecord(5.0, "?", "", "?", None, None, None, "", b"")


@pytest.mark.parametrize(
    ("since", "start"),
    [("earliest", 0.0), ("latest", LATEST), ("1h", 1e9 - 3_600), (datetime(2001, 9, 9, tzinfo=UTC), 999_993_600.0)],
)
def test_where_reading_begins(since: str | datetime, start: float | None) -> None:
    """Words, lengths before now and times."""
    assert reader._start(since, 1e9) == start


@pytest.mark.parametrize("since", ["yesterday", "", datetime(2001, 9, 9)])  # noqa: DTZ001 - that is what is refused
def test_a_start_that_is_none_is_refused(since: str | datetime) -> None:
    """What is neither a word, a length nor a time with a zone."""
    with pytest.raises(SettingsError, match=r"since .*(give a length|no time zone; give it one)"):
        reader._start(since, time.time())


def test_importing_the_package_stays_light() -> None:
    """`import stream` brings no library; `stream.reader` brings neither Faust, ONNX nor Redis."""
    code = (
        "import sys, stream; assert 'msgspec' not in sys.modules;"
        "import stream.reader; print([one for one in ('faust', 'onnxruntime', 'redis', 'numpy') if one in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_the_examples_of_the_docs_are_python() -> None:
    """Each compiles, and calls what there is; the first has at most eight lines."""
    page = (Path(__file__).parents[1] / "docs" / "READING.md").read_text(encoding="utf-8")
    examples = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(examples) == 3
    assert len(examples[0].splitlines()) <= 8
    for example in examples:
        compile(example, "docs/READING.md", "exec")
        assert all(hasattr(reader, name) for name in re.findall(r"\breader\.(\w+)", example))
    options = re.findall(r"^\| `(\w+)` \| [^|]+ \| ", page, re.MULTILINE)
    assert set(options) == set(reader.Options.__annotations__)
