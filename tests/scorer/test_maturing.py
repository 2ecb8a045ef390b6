"""Verdicts wait in timers: which, how long, and what is to be counted of them."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from stream.core.effects import Decided
from stream.core.errors import HistoryRefused
from stream.core.kinds import DRILL_TEAM
from stream.core.ledger import ACTIONABLE, HELD_OUT, MAINTENANCE, NOISE, UNKNOWN, Alert, Timer
from stream.core.state import NEVER
from stream.scorer.metrics.maturity import PAYLOAD_VERSION, MaturityQueue, verdicts_of, wait_seconds
from stream.scorer.metrics.verdicts import Judged, Verdicts
from tests.scorer.logs import PROBLEM
from tests.scorer.rig import size

WAIT = wait_seconds(PROBLEM)
DUES = st.floats(0.0, 50.0 * WAIT)
SCORE = [0.25, "likely_noise", "champion", "some", None, ["challenger", 0.75]]


def decided(due: float, outcome: int = NOISE, by: str = "dismissed", flags: int = 0, offset: int = 0) -> Decided:
    """A decision about an alert that is due then."""
    alert = Alert(0.0, "rule", "entity", (), due=due, last_outcome=1, score=SCORE)
    return Decided("team", f"alert-{due}", alert, outcome, 0.0, by, flags, offset)


def maturing() -> MaturityQueue:
    """With one group for all teams."""
    return MaturityQueue(PROBLEM, {"all": ["*"]})


def counts_at(due: float, offset: int) -> float:
    """When an alert that is due then, and was decided at this offset, counts."""
    (timer,) = maturing().part([decided(due, offset=offset)], NEVER, NEVER, "1")[1].values()
    return timer.due


@given(st.lists(st.tuples(DUES, st.integers(0, 10_000)), max_size=30), DUES, DUES)
def test_every_decision_counts_at_its_moment_whatever_stands_beside_it(
    ones: list[tuple[float, int]], time: float, since: float
) -> None:
    """None before it is due, none much later; of what does not lie before `since` none is lost, or counts twice."""
    verdicts, timers = maturing().part([decided(due, offset=offset) for due, offset in ones], since, time, "9")
    moments = [counts_at(*one) for one in ones]
    assert size(verdicts) == sum(since <= moment < time for moment in moments)
    waiting = Counter(moment for moment in moments if moment >= time and moment >= since)
    assert {one.due: size(verdicts_of(one)) for one in timers.values()} == waiting
    assert all(due <= moment <= due + 1.000001 * WAIT for moment, (due, _) in zip(moments, ones, strict=True))


def test_what_is_decided_over_a_long_time_does_not_count_at_one_moment() -> None:
    """Of a million decisions about alerts due together, each 2,048 have a moment of their own, evenly spread."""
    moments = np.array([counts_at(0.0, offset) for offset in range(0, 1_000_000, 2_048)])
    assert len(np.unique(moments)) == len(moments)
    parts = np.histogram(moments, bins=200, range=(moments.min(), moments.max() + 1e-6))[0]
    assert parts.max() * 2_048 < 10_000
    assert parts.min() > 0


def test_batches_never_share_a_timer() -> None:
    """Two batches' timers have names of their own."""
    names = [
        name for batch in ("7", "8") for name in maturing().part([decided(0), decided(2 * WAIT)], NEVER, 0, batch)[1]
    ]
    assert len({*names}) == len(names) == 4


def test_what_is_to_be_counted_comes_back_from_the_ledger() -> None:
    """Scores, outcomes and reasons of champion and challenger, as they were judged."""
    ones = [decided(0, ACTIONABLE, "worked", HELD_OUT), decided(0), decided(0, UNKNOWN, "closed_by_rule")]
    at_once, _ = maturing().part(ones, NEVER, 9 * WAIT, "1")
    _, timers = maturing().part(ones, NEVER, 0.0, "1")
    assert [verdicts_of(one) for one in timers.values()] == [at_once]
    champion = Judged("champion", "champion", "all", [0.25, 0.25], [6, 3])
    challenger = Judged("challenger", "challenger", "all", [0.75, 0.75], [6, 3])
    assert at_once == Verdicts([champion, challenger], {"closed_by_rule": 1})


def test_verdicts_of_a_newer_noisegate_are_refused() -> None:
    """They can't be read, and are not left out in silence."""
    (timer,) = maturing().part([decided(0)], NEVER, 0.0, "1")[1].values()
    with pytest.raises(HistoryRefused, match="verdicts of version 2"):
        verdicts_of(Timer(timer.due, PAYLOAD_VERSION + 1, timer.payload))


def test_a_drill_counts_neither_at_once_nor_later() -> None:
    """Alerts of the drill team are folded and scored, and are in no figure."""
    drill = replace(decided(0), team=DRILL_TEAM)
    assert (
        maturing().part([drill], NEVER, 9 * WAIT, "1") == maturing().part([drill], NEVER, 0.0, "1") == (Verdicts(), {})
    )


@pytest.mark.parametrize(
    ("outcome", "by", "flags", "reason"),
    [
        (UNKNOWN, "paused_by_rule", 0, "paused_by_rule"),
        (UNKNOWN, "maintenance", MAINTENANCE, "maintenance"),
        (UNKNOWN, "expiry", 0, "unknown_outcome"),
    ],
)
def test_what_has_no_human_outcome_is_left_out_by_why(outcome: int, by: str, flags: int, reason: str) -> None:
    """Each reason has a count of its own."""
    assert maturing().part([decided(0, outcome, by, flags)], NEVER, 9 * WAIT, "1")[0] == Verdicts([], {reason: 1})


def test_a_correction_changes_nothing_of_what_counts() -> None:
    """It is a second decision about an alert that waits, or counted, already."""
    assert maturing().part([decided(0, ACTIONABLE, "correction")], NEVER, 0.0, "1") == (Verdicts(), {})


def test_alerts_without_a_score_are_left_out() -> None:
    """Those that were folded without scoring, that no model scored, and that are visibility-only beside."""
    one = decided(0)
    bare = [
        replace(one, alert=replace(one.alert, score=score)) for score in (None, [None, "unscored", None, "", "", None])
    ]
    verdicts, _ = maturing().part([*bare, decided(0, flags=2), decided(0, flags=1)], NEVER, 9 * WAIT, "1")
    assert verdicts == Verdicts([], {"unscored": 2, "visibility_only": 1, "flood": 1})
