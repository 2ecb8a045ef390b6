"""A batch's work is bounded in timers as it is in records: a long stop makes hundreds of thousands fire at once."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.config import make_settings
from stream.core.events import Event, Raised, Tick
from stream.kafka.records import Part
from stream.scorer.history import Found, Wanted, Write
from tests.scorer.logs import PROBLEM, at, random_log
from tests.scorer.memory_history import MemoryHistory
from tests.scorer.rig import Rig, alerts_of, folded, packed_entries, packed_levels, waiting_in, waiting_of
from tests.scorer.test_room import ONLY, log_of

MOST = 7


class MeasuredHistory(MemoryHistory):
    """A history that notes how many entries its largest read and write held."""

    def __init__(self) -> None:
        super().__init__()
        self.most_read = self.most_written = 0

    def read(self, wanted: Mapping[Part, Wanted]) -> dict[Part, Found]:
        """See `History`."""
        self.most_read = max(self.most_read, *(len(want.entries) for want in wanted.values()))
        return super().read(wanted)

    def write(self, writes: Mapping[Part, Write]) -> dict[Part, bool]:
        """See `History`."""
        self.most_written = max(self.most_written, *(len(w.entries) + len(w.removed_entries) for w in writes.values()))
        return super().write(writes)


def bounded_rig(events: Sequence[Event], most: int = MOST) -> Rig:
    """A rig whose batches make at most `most` timers fire."""
    return Rig(log_of(list(events)), PROBLEM, MeasuredHistory(), make_settings(tick_seconds=0, batch_max_records=most))


def storm(count: int, apart: float) -> list[Event]:
    """Alerts that nobody acts on, and one more event long after."""
    events: list[Event] = [Raised(at(n * apart), f"A{n}", f"team-{n % 3}", "r", f"e{n % 5}") for n in range(count)]
    return [*events, Raised(at(30 * 86_400), "late", "team-0", "r", "e")]


def assert_same_as_unbounded(events: Sequence[Event], sizes: Sequence[int], most: int = MOST) -> Rig:
    """Bounded and unbounded runs leave the same states, and publish the same in the same order."""
    bounded, free = bounded_rig(events, most), Rig(log_of(list(events)), PROBLEM, MemoryHistory())
    bounded.run(sizes)
    free.run(sizes)
    pure = folded(free.log, PROBLEM)[ONLY]
    assert isinstance(bounded.history, MeasuredHistory)
    kept = {key: packed for (_, _, key), packed in bounded.history.entries.items()}
    assert {key: packed for (_, _, key), packed in bounded.history.levels.items()} == packed_levels(pure)
    assert alerts_of(kept) == packed_entries(pure)
    assert waiting_in(kept) == waiting_of(pure)
    for rig in (bounded, free):
        assert rig.committed == {ONLY: len(rig.log.records[ONLY])}
    assert [(o.alert_id, o.decided_at) for o in bounded.publisher.outcomes()] == [
        (o.alert_id, o.decided_at) for o in free.publisher.outcomes()
    ]
    assert [e.offset for e in bounded.publisher.enriched()] == [e.offset for e in free.publisher.enriched()]
    assert len(bounded.publisher.failed()) == len(free.publisher.failed())
    return bounded


@pytest.mark.parametrize("apart", [1.0, 0.0])
def test_one_event_after_a_long_stop_fires_timers_in_bounded_steps(apart: float) -> None:
    """Also where all of them are due at the same moment."""
    rig = assert_same_as_unbounded(storm(60, apart), (1_000,), MOST)
    assert isinstance(rig.history, MeasuredHistory)
    assert rig.history.most_written <= 60 + 1  # the raises came in one fetch
    rig = bounded_rig(storm(60, apart))
    rig.run((5,))
    assert isinstance(rig.history, MeasuredHistory)
    assert rig.history.most_written <= 2 * MOST  # timers, and the verdicts that wait for maturity
    assert rig.history.most_read <= 2 * MOST


@pytest.mark.slow
@given(seed=st.integers(0, 10_000), most=st.integers(1, 12), sizes=st.lists(st.integers(1, 40), min_size=1, max_size=3))
@settings(deadline=None)
def test_the_fold_does_not_depend_on_how_its_timers_are_cut(seed: int, most: int, sizes: list[int]) -> None:
    """Any log, any bound, any fetches: states, outcomes and their order are those of the unbounded run."""
    events: list[Event] = [*random_log(seed, alerts=25), Tick(at(30 * 86_400))]
    assert_same_as_unbounded(events, sizes, most)


def test_a_crash_between_two_steps_of_timers_loses_and_repeats_no_outcome_in_the_history() -> None:
    """The next worker goes on with the timers that are left, and with the record that fires them."""
    events = storm(40, 1.0)
    rig = bounded_rig(events)
    rig.assign()
    result = rig.engine.step({ONLY: rig.log.records[ONLY][:40]})
    while result.more:
        result = rig.engine.step({})
    rig.engine.step({ONLY: rig.log.records[ONLY][40:]})  # the first timers
    assert rig.engine.step({}).more  # the next ones; the first are written by now
    rig.start()
    rig.run()
    assert {o.alert_id for o in rig.publisher.outcomes()} == {f"A{n}" for n in range(40)}
    assert isinstance(rig.history, MeasuredHistory)
    levels = {key: packed for (_, _, key), packed in rig.history.levels.items()}
    assert levels == packed_levels(folded(rig.log, PROBLEM)[ONLY])
