"""Deeds that wait for a target: order, back-off, the circuit and the bounds, on a clock of the test's own."""

from threading import Thread

import pytest

from stream.closer.deed_queue import FAILURES_TO_OPEN, MOST_RETRY_SECONDS, DeedQueue, Entry, Job
from stream.core.deeds import Deed, DeedKind
from stream.core.events import Raised
from stream.kafka.records import Part
from tests.closer.targets.deeds import alert, deed

PART = Part("alerts.enriched", 3)
FIRST = alert("A1")


class Clock:
    """Monotonic seconds that the test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def read(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """See `Clock`."""
    return Clock()


def queue(clock: Clock, attempts: int = 5, give_up_seconds: float = 600.0, most_waiting: int = 100) -> DeedQueue:
    """A queue whose jitter is the longest."""
    return DeedQueue(attempts, give_up_seconds, 10.0 * give_up_seconds, 1.0, most_waiting, clock.read, lambda: 1.0)


def job(kind: DeedKind, of: Raised = FIRST, after_seconds: float = 0.0, part: Part = PART) -> Job:
    """A job of a round of its own."""
    return Job(made(kind, of, after_seconds), Entry(part, "out:1"))


def made(kind: DeedKind, of: Raised, after_seconds: float) -> Deed:
    """A deed."""
    return deed(kind, of, after_seconds)


def begin(waiting: DeedQueue) -> Job:
    """The next job, one attempt further."""
    found = waiting.poll()
    assert found is not None, "nothing can begin now"
    found.attempts += 1
    return found


def test_a_release_waits_for_the_pause_that_is_being_done(clock: Clock) -> None:
    """Deeds of one alert are never under way together; those of others are."""
    waiting = queue(clock)
    waiting.put(job("pause"))
    pause = begin(waiting)
    waiting.put(job("release", after_seconds=1.0))
    assert waiting.poll() is None
    waiting.put(job("pause", alert("A2")))
    assert begin(waiting).alert == ("payments", "A2")
    waiting.finish(pause)
    assert begin(waiting).deed.kind == "release"


def test_a_release_stands_for_a_pause_that_was_not_tried(clock: Clock) -> None:
    """The pause is not done any more; the release is, since an earlier process may have paused."""
    waiting = queue(clock)
    pause, release = job("pause"), job("release", after_seconds=1.0)
    waiting.put(pause)
    assert waiting.put(release).needless == [pause]
    assert begin(waiting) is release
    assert waiting.poll() is None


def test_an_older_deed_does_not_undo_a_later_one(clock: Clock) -> None:
    """What is submitted again in another order ends in the same state."""
    waiting = queue(clock)
    pause, release = job("pause"), job("release", after_seconds=1.0)
    waiting.put(release)
    assert waiting.put(pause).needless == [pause]
    begin(waiting)
    assert waiting.put(pause).needless == [pause]


def test_a_pause_that_failed_is_not_tried_again_once_its_release_waits(clock: Clock) -> None:
    """Whether it was done is unknown, so the release comes next."""
    waiting = queue(clock)
    waiting.put(job("pause"))
    pause = begin(waiting)
    release = job("release", after_seconds=1.0)
    waiting.put(release)
    assert waiting.retry(pause, None) == "needless"
    assert begin(waiting) is release


def test_back_off_doubles_up_to_a_minute(clock: Clock) -> None:
    """Attempts come after 1, 2, 4 s and so on, never later than a minute, and no earlier than Retry-After says."""
    waiting = queue(clock, attempts=100, give_up_seconds=1e9)
    one = job("pause")
    waiting.put(one)
    waits = []
    for _ in range(9):
        failed = begin(waiting)
        waiting.finish(Job(made("pause", alert("other"), 0.0), one.entry))  # another deed passes: the circuit is closed
        assert waiting.retry(failed, None) == "again"
        waits.append(one.due_at - clock.now)
        clock.now = one.due_at
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, MOST_RETRY_SECONDS, MOST_RETRY_SECONDS, MOST_RETRY_SECONDS]
    assert waiting.retry(begin(waiting), 300.0) == "again"
    assert one.due_at == clock.now + 300.0


def test_retry_after_holds_for_the_whole_target(clock: Clock) -> None:
    """A target that asks to be left alone is, by the deeds of other alerts as well."""
    waiting = queue(clock)
    waiting.put(job("pause"))
    waiting.put(job("pause", alert("A2")))
    waiting.retry(begin(waiting), 30.0)
    clock.now += 29.0
    assert waiting.poll() is None
    clock.now += 1.5
    assert begin(waiting).alert == ("payments", "A2")


def test_a_target_that_fails_is_left_alone_and_tried_by_one(clock: Clock) -> None:
    """After five failures in a row one deed at a time finds out whether it is back; then all go on."""
    waiting = queue(clock, attempts=100)
    for number in range(FAILURES_TO_OPEN + 2):
        waiting.put(job("pause", alert(f"A{number}")))
    for _ in range(FAILURES_TO_OPEN):
        waiting.retry(begin(waiting), None)
    assert waiting.poll() is None
    clock.now += MOST_RETRY_SECONDS
    probe = begin(waiting)
    assert waiting.poll() is None
    waiting.finish(probe)
    assert not waiting.is_open
    assert {begin(waiting).alert for _ in range(FAILURES_TO_OPEN + 1)} != {probe.alert}
    assert waiting.poll() is None


def test_it_is_given_up_after_attempts_or_age(clock: Clock) -> None:
    """A deed ends after its attempts; one that could not be tried, since the target is left alone, by its age."""
    waiting = queue(clock, attempts=3)
    waiting.put(job("pause"))
    assert [_fail_later(waiting, clock) for _ in range(3)] == ["again", "again", "given up"]
    waiting.put(job("pause", alert("A2")))
    waiting.put(job("pause", alert("A3")))
    waiting.retry(begin(waiting), 3_000.0)
    clock.now += 600.0
    assert [begin(waiting).late, begin(waiting).late] == [True, True]


def test_a_job_that_is_put_off_is_no_failure(clock: Clock) -> None:
    """However often: it comes again after its time, the circuit stays closed, and its age ends it at last."""
    waiting = queue(clock, attempts=1)
    waiting.put(job("pause"))
    for _ in range(2 * FAILURES_TO_OPEN):
        found = waiting.poll()
        assert found is not None
        assert waiting.postpone(found, 1.0) == "again"
        assert waiting.poll() is None
        clock.now += 1.0
    assert (waiting.is_open, len(waiting)) == (False, 1)
    found = waiting.poll()
    assert found is not None
    clock.now += 600.0
    assert waiting.postpone(found, 1.0) == "given up"


def test_a_job_that_is_put_off_gives_way_to_its_release(clock: Clock) -> None:
    """The release waits already when it is put off, and begins at once."""
    waiting = queue(clock)
    waiting.put(job("pause"))
    pause = waiting.poll()
    assert pause is not None
    release = job("release", after_seconds=1.0)
    waiting.put(release)
    assert waiting.postpone(pause, 60.0) == "needless"
    assert begin(waiting) is release


def test_a_release_is_tried_longer_than_a_pause(clock: Clock) -> None:
    """What is not brought back stays hidden from people, so its attempts are not counted, and its time is its own."""
    waiting = queue(clock, attempts=3)
    waiting.put(job("release"))
    assert [_fail_later(waiting, clock) for _ in range(20)] == ["again"] * 20
    clock.now += 6_000.0
    assert begin(waiting).late


def _fail_later(waiting: DeedQueue, clock: Clock) -> str:
    clock.now += MOST_RETRY_SECONDS
    return waiting.retry(begin(waiting), None)


def test_a_full_queue_refuses_pauses_and_makes_room_for_releases(clock: Clock) -> None:
    """An alert whose pause finds no room stays visible; one that is to come back takes the place of a pause, and waits
    beyond all others where there is none: nobody would see it again."""
    waiting = queue(clock, most_waiting=2)
    waiting.put(job("pause", alert("A1")))
    waiting.put(job("release", alert("A2")))
    third = job("pause", alert("A3"))
    assert waiting.put(third).refused is third
    refused = waiting.put(job("release", alert("A4"))).refused
    assert refused is not None
    assert refused.alert == ("payments", "A1")
    last = job("release", alert("A5"))
    assert waiting.put(last).refused is None
    assert len(waiting) == 3
    assert waiting.put(third).refused is third


def test_dropped_partitions_are_forgotten(clock: Clock) -> None:
    """Only what waits of a lost partition goes, and what is being done of it is not tried again."""
    waiting = queue(clock)
    for number in range(3):
        waiting.put(job("pause", alert(f"A{number}"), part=Part("alerts.enriched", number)))
    running = begin(waiting)
    running.entry.dropped = True
    waiting.drop({Part("alerts.enriched", 0), Part("alerts.enriched", 1)})
    assert waiting.retry(running, None) == "needless"
    assert begin(waiting).alert == ("payments", "A2")
    assert waiting.poll() is None


def test_memory_does_not_grow_with_what_is_done(clock: Clock) -> None:
    """A thousand deeds that passed leave no trace, though their ages are not over."""
    waiting = queue(clock)
    for number in range(1_000):
        waiting.put(job("pause", alert(f"A{number}")))
        waiting.finish(begin(waiting))
    assert len(waiting) == 0
    assert len(waiting._ends) + len(waiting._due) < 1_000


def test_closing_wakes_who_waits(clock: Clock) -> None:
    """A worker that waits for a deed ends."""
    waiting = queue(clock)
    found: list[Job | None] = []
    thread = Thread(target=lambda: found.append(waiting.take()))
    thread.start()
    waiting.close()
    thread.join(60.0)
    assert found == [None]
