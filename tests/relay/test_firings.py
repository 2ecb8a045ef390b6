"""Which firings are new, still fire, or ended, by the copies that passed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.relay.firings import KEPT_SECONDS, SENDERS, Entry, Firing, FiringTable, Observation
from stream.relay.forward import read_post

NOW = 1_772_359_200.0
RESOLVE = 300.0
ZERO = "0001-01-01T00:00:00Z"


def at(seconds: float) -> str:
    """RFC 3339, so many seconds after NOW."""
    minutes, rest = divmod(36_000 + seconds, 60)
    return f"2026-03-01T{int(minutes // 60):02d}:{int(minutes % 60):02d}:{rest:06.3f}Z"


def observe(
    table: FiringTable,
    now: float,
    starts: float | None = 0.0,
    ends: float | None = None,
    sender: str = "prometheus-0",
    **labels: str,
) -> Observation:
    """Post one alert, `now` seconds after NOW."""
    alert: dict[str, Any] = {"labels": {"alertname": "Down", **labels}, "generatorURL": f"http://{sender}/graph"}
    if starts is not None:
        alert["startsAt"] = at(starts)
    alert["endsAt"] = ZERO if ends is None else at(ends)
    post = read_post(json.dumps([alert]).encode(), NOW + now)
    assert post is not None
    return table.observe(post, "127.0.0.1", NOW + now)


def known(table: FiringTable, seen: Observation, alert_id: str = "A1") -> tuple[Firing, Entry]:
    """Give the one unknown entry its id."""
    (entry,) = seen.unknown
    firing, _ = table.attach(entry, alert_id, "payments", NOW)
    return firing, entry


@pytest.fixture
def table() -> FiringTable:
    """An empty table."""
    return FiringTable(RESOLVE, 100)


def test_a_new_alert_is_looked_up_once(table: FiringTable) -> None:
    """The first copy asks for an id; copies that come before and after it is known ask for nothing."""
    seen = observe(table, 1)
    assert observe(table, 2).unknown == []
    known(table, seen)
    assert observe(table, 60).unknown == []


def test_a_resolved_copy_ends_it_once(table: FiringTable) -> None:
    """Prometheus posts for 15 minutes that an alert was resolved: it ended once."""
    firing, _ = known(table, observe(table, 1))
    assert observe(table, 61, ends=60).ended == [firing]
    assert firing.ended_at == NOW + 60
    for minute in range(2, 16):
        seen = observe(table, 60 * minute + 1, ends=60)
        assert (seen.ended, seen.unknown) == ([], [])


def test_it_has_ended_when_the_copies_of_all_senders_have(table: FiringTable) -> None:
    """Of two Prometheis one resolves first: the firing goes on until the other does."""
    firing, _ = known(table, observe(table, 1, sender="prometheus-0"))
    observe(table, 2, sender="prometheus-1")
    assert observe(table, 30, ends=30, sender="prometheus-0").ended == []
    assert observe(table, 45, ends=45, sender="prometheus-1").ended == [firing]
    assert firing.ended_at == NOW + 45


def test_label_sets_with_one_id_are_one_firing(table: FiringTable) -> None:
    """Copies that differ in a replica's label have one id: it ended when both have."""
    firing, _ = known(table, observe(table, 1, replica="a"))
    again, _ = known(table, observe(table, 2, replica="b"))
    assert again is firing
    assert observe(table, 30, ends=30, replica="a").ended == []
    assert observe(table, 40, ends=40, replica="b").ended == [firing]


def test_ends_at_is_when_nobody_says_more(table: FiringTable) -> None:
    """A sender that went away: the firing ends at the `endsAt` of its last copy, and not before."""
    firing, _ = known(table, observe(table, 0, ends=240))
    observe(table, 60, ends=300)
    assert table.sweep(NOW + 299) == []
    assert table.sweep(NOW + 301) == [firing]
    assert firing.ended_at == NOW + 300


def test_without_ends_at_it_ends_after_the_resolve_time(table: FiringTable) -> None:
    """A sender that gives no `endsAt`, as any other client: not heard of for five minutes, it has ended."""
    firing, _ = known(table, observe(table, 0))
    observe(table, 100)
    assert table.sweep(NOW + 100 + RESOLVE - 1) == []
    assert table.sweep(NOW + 100 + RESOLVE + 1) == [firing]


def test_another_start_while_it_is_open_is_the_same_firing(table: FiringTable) -> None:
    """A restarted Prometheus gives what still fires a new start."""
    firing, entry = known(table, observe(table, 1))
    assert observe(table, 90, starts=80).unknown == []
    assert entry.firing is firing


def test_a_late_copy_does_not_begin_it_again(table: FiringTable) -> None:
    """The other half of a pair still posts the old firing after it ended: nothing is looked up, nothing is open."""
    firing, entry = known(table, observe(table, 1))
    observe(table, 61, ends=60)
    seen = observe(table, 62, sender="prometheus-1", ends=300)
    assert (seen.unknown, entry.firing, firing.ended_at) == ([], firing, NOW + 60)


def test_a_copy_takes_back_an_end_by_time(table: FiringTable) -> None:
    """A sender that was cut off for ten minutes posts the same start again: the firing goes on under its id."""
    firing, entry = known(table, observe(table, 1))
    assert table.sweep(NOW + 400) == [firing]
    seen = observe(table, 600)
    assert (seen.resumed, seen.unknown, firing.ended_at) == ([entry], [], None)
    table.attach(entry, "A1", "payments", NOW)
    assert observe(table, 660).resumed == []
    assert observe(table, 700, ends=700).ended == [firing]
    assert firing.resolved


def test_a_resolved_copy_that_comes_after_the_end_by_time_is_the_monitor_s_word(table: FiringTable) -> None:
    """The sender is back and posts that it was resolved meanwhile: a late copy changes nothing any more."""
    firing, _ = known(table, observe(table, 1))
    table.sweep(NOW + 400)
    assert not firing.resolved
    observe(table, 600, ends=500)
    seen = observe(table, 601, sender="prometheus-1")
    assert (seen.resumed, seen.unknown, firing.resolved) == ([], [], True)


def test_the_end_of_one_label_set_by_time_can_be_taken_back(table: FiringTable) -> None:
    """One replica resolved, the other one was not heard of: a late copy of the first is late, the other one goes on."""
    firing, _ = known(table, observe(table, 1, replica="a"))
    known(table, observe(table, 1, replica="b"))
    observe(table, 30, ends=30, replica="a")
    assert table.sweep(NOW + 400) == [firing]
    assert observe(table, 401, replica="a").resumed == []
    assert len(observe(table, 402, replica="b").resumed) == 1


def test_a_late_copy_is_known_by_what_another_relay_heard(table: FiringTable) -> None:
    """The memory that relays share says that it was resolved: the copy is late here, too, and ends nothing anew."""
    (entry,) = observe(table, 1).unknown
    firing, ended = table.attach(entry, "A1", "payments", NOW, late=True)
    assert (ended, firing.ended_at, firing.resolved) == (False, NOW, True)
    assert observe(table, 2).resumed == []
    assert observe(table, 60, starts=50).unknown == [entry]


@pytest.mark.parametrize("resolved", [False, True])
def test_another_label_set_takes_back_an_end_by_time_as_well(table: FiringTable, resolved: bool) -> None:
    """A replica that was not seen before posts a firing that time ended: it goes on; one that was resolved does not."""
    firing, _ = known(table, observe(table, 1, replica="a"))
    if resolved:
        observe(table, 30, ends=30, replica="a")
    table.sweep(NOW + 400)
    again, _ = known(table, observe(table, 401, replica="b"))
    assert again is firing
    assert (firing.ended_at is None) is not resolved
    assert len(observe(table, 420, ends=420, replica="b").ended) == (not resolved)


def test_a_firing_that_goes_on_under_another_id_leaves_the_first(table: FiringTable) -> None:
    """What was remembered is gone, and the id is found anew: no firing without copies is kept."""
    _, entry = known(table, observe(table, 1))
    table.sweep(NOW + 400)
    observe(table, 600)
    firing, _ = table.attach(entry, "A2", "payments", NOW)
    assert (table.get("A1"), table.get("A2")) == (None, firing)


def test_tenants_are_apart(table: FiringTable) -> None:
    """The same labels of two tenants are two entries, each with its tenant, for posts of our own."""
    post = read_post(b'[{"labels":{"alertname":"Down"}}]', NOW)
    assert post is not None
    entries = [table.observe(post, "127.0.0.1", NOW, tenant).unknown[0] for tenant in ("", "a", "b")]
    assert [entry.tenant for entry in entries] == ["", "a", "b"]
    assert len(table) == 3


def test_a_later_start_is_a_new_firing(table: FiringTable) -> None:
    """The same labels fire again after the end: that is looked up, and is another firing."""
    first, _ = known(table, observe(table, 1))
    observe(table, 61, ends=60)
    second, _ = known(table, observe(table, 121, starts=120), "A2")
    assert first is not second
    assert second.ended_at is None
    assert table.get("A1") is None


def test_what_ended_before_its_id_was_known_ends_as_it_is(table: FiringTable) -> None:
    """It fired and was resolved within a moment: whoever looks it up learns that it ended."""
    seen = observe(table, 1)
    observe(table, 2, ends=2)
    (entry,) = seen.unknown
    firing, ended = table.attach(entry, "A1", "payments", NOW)
    assert ended
    assert firing.ended_at == NOW + 2


def test_what_ended_is_forgotten_in_time(table: FiringTable) -> None:
    """After longer than a sender repeats that it was resolved, nothing of it is kept."""
    known(table, observe(table, 1))
    observe(table, 61, ends=60)
    table.sweep(NOW + 60 + KEPT_SECONDS - 1)
    assert len(table) == 1
    table.sweep(NOW + 60 + KEPT_SECONDS + 1)
    assert (len(table), table.get("A1")) == (0, None)


def test_the_table_is_bounded() -> None:
    """What is over the limit goes on and is not followed; room is made by what ended."""
    table = FiringTable(RESOLVE, 3)
    for number in range(3):
        known(table, observe(table, 1, host=str(number)), f"A{number}")
    assert observe(table, 1, host="3").refused == ["too_many"]
    observe(table, 2, ends=2, host="0")
    assert observe(table, 3, host="3").refused == []
    assert len(table) == 3


STEPS = st.lists(
    st.tuples(st.integers(1, 400), st.sampled_from("ab"), st.sampled_from(["x", "y"]), st.booleans()), max_size=40
)


@given(STEPS)
def test_a_firing_ends_only_when_nothing_of_it_fires(steps: list[tuple[int, str, str, bool]]) -> None:
    """For any order of copies: a firing that is open has a sender that said so in time, one that ended has none."""
    table, now, said = FiringTable(RESOLVE, 100), 0.0, dict[tuple[str, str], float]()
    for wait, sender, replica, fires in steps:
        now += wait
        table.sweep(NOW + now)
        # It starts just after the step, as what starts at the very moment of an end is taken for a late copy.
        seen = observe(table, now, starts=now + 0.5, ends=None if fires else now, sender=sender, replica=replica)
        said = {key: until for key, until in said.items() if until > now}
        said.pop((sender, replica), None)
        if fires:
            said[sender, replica] = now + RESOLVE
        for entry in seen.unknown:
            table.attach(entry, f"A{int(now)}-{replica}", "payments", NOW + now)
        open_ = {one.alert_id.rpartition("-")[2] for one in table if one.ended_at is None}
        assert open_ == {replica for _, replica in said}


COPIES = st.lists(st.tuples(st.integers(1, 400), st.sampled_from("ab"), st.booleans()), max_size=40)


@given(COPIES)
def test_only_an_end_by_time_is_taken_back(copies: list[tuple[int, str, bool]]) -> None:
    """For any order of copies with one start: what a resolved copy ended stays so, what time ended a copy resumes."""
    table, now, until, word = FiringTable(RESOLVE, 100), 0.0, dict[str, float](), "fires"
    firing, _ = known(table, observe(table, 0))
    until["prometheus-0"] = RESOLVE
    for wait, sender, fires in copies:
        now += wait
        if until and max(until.values()) <= now:
            word, until = "timed_out", {}
        table.sweep(NOW + now)
        if not len(table):
            return  # it ended long ago
        seen = observe(table, now, ends=None if fires else now, sender=sender)
        for entry in seen.resumed:
            table.attach(entry, "A1", "payments", NOW)
        if fires and word != "resolved":
            word, until[sender] = "fires", now + RESOLVE
        elif not fires:
            until.pop(sender, None)
            until = {one: end for one, end in until.items() if end > now}
            word = "fires" if until else "resolved"
        assert (firing.ended_at is None) == (word == "fires")
        assert len(seen.unknown) == 0
        if word != "fires":
            assert firing.resolved == (word == "resolved")


def test_senders_of_one_alert_are_bounded(table: FiringTable) -> None:
    """A Prometheus that starts anew under other names leaves none of them behind, however long its alert fires."""
    firing, entry = known(table, observe(table, 1))
    for number in range(10):
        observe(table, 2 + number * (RESOLVE + 1), sender=f"prometheus-{number}")
    assert list(entry.open_until) == ["prometheus-9"]
    for number in range(2 * SENDERS):
        observe(table, 10 * RESOLVE, ends=20 * RESOLVE, sender=f"pod-{number}")
    assert len(entry.open_until) == SENDERS
    assert firing.ended_at is None
