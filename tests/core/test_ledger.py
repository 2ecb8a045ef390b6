"""Ledger entries come back from their bytes as they were."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from stream.core.events import Raised, moment
from stream.core.ledger import (
    FLAG_NAMES,
    Alert,
    Context,
    Entry,
    Held,
    HeldAction,
    Timer,
    context_of,
    flag_names,
    pack_entry,
    unpack_earlier,
    unpack_entry,
)
from tests.core.logs import LAW

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
times = st.floats(allow_nan=False)
scores: st.SearchStrategy[Any] = st.none() | st.lists(st.none() | texts | times | st.lists(texts | times), max_size=6)
contexts = st.builds(Context, st.none() | texts, st.none() | texts, st.dictionaries(texts, texts, max_size=3))
alerts = st.builds(
    Alert, times, texts, texts, st.lists(st.none() | texts, max_size=3).map(tuple), st.integers(0, 63),
    st.integers(-1, 1), st.integers(-1, 2), times, texts, st.integers(0, 7), st.lists(st.integers(0, 2**32 - 1)),
    scores, times, st.none() | times, st.none() | contexts,
)  # fmt: skip
agents = st.none() | st.sampled_from(["person", "automation"])
actions = st.builds(HeldAction, times, texts, texts, st.integers(0, 2**63 - 1), st.binary(max_size=20), agents)
timers = st.builds(Timer, times, st.integers(0, 9), st.binary(max_size=20))
entries: st.SearchStrategy[Entry] = alerts | st.builds(Held, times, st.lists(actions, max_size=4)) | timers


@LAW
@given(entries)
def test_unpacking_undoes_packing(entry: Entry) -> None:
    """Any texts, times, offsets and scores come back whole, and give the same bytes again."""
    record = pack_entry(entry)
    assert unpack_entry(record) == entry
    assert pack_entry(unpack_entry(record)) == record


@LAW
@given(st.binary(max_size=60))
def test_other_bytes_are_refused(record: bytes) -> None:
    """Bytes that are no entry are a decoding error, never a half-filled entry."""
    try:
        entry = unpack_entry(record)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
    assert isinstance(entry, Alert | Held | Timer)


def test_alerts_share_nothing() -> None:
    """Each alert has a list of actions of its own."""
    one, other = Alert(0.0, "r", "e", ()), Alert(0.0, "r", "e", ())
    one.actions.append(1)
    assert other.actions == []


@pytest.mark.parametrize("flags", range(64))
def test_flags_have_names(flags: int) -> None:
    """Each bit has its name, in the order of the closed list."""
    assert flag_names(flags) == [name for bit, name in FLAG_NAMES if flags & bit]
    assert [name for _, name in FLAG_NAMES] == [
        "flood",
        "visibility_only",
        "late",
        "held_out",
        "maintenance",
        "labels_cut",
    ]


VERSION_3 = bytes.fromhex(
    "9ea161cb41da68e060000000a46469736ba2646291a470726f6400ff01cb41da68e06f000000a6776f726b6564c2910796cb3fb1eb851eb851"
    "ecac6c696b656c795f6e6f697365a16da4736f6d65c0c0cb41da68e42f000000"
)


def test_a_rebuild_reads_the_alerts_of_the_fold_before() -> None:
    """What was published first stays with its alert; the fold itself never takes such an entry for one of its own."""
    entry = unpack_earlier(VERSION_3)
    assert isinstance(entry, Alert)
    assert (entry.rule, entry.by, entry.marks, entry.due) == ("disk", "worked", 0, 1_772_327_100.0)
    assert entry.score == [0.07, "likely_noise", "m", "some", None, None]
    with pytest.raises(msgspec.ValidationError):
        unpack_entry(VERSION_3)
    with pytest.raises(msgspec.ValidationError):
        unpack_earlier(msgspec.msgpack.encode(["c", 1.0, b"verdicts"]))


@LAW
@given(entries)
def test_a_rebuild_reads_entries_of_this_fold_too(entry: Entry) -> None:
    """Whatever it is, as `unpack_entry` does."""
    assert unpack_earlier(pack_entry(entry)) == entry


def raise_of(severity: str | None = None, source: str | None = None, **labels: str) -> Raised:
    """An alert with these."""
    return Raised(moment(1e9), "a", "t", "r", "e", severity, source, None, labels)


def test_the_context_is_severity_source_and_labels() -> None:
    """As raised where they fit; nothing where there is nothing."""
    assert context_of(raise_of()) is None
    assert context_of(raise_of("high", None, env="prod")) == Context("high", None, {"env": "prod"})
    assert context_of(raise_of(None, "mon")) == Context(None, "mon", {})


@LAW
@given(texts, texts, st.dictionaries(texts, st.text("aü€😀", max_size=300), max_size=12))
def test_the_context_is_cut_by_bytes_and_name(severity: str, source: str, labels: dict[str, str]) -> None:
    """Severity and source always stay; labels stay in the order of their names as far as they fit, whatever theirs."""
    whole, turned = raise_of(severity, source), dict(reversed(labels.items()))
    kept = context_of(replace(whole, labels=labels)) or Context(severity, source, {})
    assert (kept.severity, kept.source) == (severity, source)
    assert kept == (context_of(replace(whole, labels=turned)) or kept)
    left = 2_048 - len((severity + source).encode())
    expected = {}
    for name, value in sorted(labels.items()):
        size = len((name + value).encode())
        if size <= left:
            expected[name], left = value, left - size
    assert kept.labels == expected
    assert (kept.labels is labels) or len(expected) < len(labels) or not labels


def test_two_kib_are_kept_and_a_byte_more_is_cut() -> None:
    """Bytes count, not characters."""
    fits, over = {"a": "ü" * 500, "b": "x" * 1_000, "c": "y" * 45}, {"a": "ü" * 500, "b": "x" * 1_000, "c": "y" * 46}
    kept = context_of(replace(raise_of(), labels=fits))
    cut = context_of(replace(raise_of(), labels=over))
    assert kept is not None
    assert cut is not None
    assert (kept.labels, cut.labels) == (fits, {"a": "ü" * 500, "b": "x" * 1_000})
