"""Ledger entries come back from their bytes as they were."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.ledger import FLAG_NAMES, Alert, Cohort, Entry, Held, HeldAction, flag_names, pack_entry, unpack_entry
from tests.core.logs import LAW

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
times = st.floats(allow_nan=False)
scores: st.SearchStrategy[Any] = st.none() | st.lists(st.none() | texts | times | st.lists(texts | times), max_size=6)
alerts = st.builds(
    Alert, times, texts, texts, st.lists(st.none() | texts, max_size=3).map(tuple), st.integers(0, 15),
    st.integers(-1, 1), st.integers(-1, 2), times, texts, st.booleans(), st.lists(st.integers(0, 2**32 - 1)), scores,
    times,
)  # fmt: skip
actions = st.builds(HeldAction, times, texts, texts, st.integers(0, 2**63 - 1), st.binary(max_size=20))
entries: st.SearchStrategy[Entry] = (
    alerts | st.builds(Held, times, st.lists(actions, max_size=4)) | st.builds(Cohort, times, st.binary(max_size=20))
)


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
    assert isinstance(entry, Alert | Held | Cohort)


def test_alerts_share_nothing() -> None:
    """Each alert has a list of actions of its own."""
    one, other = Alert(0.0, "r", "e", ()), Alert(0.0, "r", "e", ())
    one.actions.append(1)
    assert other.actions == []


@pytest.mark.parametrize("flags", range(16))
def test_flags_have_names(flags: int) -> None:
    """Each bit has its name, in the order of the closed list."""
    assert flag_names(flags) == [name for bit, name in FLAG_NAMES if flags & bit]
    assert [name for _, name in FLAG_NAMES] == ["flood", "visibility_only", "late", "held_out"]
