"""A timer of the room fires once, when time passes its due, among all else that is due."""

from stream.core.fold import Fold
from stream.core.ledger import Timer
from tests.core.logs import DAY, HOUR, PROBLEMS, START, Told, feed, keep, raised, resume, tell, tick

DUE = HOUR + 300  # when an alert of the first problem is due, after its raise


def waiting(*timers: float) -> Fold:
    """A fold in which an alert was raised at 0, with timers that are due these seconds after START."""
    fold = Fold(PROBLEMS[0])
    feed(fold, [raised(0)])
    for number, due in enumerate(timers):
        fold.set_timer(f"1/{number}", Timer(START + due, 1, str(number).encode()))
    tell(fold)
    return fold


def told(fold: Fold, at: float) -> list[Told]:
    """What time brings when it moves."""
    feed(fold, [tick(at)])
    return tell(fold)


def test_a_timer_fires_once_time_has_passed_it() -> None:
    """Not with the event at its due, but with the first one later than that, and then it is gone."""
    fold = waiting(500)
    assert told(fold, 500) == []
    assert told(fold, 501) == [("fired", "1/0", START + 500, b"0")]
    assert ("", "1/0") not in fold.ledger
    assert [effect[0] for effect in told(fold, 9 * DAY)] == ["decided"]


def test_what_is_due_comes_in_order_of_due_time() -> None:
    """Timers and expiries in one order, ties with the timer first: no team's name comes before none."""
    fold = waiting(DUE + 1, 500, DUE, 700)
    assert [effect[0] for effect in told(fold, DAY)] == ["fired", "fired", "fired", "decided", "fired"]


def test_a_clock_that_jumps_years_fires_every_timer_once() -> None:
    """One tick years ahead passes all timers."""
    fold = waiting(500, 9 * DAY)
    assert len(told(fold, 3_000 * DAY)) == 3
    assert told(fold, 3_000 * DAY + 1) == []


def test_a_timer_outlives_the_fold_that_set_it() -> None:
    """A fold that goes on from the packed state fires it, with the bytes and the version that were set."""
    again = resume(PROBLEMS[0], keep(waiting(500)))
    assert told(again, 501) == [("fired", "1/0", START + 500, b"0")]


def test_a_timer_set_again_fires_at_its_new_due_alone() -> None:
    """The second timer of a name takes the first one's place."""
    fold = waiting(500)
    fold.set_timer("1/0", Timer(START + 800, 2, b"later"))
    assert told(fold, 700) == []
    assert told(fold, 801) == [("fired", "1/0", START + 800, b"later")]
