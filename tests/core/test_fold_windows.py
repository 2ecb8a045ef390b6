"""Maintenance windows: what lies in one is scored, its clock ends at once, and history keeps it to its rule."""

from hypothesis import given
from hypothesis import strategies as st

from stream.core.effects import Arrived
from stream.core.events import Raised, moment
from stream.core.ledger import MAINTENANCE, OPEN, UNKNOWN, VISIBILITY_ONLY
from stream.core.problem import Window
from stream.core.windows import Windows
from tests.core.logs import (
    DAY,
    GRACE,
    HOUR,
    LAW,
    START,
    Timed,
    acted,
    effects,
    outcomes,
    raised,
    run,
    small_problem,
    tell,
)

FROM = "2026-03-01T01:00:00Z"
WINDOW = small_problem(exclude=f'windows = [{{ from = {FROM}, to = 2026-03-01T02:00:00Z, team = "pay" }}]')


def flags(*log: Timed) -> list[int]:
    """Of what arrived."""
    return [effect[2] for effect in tell(run(WINDOW, log)) if effect[0] == "arrived"]


def test_a_window_begins_with_its_first_moment_and_ends_before_its_last() -> None:
    """An alert raised at `from` lies in the window, one raised at `to` does not; other teams' never do."""
    times = (HOUR - 1, HOUR, 2 * HOUR - 1, 2 * HOUR)
    assert flags(*(raised(at, str(at)) for at in times)) == [0, MAINTENANCE, MAINTENANCE, 0]
    assert flags(raised(HOUR, team="ops")) == [0]
    assert flags(raised(HOUR, rule="report/x")) == [MAINTENANCE | VISIBILITY_ONLY]


def test_the_clock_of_an_alert_in_a_window_ends_at_its_raise() -> None:
    """Its outcome is unknown, by `maintenance`, at the raise; what people do later is counted only."""
    fold = run(WINDOW, [raised(HOUR), acted(HOUR + 60), acted(HOUR + 90, kind="reopened")])
    told = tell(fold)
    assert outcomes(told) == [("pay", "a", UNKNOWN, START + HOUR, "maintenance")]
    assert effects(told) == ["after_decision", "after_decision"]
    assert list(fold.timers) == []
    assert fold.ledger["pay", "a"].outcome != OPEN  # type: ignore[union-attr]  # an alert's


def test_an_alert_in_a_window_moves_only_the_levels_of_its_rule() -> None:
    """Like other excluded alerts it counts as raised of its rule, leaves nothing open, and no outcome anywhere."""
    fold = run(WINDOW, [raised(HOUR, env="prod"), acted(HOUR + 60)])
    moved = {key.partition("\0")[0]: level for key, level in fold.levels.items() if level[4]}
    assert moved.keys() == {"tr", "tre", "trl"}
    assert {(level[4], level[8], level[14]) for level in moved.values()} == {(1.0, 0.0, 0.0)}


def test_an_action_that_overtook_an_alert_in_a_window_decides_nothing() -> None:
    """What was held for it comes after its outcome."""
    told = tell(run(WINDOW, [acted(HOUR + 60), raised(HOUR)]))
    assert outcomes(told) == [("pay", "a", UNKNOWN, START + HOUR, "maintenance")]
    assert effects(told) == ["held", "after_decision"]


def test_a_late_alert_is_held_against_the_windows_of_its_own_time() -> None:
    """Whether it lies in a window is decided by when it was raised, not by when it came."""
    assert flags(raised(DAY, "x"), raised(HOUR + GRACE))[1] & MAINTENANCE
    assert not flags(raised(DAY, "x"), raised(HOUR - 1))[1] & MAINTENANCE


spans = st.tuples(st.integers(0, 20), st.integers(1, 20), st.sampled_from([None, "e0", "e*"]))


@LAW
@given(st.lists(spans, max_size=12), st.integers(0, 45), st.sampled_from(["e0", "e1", "x"]))
def test_windows_are_found_as_if_each_were_looked_at(
    spans: list[tuple[int, int, str | None]], at: int, entity: str
) -> None:
    """Any windows in any order, over each other or apart: the sorted search says what a look at all of them says."""
    windows = [Window(start=moment(since), end=moment(since + span), entity=of) for since, span, of in spans]
    alert = Raised(moment(at), "a", "t", "r", entity)
    plain = any(window.start <= alert.at < window.end and window.matches(alert) for window in windows)
    assert Windows(windows).cover(alert, float(at)) is plain


def test_alerts_in_windows_are_scored() -> None:
    """They arrive with a row of history like any other."""
    fold = run(WINDOW, [raised(HOUR)])
    assert sum(isinstance(effect, Arrived) for effect in fold.effects) == len(fold.take_rows()) == 1
