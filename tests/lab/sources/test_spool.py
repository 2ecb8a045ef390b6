"""The order of a pulled log: the lab's one fold of it is the live folds of all partitions."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.events import Tick, encode_event
from stream.core.fold import Fold
from stream.core.problem import Problem
from stream.eventlog import Line
from stream.lab.sources.spool import Spool
from tests.core.logs import CLOSE, DAY, GRACE, LAW, PROBLEMS, START, Timed, Told, acted, keep, logs, raised, tell, tick

HOMES = st.sampled_from([[0, 1, 2], [0, 0, 1], [0, 1, 0], [1, 0, 0]])
TICKS = st.lists(st.booleans(), min_size=60, max_size=60)


def fold_of(problem: Problem, lines: list[Line], end: float) -> Fold:
    """A fold of some lines, brought to a time."""
    fold = Fold(problem)
    for line in lines:
        fold.step(line.event, line.at, line.value)
    fold.advance(end)
    return fold


def apart(log: list[Timed], homes: list[int], ticked: list[bool]) -> list[list[Line]]:
    """The log as three partitions hold it; a tick goes to one of them only, or to all, as `ticked` says."""
    parts: list[list[Line]] = [[], [], []]
    for number, (event, at) in enumerate(log):
        value = encode_event(event)
        if not isinstance(event, Tick):
            parts[homes[int(event.team.removeprefix("team-"))]].append(Line(event, at, value))
            continue
        for partition, part in enumerate(parts):
            if ticked[number] or number % 3 == partition:
                part.append(Line(event, at, value))
    return parts


def pulled(parts: list[list[Line]], grace: float = GRACE, backwards: bool = False) -> tuple[list[Line], Spool]:
    """What a spool makes of partitions, read one after the other."""
    with Spool(grace) as spool:
        for partition, part in sorted(enumerate(parts), reverse=backwards):
            for line in part:
                spool.add(partition, line.event, line.at, line.value)
        return list(spool.lines()), spool


def by_team(folds: list[Fold]) -> tuple[dict[str, list[Told]], Counter[str]]:
    """What came of each team's events in order, rows of history included, and of those that decided nothing."""
    teams: dict[str, list[Told]] = {}
    effects: Counter[str] = Counter()
    for told in (one for fold in folds for one in tell(fold)):
        if told[0] in ("arrived", "repeated", "decided"):
            teams.setdefault(told[1] if told[0] == "decided" else told[1].team, []).append(told)
        else:
            effects[told[1] if told[0] == "counted" else told[0]] += 1
    return teams, effects


@pytest.mark.slow
@LAW
@given(st.sampled_from(PROBLEMS[:2]), logs(late=(0.0, 60.0, 150.0, GRACE), in_order=True, gaps=CLOSE), HOMES, TICKS)
def test_one_fold_of_it_is_all_live_folds(
    problem: Problem, log: list[Timed], homes: list[int], ticked: list[bool]
) -> None:
    """No event later than the grace: states, ledgers, outcomes and what each alert had read are live's, to the byte."""
    parts = apart(log, homes, ticked)
    lines, spool = pulled(parts)
    assert spool.moved == 0
    end = max(at for _, at in log) + 10 * DAY
    live, lab = [fold_of(problem, part, end) for part in parts], fold_of(problem, lines, end)
    kept, merged = [keep(fold) for fold in live], keep(lab)
    assert {key: level for one in kept for key, level in one.levels.items()} == merged.levels
    assert {key: entry for one in kept for key, entry in one.ledger.items()} == merged.ledger
    assert by_team(live) == by_team([lab])


@pytest.mark.slow
@LAW
@given(logs(late=(0.0, 60.0, 1_000.0, DAY)), HOMES, TICKS)
def test_it_is_in_order_and_whole(log: list[Timed], homes: list[int], ticked: list[bool]) -> None:
    """Whatever came, no event is earlier than one before it by more than the grace, and only ticks are missing."""
    parts = apart(log, homes, ticked)
    lines, spool = pulled(parts)
    latest = START
    for line in lines:
        assert line.at >= latest - GRACE
        latest = max(latest, line.at)
    sent = [line for part in parts for line in part]
    assert len(lines) + spool.ticks_left_out == len(spool) == len(sent)
    events = [sorted(line.value for line in one if not isinstance(line.event, Tick)) for one in (lines, sent)]
    assert events[0] == events[1]
    assert lines == pulled(parts, backwards=True)[0]


def of(*log: Timed) -> list[Line]:
    """Events as lines."""
    return [Line(event, at, encode_event(event)) for event, at in log]


def test_an_event_later_than_the_grace_is_put_where_it_happened() -> None:
    """It is counted; one that is late by no more than the grace stands where it came."""
    late, later = raised(1_000.0 - GRACE, "late"), raised(999.0 - GRACE, "later")
    lines, spool = pulled([of(raised(0.0, "first"), raised(1_000.0, "last"), late, later)])
    assert [line.event.alert_id for line in lines] == ["first", "later", "last", "late"]  # type: ignore[union-attr]
    assert spool.moved == 1


def test_only_ticks_that_move_time_are_kept() -> None:
    """Of a run of ticks the last is kept; one that other partitions' events have passed is not."""
    busy = of(raised(0.0), acted(50.0), acted(400.0, action="b"))
    quiet = of(tick(10.0), tick(20.0), tick(50.0), tick(380.0), tick(399.0), tick(500.0), tick(600.0))
    lines, spool = pulled([busy, quiet])
    assert [line.at - START for line in lines] == [0.0, 20.0, 50.0, 399.0, 400.0, 600.0]
    assert spool.ticks_left_out == 4
