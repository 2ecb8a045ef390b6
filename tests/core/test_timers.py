"""The alarm clock, held against a sorted list."""

import math

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from stream.core import timers as timers_module
from stream.core.timers import QueuedTimer, TimerQueue
from tests.core.logs import LAW

entries = st.tuples(st.sampled_from([0.0, 1.0, 2.0, 2.5, 3.0, 9.0]), st.sampled_from("ab"), st.sampled_from("xyz"))
times = st.sampled_from([-1.0, 0.0, 1.0, 2.0, 2.25, 3.0, 10.0, math.inf])


class WindowAgainstList(RuleBasedStateMachine):
    """Whatever is asked, in any order: a window answers as the whole list beside it, up to its end."""

    @initialize(entries=st.lists(entries, unique=True), until=times)
    def begin(self, entries: list[QueuedTimer], until: float) -> None:
        """A window on what is kept elsewhere."""
        self.all = set(entries)
        self.timers = TimerQueue((due for due in entries if due[0] < until), until)

    @rule(due=entries)
    def add(self, due: QueuedTimer) -> None:
        """Each alert is due once."""
        if due not in self.all:
            self.all.add(due)
            self.timers.add(due)

    @rule(due=entries)
    def remove(self, due: QueuedTimer) -> None:
        """Also what is not kept, or was taken already."""
        self.all.discard(due)
        self.timers.remove(due)

    @rule(at=times)
    def pop(self, at: float) -> None:
        """The first one due strictly before a time."""
        first = min(self.shown(), default=None)
        expected = first if first and first[0] < at else None
        assert self.timers.pop_before(at) == expected
        self.all.discard(expected or (0.0, "", ""))

    @rule(at=times)
    def look(self, at: float) -> None:
        """All that is due before a time, left where it is."""
        assert self.timers.before(at) == sorted(due for due in self.shown() if due[0] < at)

    @rule(until=times)
    def widen(self, until: float) -> None:
        """A wider window takes in what lies elsewhere."""
        if until > self.timers.until:
            self.timers.extend((due for due in self.all if self.timers.until <= due[0] < until), until)

    @invariant()
    def shows_what_is_there(self) -> None:
        """Order, length and first are those of the list."""
        shown = sorted(self.shown())
        assert list(self.timers) == shown
        assert len(self.timers) == len(shown)
        assert self.timers.first() == (shown[0][0] if shown else math.inf)

    def shown(self) -> list[QueuedTimer]:
        """What the window should hold."""
        return [due for due in self.all if due[0] < self.timers.until]


TestWindowAgainstList = WindowAgainstList.TestCase
TestWindowAgainstList.settings = LAW


def test_what_was_taken_leaves_the_memory() -> None:
    """Ten thousand timers come and go, and the list does not grow with those gone."""
    timers = TimerQueue()
    for number in range(3 * timers_module._COMPACT):
        timers.add((float(number), "t", "a"))
        if number % 2:
            assert timers.pop_before(math.inf) == (float(number // 2), "t", "a")
    while timers.pop_before(math.inf):
        pass
    assert len(timers) == 0
    assert len(timers._entries) < timers_module._COMPACT
    timers.add((1.0, "t", "earlier than all before"))
    assert timers.first() == 1.0


def test_a_window_can_be_narrowed_and_loses_nothing_it_keeps() -> None:
    """Only beyond twice the count; what ties is never parted; the window's end says where to read on."""
    timers = TimerQueue([(float(at // 3), "team", f"A{at:03}") for at in range(100)])
    before = list(timers)
    timers.narrow(50)
    assert list(timers) == before
    timers.narrow(20)
    assert timers.until == 6.0
    assert list(timers) == [due for due in before if due[0] < 6.0]
    timers.add((6.0, "team", "late"))
    assert len(timers) == 18


def test_dues_that_all_tie_stay_together() -> None:
    """A window can't end within one moment."""
    timers = TimerQueue([(1.0, "team", f"A{number}") for number in range(30)])
    timers.narrow(3)
    assert (len(timers), timers.until) == (30, float("inf"))
