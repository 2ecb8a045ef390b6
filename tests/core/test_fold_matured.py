"""When an alert matures: once, when all that could decide it has passed, whatever came of it."""

import pytest

from stream.core.ledger import ACTIONABLE, HELD_OUT, LATE, NOISE, UNKNOWN
from tests.core.logs import DAY, HOUR, PROBLEMS, Timed, acted, raised, run, tell, tick

DUE = HOUR + 300


def matured(*log: Timed) -> list[tuple[str, int, str, int]]:
    """Alert, outcome, by what, flags, in the order in which they matured."""
    return [came[2:6] for came in tell(run(PROBLEMS[0], log)) if came[0] == "matured"]


@pytest.mark.parametrize(
    ("kind", "outcome"), [("worked", ACTIONABLE), ("dismissed", NOISE), ("closed_by_rule", UNKNOWN)]
)
def test_a_decided_alert_matures_when_its_time_has_passed(kind: str, outcome: int) -> None:
    """Not with the decision and not at raise + horizon + grace, but with the first event later than that."""
    log = [raised(0), acted(60, kind=kind)]
    assert matured(*log, tick(DUE)) == []
    assert matured(*log, tick(DUE), tick(DUE + 1), tick(9 * DAY)) == [("a", outcome, kind, 0)]


def test_an_open_alert_expires_and_then_matures() -> None:
    """Where nobody decided, the expiry's decision comes first, and the alert matures as what it decided."""
    told = tell(run(PROBLEMS[0], [raised(0), acted(1, kind="held_out"), tick(2 * HOUR)]))
    assert [came[0] for came in told] == ["arrived", "counted", "decided", "matured"]
    assert told[-1] == ("matured", "pay", "a", NOISE, "expiry", HELD_OUT)


def test_alerts_mature_in_order_of_due_time_before_the_event_that_passes_them() -> None:
    """Decided or open, by due time, ties by team and alert."""
    log = [raised(9, "c"), raised(9, "b"), raised(8, "d"), acted(60, "c"), raised(2 * HOUR, "e")]
    told = tell(run(PROBLEMS[0], log))
    assert [came[2] for came in told if came[0] == "matured"] == ["d", "b", "c"]
    assert told[-1][0] == "arrived"


def test_a_correction_before_maturity_is_what_matures() -> None:
    """A closure that was found wrong in time matures once, as corrected."""
    log = [raised(0), acted(60, kind="closed_by_rule"), acted(90, kind="reopened"), tick(DAY)]
    assert matured(*log) == [("a", ACTIONABLE, "correction", 0)]


def test_a_correction_after_maturity_says_so() -> None:
    """It is told as an outcome that comes after the alert matured, and the alert does not mature again."""
    log = [raised(0), acted(60, kind="closed_by_rule"), tick(DAY), acted(DAY + 1, kind="reopened"), tick(9 * DAY)]
    told = tell(run(PROBLEMS[0], log))
    assert matured(*log) == [("a", UNKNOWN, "closed_by_rule", 0)]
    assert [came[5::2] for came in told if came[0] == "decided"] == [("closed_by_rule", False), ("correction", True)]


def test_a_clock_that_jumps_years_matures_everything_once() -> None:
    """One tick years ahead passes all dues; alerts that come late after it mature with the next step of time."""
    log = [raised(0), raised(1, "b"), acted(2, "b"), tick(3_000 * DAY), raised(5, "late"), tick(3_000 * DAY)]
    assert [alert for alert, *_ in matured(*log)] == ["a", "b"]
    assert [alert for alert, *_ in matured(*log, tick(3_000 * DAY + 1))] == ["a", "b", "late"]


@pytest.mark.parametrize("again", [raised(7), acted(30 * DAY, action="y")])
def test_a_late_alert_that_gives_way_matures_first(again: Timed) -> None:
    """Decided and beyond the ledger's time before time moved, it is told as matured when its place is taken."""
    log = [tick(30 * DAY), raised(0), acted(60), again]
    first = ("a", ACTIONABLE, "worked", LATE)
    assert matured(*log) == [first]
    second = [("a", NOISE, "expiry", LATE)] if again == raised(7) else []
    assert matured(*log, tick(60 * DAY)) == [first, *second]


def test_an_outcome_for_an_alert_nobody_raised_matures_nothing() -> None:
    """Held, then given up: there is no alert to mature."""
    assert matured(acted(0), tick(DAY)) == []
