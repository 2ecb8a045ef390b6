"""What the page shows behind the replay: the last days once more, and the alerts to come."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core import limits
from stream.core.errors import SettingsError
from stream.core.events import Acted, Raised, decode_event, encode_event, moment
from stream.core.problem import OutcomeRule, Problem
from stream.dev.demo.live import (
    DAY,
    PERIODS,
    LastDays,
    Upcoming,
    last_days,
    moved,
    period_seconds,
    shift_seconds,
    verdict_kinds,
)
from stream.eventlog import Line

WEEK = 7 * DAY
ENDED_AT = 1_772_323_200.0  # 2026-03-01
NOW = 1_795_704_000.0


def raised(alert_id: str, at: float, rule: str = "disk", entity: str = "db-1") -> Line:
    """A raised alert."""
    event = Raised(moment(at), alert_id, "payments", rule, entity)
    return Line(event, at, encode_event(event))


def acted(alert_id: str, at: float) -> Line:
    """An act on it, as a snooze of an hour."""
    event = Acted(
        moment(at), alert_id, "payments", f"{alert_id}-1", "snoozed", agent="person", until=moment(at + 3_600)
    )
    return Line(event, at, encode_event(event))


def problem_of(actionable: list[str], noise: list[str]) -> Problem:
    """A problem that decides by these kinds."""
    outcome = OutcomeRule(actionable=actionable, noise=noise, horizon_hours=24.0, decides="first")
    return Problem(name="p", question="?", outcome=outcome)


def ids_of(lines: list[Line]) -> list[str]:
    """The alerts of raised lines."""
    return [line.event.alert_id for line in lines if isinstance(line.event, Raised)]


@given(st.floats(0.0, 2e9), st.floats(0.0, 2e9), st.sampled_from(PERIODS))
def test_moved_log_ends_one_to_two_periods_ago_at_the_same_hour(ended_at: float, now: float, period: float) -> None:
    """The shift is a whole number of periods, whether the log is old or ends in the future."""
    shift = shift_seconds(ended_at, period, now)
    assert shift % DAY == 0.0
    assert period - 1e-3 <= now - (ended_at + shift) <= 2 * period + 1e-3


def test_short_log_is_moved_by_days() -> None:
    """A log of a week or more is moved by weeks, as weekdays matter; a shorter one can only be moved by days."""
    assert [period_seconds(covered) for covered in (0.0, DAY, WEEK, 60 * DAY)] == [DAY, DAY, WEEK, WEEK]


def test_moved_line_is_the_same_event_later() -> None:
    """All times of an event move, its ids are new, and its bytes say the same."""
    line = moved(acted("A", ENDED_AT), WEEK, "-2")
    event = decode_event(line.value)
    assert event == line.event
    assert isinstance(event, Acted)
    assert (event.alert_id, event.action_id, line.at) == ("A-2", "A-1-2", ENDED_AT + WEEK)
    assert event.until == moment(ENDED_AT + WEEK + 3_600)


def test_ids_stay_within_their_limit() -> None:
    """An id of full length loses its end to the suffix."""
    event = moved(raised("i" * limits.ID_LENGTH, ENDED_AT), 0.0, "-12").event
    assert isinstance(event, Raised)
    assert event.alert_id == "i" * (limits.ID_LENGTH - 3) + "-12"


def days_of(lines: list[Line], ended_at: float = ENDED_AT) -> LastDays:
    """The last days of a log of more than a week."""
    last = max(line.at for line in lines if isinstance(line.event, Raised))
    return last_days(lines, last, ended_at, WEEK, shift_seconds(ended_at, WEEK, NOW), NOW)


def test_last_days_fill_the_time_up_to_now() -> None:
    """What happened again is in order, follows the moved log's end without a gap and ends now; acts on alerts from
    before the last days are left out."""
    hours = [raised(f"A{hour}", ENDED_AT - hour * 3_600.0 + 1.0) for hour in range(24 * 8, 0, -1)]
    lines = sorted([*hours, acted("A190", ENDED_AT - 7_000), acted("A3", ENDED_AT - 6_000)], key=lambda line: line.at)
    days = days_of(lines)
    past = [*days.earlier, *days.shown]
    times = [line.at for line in past]
    assert times == sorted(times)
    assert times[0] - (ENDED_AT + shift_seconds(ENDED_AT, WEEK, NOW)) <= 3_600.0
    assert 0.0 <= NOW - times[-1] <= 3_600.0
    assert days.earlier[-1].at <= NOW - WEEK < days.shown[0].at
    assert len(set(ids_of(past))) == len(ids_of(past))
    assert all(later - earlier <= 3_700.0 for earlier, later in pairwise(times))
    assert {line.event.alert_id.split("-")[0] for line in past if isinstance(line.event, Acted)} == {"A3"}
    following = days.upcoming.take(NOW)
    assert following.alert_id not in ids_of(past)
    assert following.at == moment(NOW)


@pytest.mark.parametrize("silence", [2 * DAY, 3 * WEEK])
def test_last_days_of_a_log_that_ends_in_silence(silence: float) -> None:
    """Where the log's end has no alerts its last ones come again all the same, and none of them before that end."""
    ended_at = ENDED_AT + silence + 5.0
    log = [raised("old", ENDED_AT - 20 * DAY), raised("A", ENDED_AT - 60.0), raised("B", ENDED_AT)]
    days = days_of([*log, acted("B", ended_at)], ended_at)
    past = [*days.earlier, *days.shown]
    end = ended_at + shift_seconds(ended_at, WEEK, NOW)
    assert all(end < line.at <= NOW for line in past)
    assert past == sorted(past, key=lambda line: line.at)
    assert [name.split("-")[0] for name in ids_of(days.shown)] in (["A", "B"], ["B", "A"])
    assert {days.upcoming.take(NOW).entity for _ in range(5)} == {"db-1"}


def test_upcoming_alerts_never_end_and_never_repeat_an_id() -> None:
    """After the last alert the first comes again, under a new id."""
    upcoming = Upcoming([Raised(moment(0.0), name, "payments", "disk", "db-1") for name in "ABC"], 1, 3)
    assert [upcoming.take(NOW).alert_id for _ in range(6)] == ["B-3", "C-3", "A-4", "B-4", "C-4", "A-5"]


def test_alert_of_the_same_rule_is_brought_forward() -> None:
    """The next alert of the team and rule and an entity without a verdict comes at once, then the others go on."""
    events = [
        raised("A", 0.0, "cpu"),
        raised("B", 0.0, "disk", "db-1"),
        raised("C", 0.0, "disk", "db-2"),
        raised("D", 0.0, "cpu"),
    ]
    alerts = [line.event for line in events if isinstance(line.event, Raised)]
    upcoming = Upcoming(alerts, 0, 2)
    upcoming.bring_forward("payments", "disk", "db-1")
    assert [upcoming.take(NOW).alert_id for _ in range(3)] == ["C-2", "A-2", "B-2"]
    assert not upcoming.is_wanted
    late = Upcoming(alerts, 3, 2)
    late.bring_forward("payments", "disk", "db-1")  # none is left in this round
    assert [late.take(NOW).alert_id for _ in range(2)] == ["C-3", "D-2"]
    late.bring_forward("payments", "no such rule", "db-1")
    assert late.take(NOW).alert_id == "A-3"


def test_an_alert_that_takes_its_rows_verdict_brings_none_forward() -> None:
    """With a verdict on each entity of a team and rule the alerts come in their order again."""
    alerts = [Raised(moment(0.0), name, "payments", "disk", f"db-{name}") for name in "ABC"]
    upcoming = Upcoming([*alerts, Raised(moment(0.0), "D", "payments", "cpu", "db-A")], 3, 1)
    taken = []
    for entity in ("db-A", "db-B", "db-C", "db-A", "db-B"):
        upcoming.bring_forward("payments", "disk", entity)
        taken.append(upcoming.take(NOW).alert_id)
    assert taken == ["B-2", "C-2", "D-1", "A-2", "D-2"]
    assert not upcoming.is_wanted


def test_buttons_write_kinds_that_the_problem_decides_by() -> None:
    """The usual kinds where they decide, else the first that do; a problem without one can't have a page."""
    usual = verdict_kinds(problem_of(["escalated", "worked"], ["closed", "dismissed"]))
    assert usual == {"acted": "worked", "dismissed": "dismissed"}
    own = verdict_kinds(problem_of(["remediated"], ["resolved@automation", "closed"]))
    assert own == {"acted": "remediated", "dismissed": "closed"}
    with pytest.raises(SettingsError, match="makes noise"):
        verdict_kinds(problem_of(["worked"], ["resolved@automation"]))
