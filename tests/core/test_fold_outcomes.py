"""Which action decides, when an expiry does, and what a rule's closure means."""

import pytest

from stream.core.kinds import Agent
from stream.core.ledger import ACTIONABLE, HELD_OUT, NOISE, OPEN, UNKNOWN, Alert
from stream.core.problem import Problem
from tests.core.logs import (
    DAY,
    GRACE,
    HOUR,
    PROBLEMS,
    START,
    Timed,
    acted,
    effects,
    keep,
    outcomes,
    raised,
    run,
    small_problem,
    tell,
    tick,
)

ANY_ACTIONABLE = small_problem('decides = "any_actionable"')
EXPIRES_UNKNOWN = small_problem('on_expiry = "unknown"')
END = tick(9 * DAY)


def decided(*log: Timed, problem: Problem = PROBLEMS[0]) -> list[tuple[str, int, float, str]]:
    """Alert, outcome, seconds after START, and by what, in the order in which they became known."""
    return [(alert, what, when - START, by) for _, alert, what, when, by in outcomes(tell(run(problem, log)))]


def ignored(*log: Timed, problem: Problem = PROBLEMS[0]) -> list[str]:
    """What came of the events that decided nothing."""
    return effects(tell(run(problem, log)))


@pytest.mark.parametrize(("kind", "outcome"), [("worked", ACTIONABLE), ("escalated", ACTIONABLE), ("dismissed", NOISE)])
def test_the_first_decisive_action_decides(kind: str, outcome: int) -> None:
    """Kinds in a list decide at their own time and under their own name; what follows is counted only."""
    log = [raised(0), acted(30, kind="commented"), acted(60, kind=kind), acted(90, action="x"), END]
    assert decided(*log) == [("a", outcome, 60.0, kind)]
    assert ignored(*log) == ["non_deciding", "after_decision"]


def test_an_action_at_exactly_the_horizon_counts() -> None:
    """At raise + horizon an action decides; a second later it is beyond, and the alert expires."""
    assert decided(raised(0), acted(HOUR), END) == [("a", ACTIONABLE, HOUR, "worked")]
    beyond = [raised(0), acted(HOUR + 1), END]
    assert decided(*beyond) == [("a", NOISE, HOUR + 300, "expiry")]
    assert ignored(*beyond) == ["beyond_horizon"]


@pytest.mark.parametrize(("problem", "outcome"), [(PROBLEMS[0], NOISE), (EXPIRES_UNKNOWN, UNKNOWN)])
def test_expiry_says_what_the_problem_says(problem: Problem, outcome: int) -> None:
    """An alert that nobody decided is noise or unknown, known at raise + horizon + grace."""
    fold = run(problem, [raised(0), tick(HOUR + 300)])
    assert outcomes(tell(fold)) == []
    fold.advance(START + HOUR + 301)
    assert outcomes(tell(fold)) == [("pay", "a", outcome, START + HOUR + 300, "expiry")]
    assert fold.levels["t\0pay"][8] == (outcome == NOISE)
    assert fold.levels["t\0pay"][14] == 0


def test_an_action_that_comes_after_the_expiry_is_late() -> None:
    """An in-horizon action that comes into the log after the expiry changes nothing and is counted as late."""
    log = [raised(0), tick(2 * HOUR), acted(60), acted(HOUR, action="x"), acted(HOUR + 1, action="y")]
    assert decided(*log) == [("a", NOISE, HOUR + 300, "expiry")]
    assert ignored(*log, acted(61, kind="commented")) == ["late", "late", "after_decision", "after_decision"]


def test_any_actionable_waits_for_the_horizon() -> None:
    """With `any_actionable` an action of noise decides only at the expiry, and one that is actionable overrules it."""
    noise = [raised(0), acted(60, kind="dismissed")]
    assert decided(*noise, END, problem=ANY_ACTIONABLE) == [("a", NOISE, HOUR + 300, "expiry")]
    assert decided(*noise, acted(90), END, problem=ANY_ACTIONABLE) == [("a", ACTIONABLE, 90.0, "worked")]
    unknown = small_problem('decides = "any_actionable"\non_expiry = "unknown"')
    assert decided(*noise, END, problem=unknown) == [("a", NOISE, HOUR + 300, "expiry")]
    assert decided(raised(0), END, problem=unknown) == [("a", UNKNOWN, HOUR + 300, "expiry")]


def test_expiries_come_in_order_of_due_time() -> None:
    """Expiries come by due time, ties by team and alert, before the event that passes them."""
    log = [raised(9, "c"), raised(9, "b", "ops"), raised(9, "b"), raised(8, "d"), acted(2 * HOUR, "d")]
    told = tell(run(PROBLEMS[0], log))
    assert [effect[1:3] for effect in told if effect[0] == "decided"] == [
        ("pay", "d"),
        ("ops", "b"),
        ("pay", "b"),
        ("pay", "c"),
    ]
    assert told[-1] == ("counted", "after_decision")


def test_an_alert_raised_after_its_own_expiry_expires_with_the_next_step_of_time() -> None:
    """An alert that comes later than horizon and grace is open until time moves, then expires at its own due time."""
    log = [tick(DAY), raised(0), acted(60, kind="commented"), tick(DAY)]
    assert decided(*log) == []
    assert decided(*log, tick(DAY + 1)) == [("a", NOISE, HOUR + 300, "expiry")]
    assert decided(*log, acted(90)) == [("a", ACTIONABLE, 90.0, "worked")]


def test_an_alert_older_than_the_ledger_counts_once() -> None:
    """An alert that comes later than the ledger's time is known while it is open: a retry and an action find it."""
    log = [tick(30 * DAY), raised(0), raised(0), acted(60)]
    assert decided(*log) == [("a", ACTIONABLE, 60.0, "worked")]
    fold = run(PROBLEMS[0], [*log, tick(31 * DAY)])
    assert effects(tell(fold)) == ["repeated"]
    assert fold.levels["t\0pay"][4] == 1.0


BY_RULE = pytest.mark.parametrize("by", ["closed_by_rule", "paused_by_rule"])


@BY_RULE
def test_a_rule_s_pause_or_closure_ends_the_clock(by: str) -> None:
    """Either decides as unknown at once, and nothing enters the history."""
    fold = run(PROBLEMS[0], [raised(0), acted(60, kind=by), END])
    assert outcomes(tell(fold)) == [("pay", "a", UNKNOWN, START + 60, by)]
    assert list(fold.levels["t\0pay"][5:15]) == [0.0] * 10


@BY_RULE
@pytest.mark.parametrize("kind", ["reopened", "worked"])
def test_a_rule_that_was_wrong_is_corrected_once_and_no_history_learns_of_it(by: str, kind: str) -> None:
    """A reopening or an actionable action afterwards gives one correction; no level moves by it, or by what follows."""
    log = [raised(0), acted(60, kind=by), acted(DAY, kind="dismissed")]
    before = keep(run(PROBLEMS[0], log)).levels
    log += [acted(DAY + 60, kind=kind), acted(DAY + 90, kind="reopened", action="r2"), acted(DAY + 99, action="w2")]
    assert decided(*log) == [("a", UNKNOWN, 60.0, by), ("a", ACTIONABLE, DAY + 60, "correction")]
    assert ignored(*log) == ["after_decision"] * 3
    assert keep(run(PROBLEMS[0], log)).levels == before


def test_a_release_is_counted_only() -> None:
    """It starts no new clock: a paused alert's outcome stays, and an open alert's clock runs on."""
    paused = [raised(0), acted(60, kind="paused_by_rule"), acted(90, kind="released_by_rule"), END]
    assert decided(*paused) == [("a", UNKNOWN, 60.0, "paused_by_rule")]
    assert ignored(*paused) == ["after_decision"]
    assert ignored(raised(0), acted(90, kind="released_by_rule")) == ["non_deciding"]


def test_a_rule_s_second_act_is_counted_only() -> None:
    """What was paused and is then closed has one outcome."""
    log = [raised(0), acted(60, kind="paused_by_rule"), acted(90, kind="closed_by_rule"), END]
    assert decided(*log) == [("a", UNKNOWN, 60.0, "paused_by_rule")]


NARROWED = small_problem(actionable='"worked", "escalated@person"', noise='"dismissed", "worked@automation"')


@pytest.mark.parametrize(
    ("kind", "agent", "outcome"),
    [
        ("escalated", "person", ACTIONABLE),
        ("escalated", "automation", None),
        ("escalated", None, None),
        ("worked", "person", ACTIONABLE),
        ("worked", "automation", NOISE),
        ("worked", None, ACTIONABLE),
        ("dismissed", "person", NOISE),
        ("dismissed", "automation", NOISE),
    ],
)
def test_a_kind_of_an_agent_is_narrower_than_the_kind(kind: str, agent: Agent | None, outcome: int | None) -> None:
    """`kind@agent` decides for that agent alone and before `kind`; where nobody says, bare kinds count."""
    told = tell(run(NARROWED, [raised(0), acted(60, kind=kind, agent=agent)]))
    assert [(effect[3], effect[7]) for effect in told if effect[0] == "decided"] == (
        [] if outcome is None else [(outcome, agent)]
    )


def test_who_decided_is_told_with_the_outcome() -> None:
    """An expiry is nobody's; a correction is of whoever corrected."""
    log = [raised(0), acted(60, kind="closed_by_rule", agent="automation"), acted(90, agent="person")]
    told = tell(run(PROBLEMS[0], [*log, raised(100, "b"), END]))
    assert [effect[7] for effect in told if effect[0] == "decided"] == ["automation", "person", None]


def test_a_muted_alert_expires_as_unknown() -> None:
    """Whatever the problem says of expiry: nobody was shown it, so that nobody acted says nothing."""
    assert decided(raised(0), acted(60, kind="muted"), END) == [("a", UNKNOWN, HOUR + 300, "expiry")]
    assert decided(raised(0), acted(HOUR + 1, kind="muted"), END) == [("a", NOISE, HOUR + 300, "expiry")]
    assert run(PROBLEMS[0], [raised(0), acted(60, kind="muted"), END]).levels["t\0pay"][8] == 0.0


@pytest.mark.parametrize("agent", [None, "person"])
def test_a_person_s_act_on_a_muted_alert_still_decides(agent: Agent | None) -> None:
    """Somebody found it in spite of all; an act of nobody in particular is taken for a person's."""
    for kind, outcome in (("worked", ACTIONABLE), ("dismissed", NOISE)):
        log = [raised(0), acted(60, kind="muted"), acted(90, kind=kind, agent=agent)]
        assert decided(*log) == [("a", outcome, 90.0, kind)]


@pytest.mark.parametrize("problem", [PROBLEMS[0], ANY_ACTIONABLE])
def test_automation_never_makes_noise_of_a_muted_alert(problem: Problem) -> None:
    """A policy's closing of what nobody was shown decides nothing, before or after the muting; its work does."""
    closing, muting = acted(90, kind="dismissed", agent="automation"), acted(60, kind="muted")
    assert decided(raised(0), muting, closing, END, problem=problem) == [("a", UNKNOWN, HOUR + 300, "expiry")]
    assert decided(raised(0), muting, acted(90, agent="automation")) == [("a", ACTIONABLE, 90.0, "worked")]
    if problem is ANY_ACTIONABLE:
        assert decided(raised(0), closing, muting, END, problem=problem) == [("a", UNKNOWN, HOUR + 300, "expiry")]
        assert decided(raised(0), closing, END, problem=problem) == [("a", NOISE, HOUR + 300, "expiry")]
        person = acted(95, kind="dismissed", action="p", agent="person")
        assert decided(raised(0), closing, muting, person, END, problem=problem)[0][1] == NOISE


def test_other_outcomes_are_final() -> None:
    """After a decision by a person or by expiry neither a closure nor a reopening changes anything."""
    for first in (acted(60), acted(60, kind="dismissed"), tick(2 * HOUR)):
        log = [raised(0), first, acted(2 * HOUR + 9, kind="closed_by_rule"), acted(2 * HOUR + 10, kind="reopened")]
        assert len(decided(*log)) == 1
        assert ignored(*log) == ["after_decision"] * 2


def test_a_reopening_before_any_decision_decides_nothing() -> None:
    """`reopened` on an open alert is one of the kinds that never decide."""
    assert ignored(raised(0), acted(60, kind="reopened")) == ["non_deciding"]


def test_the_same_action_counts_once() -> None:
    """An action id that was seen is a repetition, whatever its kind says."""
    log = [raised(0), acted(60, kind="commented", action="x"), acted(90, kind="worked", action="x"), END]
    assert ignored(*log) == ["non_deciding", "repeated"]
    assert decided(*log) == [("a", NOISE, HOUR + 300, "expiry")]


def test_old_action_ids_are_forgotten() -> None:
    """The ledger remembers the newest 32 action ids of an alert, no more."""
    log = [raised(0), *(acted(1, kind="commented", action=f"c{number}") for number in range(40))]
    fold = run(PROBLEMS[0], log)
    entry = fold.ledger["pay", "a"]
    assert isinstance(entry, Alert)
    assert len(entry.actions) == 32
    assert effects(tell(run(PROBLEMS[0], [*log, acted(2, action="c39"), acted(2, action="c0")])))[40:] == ["repeated"]


def test_the_same_raise_counts_once() -> None:
    """A retried raise, also with other content, is told as repeated with the flags of then, and changes no state."""
    once, twice = run(PROBLEMS[0], [raised(0)]), run(PROBLEMS[0], [raised(0), raised(0), raised(50, rule="cpu")])
    assert effects(tell(twice)) == ["repeated", "repeated"]
    assert twice.levels == once.levels
    assert twice.ledger == once.ledger


def test_an_alert_is_known_for_the_ledger_s_time() -> None:
    """Two days after its raise an alert is still known; a second later it may be raised anew, and counts anew."""
    log = [raised(0), acted(60)]
    assert ignored(*log, raised(2 * DAY), acted(2 * DAY)) == ["repeated", "repeated"]
    fold = run(PROBLEMS[0], [*log, raised(2 * DAY + 1), acted(2 * DAY + 2)])
    assert [what for _, _, what, _, _ in outcomes(tell(fold))] == [ACTIONABLE, ACTIONABLE]
    assert fold.levels["t\0pay"][4] == 2.0


def test_the_ledger_lets_go_when_no_event_in_time_could_ask() -> None:
    """`known` holds the grace longer than the ledger's time, for events that come late, and as long as one is open."""
    fold = run(PROBLEMS[0], [raised(0), acted(60)])
    alert = fold.ledger["pay", "a"]
    assert isinstance(alert, Alert)
    for at, known in ((2 * DAY, True), (2 * DAY + GRACE, True), (2 * DAY + GRACE + 1, False)):
        fold.advance(START + at)
        assert fold.known(alert) is known
    alert.outcome = OPEN
    assert fold.known(alert)


def test_an_alert_id_belongs_to_its_team() -> None:
    """Two teams' alerts of one id are two alerts."""
    assert decided(raised(0), raised(0, team="ops"), acted(60, team="ops"))[0] == ("a", ACTIONABLE, 60.0, "worked")
    assert ignored(raised(0), acted(60, team="ops")) == ["held"]


def test_a_held_out_alert_is_flagged() -> None:
    """`held_out` flags the alert's outcome, but not what is told of its raise, and not once the outcome is known."""
    told = tell(run(PROBLEMS[0], [raised(0), acted(1, kind="held_out"), raised(0), acted(60)]))
    assert [effect[2] for effect in told if effect[0] in ("arrived", "repeated")] == [0, HELD_OUT]
    assert [effect[6] for effect in told if effect[0] == "decided"] == [HELD_OUT]
    after = tell(run(PROBLEMS[0], [raised(0), acted(60), acted(61, kind="held_out")]))
    assert [effect[6] for effect in after if effect[0] == "decided"] == [0]
    beyond = tell(run(PROBLEMS[0], [raised(0), acted(HOUR + 1, kind="held_out"), END]))
    assert [effect[6] for effect in beyond if effect[0] == "decided"] == [0]


def test_what_is_told_stays_as_it_was() -> None:
    """A closure and its correction in one batch are told as two outcomes, not as the later one twice."""
    log = [raised(0), acted(60, kind="closed_by_rule"), acted(90, kind="reopened")]
    assert [by for *_, by in decided(*log)] == ["closed_by_rule", "correction"]
