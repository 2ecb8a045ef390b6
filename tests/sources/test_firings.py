"""Which alert a firing is, as a pure step, and as bodies come in."""

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from stream.core import limits
from stream.core.events import seconds
from stream.sources.firing_store import FiringsAway, MemoryFiringStore, Swap
from stream.sources.firings import (
    ENDED_SECONDS,
    FiringRecord,
    decode_records,
    encode_records,
    find_act,
    find_end,
    find_raise,
    mark_published,
    prune,
)
from stream.sources.options import load_sources
from tests.sources.sender import NOON, Sender, acted, alert, at, duplicates, group, raised

T10, T1004, T1009 = "2026-11-24T10:00:00Z", "2026-11-24T10:04:00Z", "2026-11-24T10:09:30Z"


def fire(sender: Sender, starts: str, **changes: Any) -> list[str]:
    """The ids that a firing copy raises."""
    return [event.alert_id for event in raised(sender.post("alertmanager", group(alert(starts=starts, **changes))))]


def end(sender: Sender, starts: str, ends: str, **changes: Any) -> list[tuple[str, float]]:
    """The ids that a resolved copy ends, and when."""
    found = sender.post("alertmanager", group(alert("resolved", starts, endsAt=ends, **changes)))
    return [(act.alert_id, seconds(act.at)) for act in acted(found)]


def test_a_firing_that_is_sent_again_is_known() -> None:
    """A retry, a repeat hours later, another zone, another replica, another start: one alert."""
    sender = Sender()
    assert len(fire(sender, T10)) == 1
    for starts in (T10, "2026-11-24T11:00:00+01:00", T1009, "2026-11-24T09:59:00Z"):
        assert fire(sender, starts, labels={"replica": "b", "noisegate": "paused"}) == []
    assert len(fire(sender, T10, labels={"instance": "db-8"})) == 1


def test_what_fires_again_after_its_end_is_another_alert() -> None:
    """The same labels, a start after the end: an id of its own; a late copy of the first start is not."""
    sender = Sender()
    (first,) = fire(sender, T10)
    assert end(sender, T10, T1004) == [(first, at(T1004))]
    assert fire(sender, T10) == []
    (second,) = fire(sender, T1009)
    assert second != first
    assert fire(sender, T10) == []
    assert end(sender, T10, T1004) == []
    assert end(sender, T1009, "2026-11-24T10:20:00Z") == [(second, at("2026-11-24T10:20:00Z"))]


def test_a_late_copy_neither_reopens_nor_raises_for_fifteen_minutes() -> None:
    """Counted from when the end was heard; the copy is flagged as known, so that its sender gets an answer."""
    sender = Sender()
    fire(sender, T10)
    end(sender, T10, T1004)
    body = group(alert(starts="2026-11-24T10:01:00Z"))
    late = sender.post("alertmanager", body, now=NOON + ENDED_SECONDS)
    assert (raised(late), duplicates(late)) == ([], 1)
    assert len(raised(sender.post("alertmanager", body, now=NOON + ENDED_SECONDS + 1))) == 1


def test_an_end_that_was_never_seen_to_fire_raises_and_ends() -> None:
    """Fired and resolved within group_wait: one body says both, and the same again says nothing new."""
    sender = Sender()
    found = sender.post("alertmanager", group(alert("resolved", T10, endsAt=T1004)))
    assert [event.alert_id for event in raised(found)] == [act.alert_id for act in acted(found)]
    again = sender.post("alertmanager", group(alert("resolved", T10, endsAt=T1004)))
    assert (raised(again), acted(again), duplicates(again)) == ([], [], 1)


def test_a_late_end_of_an_earlier_firing_does_not_end_the_open_one() -> None:
    """The first end was lost and comes after the second start: it is of the first firing."""
    sender = Sender()
    (open_id,) = fire(sender, T1009)
    ((ended, _),) = end(sender, T10, T1004)
    assert ended != open_id
    assert end(sender, T1009, "2026-11-24T10:20:00Z")[0][0] == open_id


def test_a_restarted_monitor_keeps_the_alert() -> None:
    """What still fires gets a new start; its end carries that start, and ends the alert that was raised first."""
    sender = Sender()
    (first,) = fire(sender, T10)
    assert fire(sender, T1009) == []
    assert end(sender, T1009, "2026-11-24T10:20:00Z") == [(first, at("2026-11-24T10:20:00Z"))]


def test_the_order_within_a_post_does_not_matter() -> None:
    """A severity that flaps is two alerts; whichever comes first in the post, one is raised and one is ended."""
    up = alert(starts=T1004, labels={"severity": "critical"})
    down = alert("resolved", T10, endsAt=T1004)
    results = []
    for alerts in itertools.permutations([up, down]):
        sender = Sender()
        fire(sender, T10)
        found = sender.post("alertmanager", group(*alerts))
        results.append(([event.alert_id for event in raised(found)], [act.alert_id for act in acted(found)]))
    assert results[0] == results[1]
    assert [len(ids) for ids in results[0]] == [1, 1]


def test_one_firing_twice_in_one_post_is_raised_once() -> None:
    """Both halves of a cluster behind one queue."""
    found = Sender().post("alertmanager", group(alert(), alert(labels={"replica": "b"}, starts=T1004)))
    assert (len(raised(found)), duplicates(found)) == (1, 1)


def test_what_was_not_acknowledged_is_published_again() -> None:
    """The broker was away: the sender tries again, and gets the same event, byte for byte."""
    sender = Sender()
    body = group(alert(starts=T10), alert("resolved", T10, labels={"instance": "db-8"}, endsAt=T1004))
    first = sender.post("alertmanager", body, acknowledged=False)
    second = sender.post("alertmanager", body, now=NOON + 60)
    assert [one.value for one in first.decisions] == [one.value for one in second.decisions]
    assert duplicates(second) == 0
    assert duplicates(sender.post("alertmanager", body, now=NOON + 120)) == 2


def test_the_owner_of_the_first_event_stays() -> None:
    """A resolve that carries another team, or none, finds its alert."""
    sender = Sender(load_sources(None))
    sources = msgspec.structs.replace(sender.sources.of("alertmanager"), identity_ignore=("team",))
    sender.sources = msgspec.structs.replace(sender.sources, options={"alertmanager": sources})
    fire(sender, T10)
    for team in ("search", None):
        found = sender.post("alertmanager", group(alert("resolved", T10, labels={"team": team}, endsAt=T1004)))
        assert {one.event.team for one in found.decisions} <= {"payments"}
    assert "first event" in found.decisions[-1].team_why


class AwayStore:
    """A memory that can't be reached."""

    def read(self, keys: object) -> list[bytes]:
        """Raises."""
        raise FiringsAway("Redis can't be reached")

    def swap(self, swaps: object) -> list[bool]:
        """Raises."""
        raise FiringsAway("Redis can't be reached")


def test_without_memory_the_id_is_of_fingerprint_and_start() -> None:
    """All is published and counted; with the first start it is the id that memory would give."""
    found = Sender(store=AwayStore()).post("alertmanager", group(alert(starts=T10)), acknowledged=False)
    assert found.fallbacks == 1
    assert "can't be reached" in found.away
    assert [event.alert_id for event in raised(found)] == fire(Sender(), T10)
    ended = Sender(store=AwayStore()).post(
        "alertmanager", group(alert("resolved", T10, endsAt=T1004)), acknowledged=False
    )
    assert [act.alert_id for act in acted(ended)] == fire(Sender(), T10)


class RacingStore(MemoryFiringStore):
    """A memory in which another intake is faster, some times."""

    def __init__(self, other: Sender, starts: list[str]) -> None:
        super().__init__()
        self._other, self._starts = other, starts

    def swap(self, swaps: Any) -> list[bool]:
        """After another intake has raised the same."""
        if self._starts:
            fire(self._other, self._starts.pop())
        return super().swap(swaps)


def test_two_intakes_agree_on_one_id() -> None:
    """Both read an empty memory, with two starts; whoever writes first decides, and the other takes that id."""
    other = Sender()
    store = RacingStore(other, [T1004])
    other._store = store
    found = Sender(store=store).post("alertmanager", group(alert(starts=T10)))
    assert len(store.values) == 1
    (record,) = decode_records(next(iter(store.values.values())))
    assert record.first_start == at(T1004)
    assert raised(found) == []


def test_a_memory_that_never_stands_still_counts_as_away() -> None:
    """After ten tries the ids fall back, and nothing hangs."""

    class Restless(MemoryFiringStore):
        def swap(self, swaps: Any) -> list[bool]:
            return [False] * len(swaps)

    found = Sender(store=Restless()).post("alertmanager", group(alert()), acknowledged=False)
    assert (found.fallbacks, len(raised(found))) == (1, 1)


def test_what_is_stored_is_read_again_and_nonsense_is_nothing() -> None:
    """A value of another kind under our key does not stop an intake."""
    records = (FiringRecord("a", "t", 1.0), FiringRecord("b", "t", 2.0, 3.0, 4.0, True, True))
    assert decode_records(encode_records(records)) == records
    for value in (b"", b"\xc1", b"{}", b"\x92\x01\x02"):
        assert decode_records(value) == ()


STARTS = st.floats(0, 1_000)


@given(st.lists(st.tuples(st.booleans(), STARTS, STARTS), max_size=20))
def test_there_is_never_more_than_one_open_firing(steps: list[tuple[bool, float, float]]) -> None:
    """Whatever comes in whatever order, the records of a fingerprint hold at most one open firing, few in all."""
    records: tuple[FiringRecord, ...] = ()
    for number, (fires, start, other) in enumerate(steps):
        new = FiringRecord(f"{start}", "t", start)
        if fires:
            records, record, _ = find_raise(records, start, new)
            assert record in records
        else:
            records, ended = find_end(records, start, max(start, other), float(number), new)
            assert ended is not None
            assert ended.ended_at is not None
        assert sum(record.ended_at is None for record in records) <= 1
        assert len(records) <= limits.FIRINGS_REMEMBERED
        assert decode_records(encode_records(records)) == records


HEARD = st.lists(st.tuples(st.sampled_from(["fires", "resolved", "timed_out"]), st.booleans()), max_size=12)


@given(HEARD)
def test_only_the_monitor_itself_takes_back_an_end_that_it_did_not_say(heard: list[tuple[str, bool]]) -> None:
    """For any order of copies with one start: one id, and a copy resumes it if it is first-hand and the end was not."""
    records, _, _ = find_raise((), 0.0, FiringRecord("A", "t", 0.0))
    is_open, resolved, resumptions = True, False, 0
    for number, (what, first_hand) in enumerate(heard, 1):
        if what == "fires":
            records, record, late = find_raise(records, 0.0, FiringRecord("B", "t", 0.0), first_hand)
            if not is_open and first_hand and not resolved:
                is_open, resumptions = True, resumptions + 1
            assert late is not is_open
        else:
            word = what == "resolved" and first_hand
            records, found = find_end(records, 0.0, float(number), float(number), None, word)
            assert found is not None
            record, resolved = found, word or (resolved and not is_open)
            is_open = False
        assert (record.alert_id, record.ended_at is None, record.resumptions) == ("A", is_open, resumptions)
        assert is_open or record.resolved == resolved
        assert records == (record,)
    (overtaken,) = mark_published(records, "A", True, resumptions - 1)  # an end that was taken back before Kafka had it
    assert not overtaken.end_published
    (marked,) = mark_published(records, "A", False, resumptions)
    assert (records[0].resumption, marked.resumption) == (resumptions, 0)


def test_a_firing_that_is_remembered_by_an_older_release_is_read() -> None:
    """A record without the fields of resumptions has none, and its end can be taken back."""
    stored = msgspec.msgpack.encode([["A", "t", 1.0, 5.0, 5.0, True, True]])
    assert decode_records(stored) == (FiringRecord("A", "t", 1.0, 5.0, 5.0, True, True),)


def test_an_earlier_firing_is_not_resumed_beside_an_open_one() -> None:
    """There is never more than one open firing: a copy of the earlier one is late."""
    records = (FiringRecord("A", "t", 1.0, 5.0, 5.0), FiringRecord("B", "t", 10.0))
    assert find_raise(records, 1.0, FiringRecord("C", "t", 1.0), first_hand=True) == (records, records[0], True)


def test_acts_find_the_open_firing_else_the_last_that_ended() -> None:
    """An acknowledgement that comes after the end is of what ended, not of nothing."""
    ended, opened = FiringRecord("a", "t", 1.0, 5.0, 5.0), FiringRecord("b", "t", 10.0)
    assert find_act((ended, opened), 11.0) is opened
    assert find_act((ended, opened), 4.0) is ended
    assert find_act((ended,), 99.0) is ended
    assert find_act((), 1.0) is None
    assert prune((ended, opened), 5.0 + ENDED_SECONDS + 1) == (opened,)
    assert mark_published((opened,), "b", False)[0].raise_published


class Alerts(RuleBasedStateMachine):
    """Two monitors, restarts and late copies: what is published about one fingerprint."""

    def __init__(self) -> None:
        super().__init__()
        self.sender, self.clock = Sender(), at("2026-11-24T10:00:00Z")
        self.published: list[tuple[str, str]] = []

    def post(self, **changes: Any) -> None:
        """Send one copy, and note what is published."""
        found = self.sender.post("alertmanager", group({**alert(), **changes}), now=self.clock)
        for one in found.decisions:
            if not one.duplicate:
                self.published.append((one.event.__class__.__name__, one.event.alert_id))

    @rule(passed=st.integers(1, 400), back=st.integers(0, 900))
    def fires(self, passed: int, back: int) -> None:
        """A copy that fires, of a start a while ago."""
        self.clock += passed
        self.post(startsAt=_text(self.clock - back))

    @rule(passed=st.integers(1, 400), back=st.integers(0, 900), late=st.integers(0, 300))
    def ends(self, passed: int, back: int, late: int) -> None:
        """A copy that is resolved, a while ago."""
        self.clock += passed
        end = self.clock - min(late, back)
        self.post(status="resolved", startsAt=_text(self.clock - back), endsAt=_text(end))

    @invariant()
    def each_is_raised_once_and_ended_once_after_it(self) -> None:
        """No event is published twice, and no end without its raise before it."""
        assert len(set(self.published)) == len(self.published)
        for place, (name, alert_id) in enumerate(self.published):
            if name == "Acted":
                assert ("Raised", alert_id) in self.published[:place]


def _text(seconds_: float) -> str:
    from stream.core.events import moment

    return moment(seconds_).isoformat()


TestAlerts = Alerts.TestCase
TestAlerts.settings = settings(stateful_step_count=25, deadline=None)


def test_swaps_are_compared() -> None:
    """The fake keeps the port's promise, which the contract holds it to as well."""
    store = MemoryFiringStore()
    assert store.swap([Swap("k", b"", b"1", 1.0), Swap("k", b"", b"2", 1.0)]) == [True, False]


@pytest.mark.parametrize("team", ["payments", "t" * 256])
def test_ids_do_not_depend_on_the_team(team: str) -> None:
    """An alert_id is of source, fingerprint and start; the team label counts only as a label does."""
    ids = fire(Sender(), T10, labels={"team": team})
    assert len(ids[0]) == 20
