"""A label never enters before it is known: nothing that happens later moves what was read earlier."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from stream.core import state
from stream.core.events import Acted, Raised
from stream.core.fold import Fold
from stream.core.levels import TEAM_RULE
from stream.core.problem import Problem
from tests.core.logs import DAY, HOUR, LAW, PROBLEMS, Timed, acted, feed, logs, raised, run, tick

problems = st.sampled_from(PROBLEMS)


def rows_until(fold: Fold, log: list[Timed], time: float) -> bytes:
    """The rows of all alerts raised at or before a time."""
    feed(fold, log)
    rows = fold.take_rows()
    return rows[rows[:, 0] <= time].tobytes()


@pytest.mark.slow
@LAW
@given(problems, logs(), st.integers(0, 39), st.permutations(["worked", "dismissed", "reopened", "commented"]))
def test_no_row_knows_what_comes_after_it(problem: Problem, log: list[Timed], place: int, kinds: list[str]) -> None:
    """Change, drop or plant any actions after time t: no row of an alert raised at t or before moves."""
    time = log[min(place, len(log) - 1)][1]
    before = [timed for timed in log if timed[1] <= time]
    changed, planted = list(before), []
    for event, at in log[len(before) :]:
        if isinstance(event, Acted):
            changed.append((replace(event, kind=kinds[at % 4 > 1], action_id=event.action_id + "'"), at))
        elif isinstance(event, Raised):
            planted.append((Acted(event.at, event.alert_id, event.team, "planted", kinds[0]), at))
    future = [
        (Acted(e.at, e.alert_id, e.team, "future", "worked"), time + 1) for e, _ in before if isinstance(e, Raised)
    ]
    expected = rows_until(Fold(problem), log, time)
    for other in (before, changed, before + future, before + planted + [tick(900 * DAY)]):
        assert rows_until(Fold(problem), other, time) == expected


def known_outcomes(log: list[Timed]) -> list[float]:
    """Outcomes known of team and rule when each alert was raised."""
    rows = run(PROBLEMS[0], log).take_rows()
    return [float(count) for count in rows[:, 1 + state.WIDTH * TEAM_RULE + state.DECIDED + 3]]


def test_an_action_is_known_from_its_own_time_on() -> None:
    """An alert raised a second before the deciding action does not see it; one raised a second after it does."""
    assert known_outcomes([raised(0), raised(59, "b"), acted(60), raised(61, "c")]) == [0.0, 0.0, 1.0]


def test_an_expiry_is_known_after_horizon_and_grace() -> None:
    """At raise + horizon + grace nothing is known yet; a second later the alert counts as noise."""
    assert known_outcomes([raised(0), raised(HOUR + 300, "b"), raised(HOUR + 301, "c")]) == [0.0, 0.0, 1.0]


def test_an_alert_never_sees_itself() -> None:
    """Neither its own raise nor an action that overtook it stands in an alert's row."""
    rows = run(PROBLEMS[0], [acted(0), raised(1)]).take_rows()
    counts = rows[:, 1:].reshape(1, -1, state.WIDTH)[0, :4, 1:13]
    assert not counts.any()
