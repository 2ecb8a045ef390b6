"""Actions that overtake their alert: held, released, given up, within named limits."""

import pytest

from stream.core import limits
from stream.core.effects import Unknown
from stream.core.events import Acted, moment
from stream.core.fold import Fold
from stream.core.ledger import Held, unpack_entry
from tests.core.logs import (
    DAY,
    GRACE,
    HOUR,
    MINUTE,
    PROBLEMS,
    START,
    acted,
    effects,
    feed,
    keep,
    outcomes,
    raised,
    resume,
    run,
    small_problem,
    tell,
    tick,
)


def test_an_action_waits_for_its_alert() -> None:
    """An action that comes before its alert is held, and decides at its own time when the alert arrives."""
    told = tell(run(PROBLEMS[0], [acted(60), raised(30)]))
    assert [effect[0] for effect in told] == ["counted", "arrived", "decided"]
    assert outcomes(told) == [("pay", "a", 1, START + 60, "worked")]


@pytest.mark.parametrize("kind", ["worked", "dismissed", "closed_by_rule", "paused_by_rule", "muted", "held_out"])
def test_an_action_of_before_the_raise_decides_nothing_whichever_came_first(kind: str) -> None:
    """Dated more than the grace before its alert's raise, an action is counted alike before and after the alert."""
    early, alert, end = acted(0, kind=kind), raised(GRACE + 1), tick(9 * DAY)
    first, second = tell(run(PROBLEMS[0], [early, alert, end])), tell(run(PROBLEMS[0], [alert, early, end]))
    assert effects(first) == ["held", "before_raise"]
    assert effects(second) == ["before_raise"]
    assert outcomes(first) == outcomes(second) == [("pay", "a", 0, START + 2 * GRACE + 1 + HOUR, "expiry")]
    assert [effect[6] for effect in (*first, *second) if effect[0] == "decided"] == [0, 0]


def test_an_action_of_before_the_raise_corrects_no_closure() -> None:
    """Nor does it say that a rule was wrong; its repetition is as early."""
    early = acted(0, kind="reopened")
    log = [raised(GRACE + 1), acted(GRACE + 9, kind="closed_by_rule"), early, early]
    assert effects(tell(run(PROBLEMS[0], log))) == ["before_raise", "before_raise"]


def test_a_held_action_keeps_who_did_it() -> None:
    """An action that waited decides by its agent as one that came after its alert."""
    problem = small_problem(actionable='"escalated@person"')
    for agent, expected in (("person", 1), ("automation", 0)):
        kept = keep(run(problem, [acted(60, kind="escalated", agent=agent)]))  # type: ignore[arg-type]  # literals
        fold = resume(problem, kept)
        feed(fold, [raised(30), tick(DAY)])
        assert [effect[2] for effect in outcomes(tell(fold))] == [expected]


def test_held_actions_are_released_in_the_order_they_came() -> None:
    """The first of several held actions decides; their repetitions are counted once the alert is there."""
    log = [acted(60, kind="dismissed"), acted(61), acted(62, kind="dismissed"), raised(30)]
    fold = run(PROBLEMS[0], log)
    told = tell(fold)
    assert outcomes(told) == [("pay", "a", 0, START + 60, "dismissed")]
    assert effects(told) == ["held", "held", "held", "after_decision", "repeated"]
    assert fold.held == 0


def test_an_action_waits_for_an_alert_of_up_to_the_grace_later() -> None:
    """An alert raised up to the grace after its action takes it; for one raised later it is of before the raise."""
    taken, late = run(PROBLEMS[0], [acted(0), raised(GRACE)]), run(PROBLEMS[0], [acted(0), raised(GRACE + 1)])
    assert outcomes(tell(taken)) == [("pay", "a", 1, START, "worked")]
    assert effects(tell(late)) == ["held", "before_raise"]
    assert (late.held, list(late.timers)) == (0, [(START + GRACE + 1 + HOUR + GRACE, "pay", "a")])


def test_each_action_has_its_own_grace() -> None:
    """Of two actions that wait, an alert takes the one within the grace; the other is of before the raise."""
    told = tell(run(PROBLEMS[0], [acted(0, kind="dismissed"), acted(250), raised(400)]))
    assert outcomes(told) == [("pay", "a", 1, START + 250, "worked")]
    assert [effect[:2] for effect in told[-2:]] == [("counted", "before_raise"), ("decided", "pay")]


def test_an_action_nobody_waits_for_fails() -> None:
    """Once no alert within the grace can come any more, held actions fail with the records they came in."""
    fold = run(PROBLEMS[0], [acted(0), acted(1, kind="dismissed"), tick(1 + 2 * GRACE)])
    assert effects(tell(fold)) == ["held", "held"]
    feed(fold, [tick(2 + 2 * GRACE)])
    assert tell(fold) == [("unknown", b"value 0", 0), ("unknown", b"value 1", 1)]
    assert (fold.held, fold.ledger, list(fold.timers)) == (0, {}, [])


def test_held_actions_are_part_of_the_state() -> None:
    """A held action lies in the ledger with its record, survives packing, and is due there."""
    kept = keep(run(PROBLEMS[0], [acted(0)]))
    entry = unpack_entry(kept.ledger["pay", "a"])
    assert isinstance(entry, Held)
    assert (entry.due, entry.actions[0].value, entry.actions[0].offset) == (START + 2 * GRACE, b"value 0", 0)
    assert (kept.held, kept.timers) == (1, [(entry.due, "pay", "a")])


def test_a_later_action_prolongs_the_wait_and_an_earlier_one_does_not() -> None:
    """The actions of one alert are given up together, after the latest of them."""
    fold = run(PROBLEMS[0], [acted(100), acted(200, kind="dismissed"), acted(150, kind="commented")])
    assert list(fold.timers) == [(START + 200 + 2 * GRACE, "pay", "a")]


def test_an_action_later_than_the_grace_is_not_held() -> None:
    """For an unknown alert an action within the grace waits; one that is later fails at once."""
    assert effects(tell(run(PROBLEMS[0], [tick(HOUR), acted(HOUR - GRACE)]))) == ["held"]
    assert effects(tell(run(PROBLEMS[0], [tick(HOUR), acted(HOUR - GRACE - 1)]))) == ["unknown"]


def test_without_grace_an_action_waits_for_its_own_second() -> None:
    """With a grace of zero an action still finds an alert of the same time, and of no later one."""
    problem = small_problem("grace_minutes = 0")
    assert effects(tell(run(problem, [acted(0), raised(0)]))) == ["held"]
    assert effects(tell(run(problem, [acted(0), raised(1)]))) == ["held", "unknown"]


def test_a_held_action_beyond_the_alert_s_horizon_decides_nothing() -> None:
    """A held action is judged like any other: beyond the horizon of an alert that came very late it changes nothing."""
    told = tell(run(PROBLEMS[0], [acted(2 * HOUR), raised(0)]))
    assert effects(told) == ["held", "beyond_horizon"]


def test_one_alert_holds_so_many() -> None:
    """Beyond 16 actions for one alert the rest fail."""
    fold = run(PROBLEMS[0], [acted(0, action=f"x{number}") for number in range(limits.HELD_PER_ALERT + 2)])
    assert effects(tell(fold)) == ["held"] * limits.HELD_PER_ALERT + ["unknown"] * 2
    assert fold.held == limits.HELD_PER_ALERT


def test_one_partition_holds_so_many() -> None:
    """Beyond 10,000 held actions the rest fail, and there is room again once some are released or given up."""
    many = [acted(0, f"a{number}") for number in range(limits.HELD_PER_PARTITION)]
    fold = run(PROBLEMS[0], [*many, acted(MINUTE, "late")])
    assert effects(tell(fold))[-1] == "unknown"
    feed(fold, [raised(MINUTE, "a0"), acted(MINUTE, "room")])
    assert effects(tell(fold)) == ["held"]
    assert fold.held == limits.HELD_PER_PARTITION
    feed(fold, [tick(2 * DAY)])
    assert (fold.held, effects(tell(fold))) == (0, ["unknown"] * limits.HELD_PER_PARTITION)


def test_a_large_action_is_not_held() -> None:
    """An action whose record is over 4 KiB fails at once instead of swelling the state."""
    event, fold = Acted(moment(START), "a", "pay", "x", "worked"), Fold(PROBLEMS[0])
    fold.step(event, START, b"x" * limits.HELD_VALUE_BYTES, 1)
    fold.step(event, START, b"x" * (limits.HELD_VALUE_BYTES + 1), 2)
    assert [effect.offset for effect in fold.effects if isinstance(effect, Unknown)] == [2]
    assert fold.held == 1


def test_an_action_on_an_alert_the_ledger_gave_up_waits_like_any_other() -> None:
    """After the ledger's time an action finds nobody: it is held, then fails; the old alert does not come back."""
    fold = run(PROBLEMS[0], [raised(0), acted(60), acted(9 * DAY, kind="reopened"), tick(10 * DAY)])
    assert effects(tell(fold)) == ["held", "unknown"]
    assert fold.ledger == {}
