"""Within the grace, what becomes of an alert does not depend on which other teams share its partition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from stream.core.events import Tick
from stream.core.fold import EntryKey, Fold
from stream.core.ledger import Alert, Entry
from stream.core.problem import Problem
from tests.core.logs import (
    CLOSE,
    DAY,
    GRACE,
    LAW,
    PROBLEMS,
    Kept,
    Timed,
    acted,
    keep,
    logs,
    outcomes,
    raised,
    run,
    tell,
    tick,
)

problems = st.sampled_from(PROBLEMS[:2])
homes = st.sampled_from([[0, 1, 2], [0, 0, 1], [0, 1, 0], [1, 0, 0]])


def apart(problem: Problem, log: list[Timed], homes: list[int]) -> list[Fold]:
    """The log as up to three partitions would have it; ticks go to all of them."""
    end = max(at for _, at in log) + 10 * DAY
    folds = []
    for partition in range(3):
        part = [t for t in log if isinstance(t[0], Tick) or homes[int(t[0].team.removeprefix("team-"))] == partition]
        fold = run(problem, part)
        fold.advance(end)
        folds.append(fold)
    return folds


def together(problem: Problem, log: list[Timed]) -> Fold:
    """The log as one partition has it."""
    return apart(problem, log, [0, 0, 0])[0]


def merged(folds: list[Fold]) -> Kept:
    """All partitions' states in one."""
    kept = [keep(fold) for fold in folds]
    levels = {key: level for one in kept for key, level in one.levels.items()}
    ledger = {key: entry for one in kept for key, entry in one.ledger.items()}
    return Kept(levels, ledger, [], kept[0].time, sum(one.held for one in kept))


@pytest.mark.slow
@LAW
@given(problems, logs(), homes)
def test_partitions_change_nothing_in_an_ordered_log(problem: Problem, log: list[Timed], homes: list[int]) -> None:
    """A log in order of time, split by team: level states and ledger are the same, byte for byte."""
    assert merged(apart(problem, log, homes)) == merged([together(problem, log)])


@pytest.mark.slow
@LAW
@given(problems, logs(late=(0.0, 150.0, GRACE), in_order=True, gaps=CLOSE), homes)
def test_partitions_change_no_outcome_within_the_grace(problem: Problem, log: list[Timed], homes: list[int]) -> None:
    """No event later than the grace: alerts have the same outcomes at the same times by the same actions.

    What a late alert had read is another matter: by then more expiries are known where more teams share its partition.
    """
    folds, one = apart(problem, log, homes), together(problem, log)
    assert entries(folds) == entries([one])
    mine = sorted(outcome for fold in folds for outcome in outcomes(tell(fold)))
    assert mine == sorted(outcomes(tell(one)))


def entries(folds: list[Fold]) -> dict[EntryKey, Entry]:
    """All partitions' ledger entries, without what they had read."""
    both = {key: entry for fold in folds for key, entry in fold.ledger.items()}
    return {key: replace(entry, last_outcome=-1) if isinstance(entry, Alert) else entry for key, entry in both.items()}


def at_home(log: list[Timed]) -> list[tuple[object, ...]]:
    """The outcomes of the team `pay` where it has a partition to itself."""
    return outcomes(tell(run(PROBLEMS[0], [t for t in log if isinstance(t[0], Tick) or t[0].team == "pay"])))


def check(log: list[Timed], *expected: tuple[str, int, float, str]) -> None:
    """The team `pay` has these outcomes, alone and with others."""
    mine = [outcome for outcome in outcomes(tell(run(PROBLEMS[0], log))) if outcome[0] == "pay"]
    assert mine == at_home(log)
    assert [(alert, outcome, when - raised(0)[1], by) for _, alert, outcome, when, by in mine] == list(expected)


def test_an_action_before_its_alert_waits_for_one_that_comes_late() -> None:
    """An action held for an alert of three minutes later counts, though another team moved time on six minutes."""
    log = [acted(0), raised(360, "b", "other"), raised(180), tick(9_000)]
    check(log, ("a", 1, 0.0, "worked"))


def test_an_action_long_before_its_alert_is_not_remembered() -> None:
    """Another team may have had it given up already: so the same id again, in time, decides in either case."""
    log = [acted(0), raised(660, "b", "other"), raised(420), acted(430), tick(9_000)]
    check(log, ("a", 1, 430.0, "worked"))


def test_a_closure_beyond_the_horizon_closes_nothing() -> None:
    """A rule's closure between horizon and expiry comes too late, whether or not another team brought the expiry."""
    late = acted(3_700, kind="closed_by_rule")
    for log in ([raised(0), late, tick(9_000)], [raised(0), raised(3_950, "b", "other"), late, tick(9_000)]):
        check(log, ("a", 0, 3_900.0, "expiry"))


def test_the_ledger_ends_at_the_event_s_time() -> None:
    """A reopening on the ledger's last second counts, though another team moved time beyond it."""
    closed = [raised(0), acted(60, kind="closed_by_rule")]
    log = [*closed, raised(2 * DAY + 200, "b", "other"), acted(2 * DAY, kind="reopened"), tick(9 * DAY)]
    check(log, ("a", 2, 60.0, "closed_by_rule"), ("a", 1, 2 * DAY, "correction"))
    log[3] = acted(2 * DAY + 1, kind="reopened")
    check(log, ("a", 2, 60.0, "closed_by_rule"))
