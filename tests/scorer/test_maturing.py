"""Decisions wait in cohorts: which, how long, and what is to be counted of them."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from stream.core.fold import Decided
from stream.core.ledger import ACTIONABLE, HELD_OUT, NOISE, UNKNOWN, Alert
from stream.core.state import NEVER
from stream.scorer.maturing import Maturing, cohort_seconds, verdicts_of
from stream.scorer.quality import Judged, Verdicts
from tests.scorer.logs import PROBLEM

SPAN = cohort_seconds(PROBLEM)
SCORE = [0.25, "likely_noise", "champion", "some", None, ["challenger", 0.75]]


def decided(due: float, outcome: int = NOISE, by: str = "dismissed", flags: int = 0) -> Decided:
    """A decision about an alert that is due then."""
    alert = Alert(0.0, "rule", "entity", (), due=due, last_outcome=1, score=SCORE)
    return Decided("team", f"alert-{due}", alert, outcome, 0.0, by, flags)


def maturing() -> Maturing:
    """With one group for all teams."""
    return Maturing(PROBLEM, {"all": ["*"]})


def size(verdicts: Verdicts) -> int:
    """How many alerts are to be counted."""
    return sum(len(one.codes) for one in verdicts.judged if one.role == "champion") + sum(verdicts.left_out.values())


@given(st.lists(st.floats(0.0, 100.0 * SPAN), max_size=30), st.floats(0.0, 100.0 * SPAN), st.floats(0.0, 100.0 * SPAN))
def test_every_decision_counts_now_or_waits_at_most_a_span_beyond_its_time(
    dues: list[float], time: float, since: float
) -> None:
    """Of all that does not lie before `since`, none counts before it is due, and none is lost."""
    verdicts, cohorts = maturing().part([decided(due) for due in dues], since, time, 9)
    ends = [(due // SPAN + 1) * SPAN for due in dues]
    assert size(verdicts) == sum(since <= end < time for end in ends)
    assert sorted((one.due, size(verdicts_of(one))) for one in cohorts.values()) == [
        (end, ends.count(end)) for end in sorted({*ends}) if end >= time and end >= since
    ]
    assert all(due < end <= due + 1.000001 * SPAN for due, end in zip(dues, ends, strict=True))


def test_batches_never_share_a_cohort() -> None:
    """Two batches' cohorts have keys of their own, under a team that no alert has."""
    keys = [key for end in (7, 8) for key in maturing().part([decided(0), decided(2 * SPAN)], NEVER, 0, end)[1]]
    assert len({*keys}) == 4
    assert {team for team, _ in keys} == {""}


def test_what_is_to_be_counted_comes_back_from_the_ledger() -> None:
    """Scores, outcomes and reasons of champion and challenger, as they were judged."""
    ones = [decided(0, ACTIONABLE, "worked", HELD_OUT), decided(0), decided(0, UNKNOWN, "closed_by_rule")]
    at_once, _ = maturing().part(ones, NEVER, 9 * SPAN, 1)
    _, cohorts = maturing().part(ones, NEVER, 0.0, 1)
    assert [verdicts_of(one) for one in cohorts.values()] == [at_once]
    champion = Judged("champion", "champion", "all", [0.25, 0.25], [6, 3])
    challenger = Judged("challenger", "challenger", "all", [0.75, 0.75], [6, 3])
    assert at_once == Verdicts([champion, challenger], {"closed_by_rule": 1})


def test_a_correction_changes_nothing_of_what_counts() -> None:
    """It is a second decision about an alert that waits, or counted, already."""
    assert maturing().part([decided(0, ACTIONABLE, "correction")], NEVER, 0.0, 1) == (Verdicts(), {})


def test_alerts_without_a_score_are_left_out() -> None:
    """Those that were folded without scoring, that no model scored, and that are visibility-only beside."""
    one = decided(0)
    bare = [
        replace(one, alert=replace(one.alert, score=score)) for score in (None, [None, "unscored", None, "", "", None])
    ]
    verdicts, _ = maturing().part([*bare, decided(0, flags=2), decided(0, flags=1)], NEVER, 9 * SPAN, 1)
    assert verdicts == Verdicts([], {"unscored": 2, "visibility_only": 1, "flood": 1})
