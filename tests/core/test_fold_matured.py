"""A cohort in the ledger is told once, when time passes its due, among all else that is due."""

from stream.core.fold import Fold
from stream.core.ledger import Cohort
from tests.core.logs import DAY, HOUR, PROBLEMS, START, Told, feed, keep, raised, resume, tell, tick

DUE = HOUR + 300  # when an alert of the first problem is due, after its raise


def waiting(*dues: float) -> Fold:
    """A fold in which an alert was raised at 0, with cohorts that are due these seconds after START."""
    fold = Fold(PROBLEMS[0])
    feed(fold, [raised(0)])
    for number, due in enumerate(dues):
        key = ("", f"1/{number}")
        fold.ledger[key] = Cohort(START + due, str(number).encode())
        fold.dues.add((START + due, *key))
    tell(fold)
    return fold


def told(fold: Fold, at: float) -> list[Told]:
    """What time brings when it moves."""
    feed(fold, [tick(at)])
    return tell(fold)


def test_a_cohort_is_told_once_time_has_passed_it() -> None:
    """Not with the event at its due, but with the first one later than that, and then it is gone."""
    fold = waiting(500)
    assert told(fold, 500) == []
    assert told(fold, 501) == [("matured", START + 500, b"0")]
    assert ("", "1/0") not in fold.ledger
    assert [came[0] for came in told(fold, 9 * DAY)] == ["decided"]


def test_what_is_due_comes_in_order_of_due_time() -> None:
    """Cohorts and expiries in one order, ties with the cohort first: no team's name comes before none."""
    fold = waiting(DUE + 1, 500, DUE, 700)
    assert [came[0] for came in told(fold, DAY)] == ["matured", "matured", "matured", "decided", "matured"]


def test_a_clock_that_jumps_years_tells_every_cohort_once() -> None:
    """One tick years ahead passes all dues."""
    fold = waiting(500, 9 * DAY)
    assert len(told(fold, 3_000 * DAY)) == 3
    assert told(fold, 3_000 * DAY + 1) == []


def test_a_cohort_outlives_the_fold_that_kept_it() -> None:
    """A fold that goes on from the packed state tells it."""
    again = resume(PROBLEMS[0], keep(waiting(500)))
    assert told(again, 501) == [("matured", START + 500, b"0")]
