"""The fold depends on the log alone: not on batch borders, crashes or where its states lie in between."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.fold import Fold
from stream.core.ledger import OPEN, Alert, Held
from stream.core.problem import Problem
from tests.core.logs import DAY, GRACE, LAW, PROBLEMS, Timed, feed, keep, logs, resume, run, tell

ANY_LOG = logs(late=(0.0, 1.0, 300.0, 301.0, 3_900.0, DAY, 12 * DAY))
problems = st.sampled_from(PROBLEMS)
borders = st.sets(st.integers(1, 40))


@pytest.mark.slow
@LAW
@given(problems, ANY_LOG, borders)
def test_batch_borders_change_nothing(problem: Problem, log: list[Timed], cuts: set[int]) -> None:
    """Any split of a log into batches, states packed and unpacked in between, gives the same bytes and news."""
    whole = run(problem, log)
    kept, told = keep(Fold(problem)), []
    edges = [0, *sorted(cut for cut in cuts if cut < len(log)), len(log)]
    for start, end in pairwise(edges):
        fold = resume(problem, kept)
        feed(fold, log[start:end], start)
        told += tell(fold)
        kept = keep(fold)
    assert kept == keep(whole)
    assert told == tell(whole)


@pytest.mark.slow
@LAW
@given(problems, ANY_LOG, borders)
def test_a_fold_goes_on_after_its_rows_are_taken(problem: Problem, log: list[Timed], cuts: set[int]) -> None:
    """A fold asked for rows and news now and then tells the same as one asked once, each alert its own row."""
    whole, fold, told = run(problem, log), Fold(problem), []
    for place in range(len(log)):
        feed(fold, log[place : place + 1], place)
        if place in cuts:
            told += tell(fold)
    assert told + tell(fold) == tell(whole)
    assert keep(fold) == keep(whole)


@pytest.mark.slow
@LAW
@given(problems, ANY_LOG, st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9), st.booleans()), max_size=12))
def test_any_crash_and_replay_gives_the_same(
    problem: Problem, log: list[Timed], batches: list[tuple[int, int, bool]]
) -> None:
    """Folding on from what was written last, however far a crashed worker had got beyond it, gives the same states."""
    written, offset, told = keep(Fold(problem)), 0, []
    for size, beyond, crashes in batches:
        fold = resume(problem, written)
        feed(fold, log[offset : offset + size], offset)
        if crashes:
            feed(fold, log[offset + size : offset + size + beyond], offset + size)
            continue
        told += tell(fold)
        written, offset = keep(fold), min(offset + size, len(log))
    fold = resume(problem, written)
    feed(fold, log[offset:], offset)
    whole = run(problem, log)
    assert told + tell(fold) == tell(whole)
    assert keep(fold) == keep(whole)


@pytest.mark.slow
@LAW
@given(problems, ANY_LOG)
def test_the_ledger_says_what_is_due(problem: Problem, log: list[Timed]) -> None:
    """After every event, due is what the ledger holds open or held, each once; nothing due lies in the past."""
    fold = Fold(problem)
    for place, timed in enumerate(log):
        feed(fold, [timed], place)
        expected = []
        held = 0
        for key, entry in fold.ledger.items():
            if isinstance(entry, Held):
                expected.append((entry.due, *key))
                held += len(entry.actions)
            elif isinstance(entry, Alert) and entry.outcome == OPEN:
                expected.append((entry.due, *key))
        assert list(fold.timers) == sorted(expected)
        assert fold.timers.first() >= fold.time
        assert fold.held == held
        assert fold.time == max(at for _, at in log[: place + 1])


@pytest.mark.slow
@LAW
@given(problems, ANY_LOG)
def test_open_alerts_are_counted(problem: Problem, log: list[Timed]) -> None:
    """In the end no level has an open alert left, and every alert has had one first outcome."""
    fold = run(problem, log)
    fold.advance(fold.time + 400 * DAY)
    assert not fold.timers
    assert fold.held == 0
    assert {level[14] for level in fold.levels.values()} <= {0.0}
    told = tell(fold)
    first = [effect for effect in told if effect[0] == "decided" and effect[5] != "correction"]
    assert len(first) == sum(1 for effect in told if effect[0] == "arrived")


@pytest.mark.slow
@LAW
@given(ANY_LOG)
def test_a_repeated_log_counts_once(log: list[Timed]) -> None:
    """Each event twice in a row, as a retry sends it, leaves every level as if it had come once."""
    problem = PROBLEMS[0]
    twice = [timed for timed in log for _ in range(2)]
    assert keep(run(problem, twice)).levels == keep(run(problem, log)).levels


@pytest.mark.slow
@LAW
@given(logs(late=(0.0, GRACE), in_order=True))
def test_nothing_is_late_within_the_grace(log: list[Timed]) -> None:
    """While lateness keeps to the grace, no alert is flagged late and no decisive action misses its horizon."""
    told = tell(run(PROBLEMS[0], log))
    assert not any(effect[2] & 4 for effect in told if effect[0] == "arrived")
    assert ("counted", "late") not in told


def test_a_fold_begins_before_all_time() -> None:
    """A fold that saw nothing knows no time, holds nothing and gives no rows."""
    fold = Fold(PROBLEMS[0])
    assert (fold.time, fold.held, fold.take_rows().shape) == (-math.inf, 0, (0, 1 + 19 * 6))
