"""A proposed problem file: what a log's actions mean, a horizon by which they come, and text that reads back."""

from collections.abc import Iterable
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from stream.core.errors import LabError
from stream.core.events import Event
from stream.core.problem import parse_problem
from stream.lab.auditing import result
from stream.lab.log_checks import check_judging, judging_horizon
from stream.lab.replaying import replay
from stream.lab.split import judgeable, split_at_share
from stream.lab.suggestion import LEAST, Suggestion, suggest
from stream.lab.suggestion_text import problem_text
from tests.lab.logs import START, acted, lines, raised, small_log, small_problem

KINDS = ("worked", "dismissed", "closed", "acknowledged", "commented", "odd kind", "muted", "closed_by_rule", 'q"\n#]')


def suggested(events: Iterable[Event]) -> Suggestion:
    """The suggestion for events in order of time."""
    return suggest(lines(sorted(events, key=lambda event: event.at)))


def log_of(kinds: Iterable[tuple[str, str | None]], minutes: float = 20, alerts: int = 60) -> list[Event]:
    """An alert every hour; to each comes one of these actions, in turn."""
    turns = list(kinds)
    events: list[Event] = [raised(number, START + timedelta(hours=number)) for number in range(alerts)]
    for number in range(alerts):
        kind, agent = turns[number % len(turns)]
        action = acted(number, START + timedelta(hours=number, minutes=minutes), kind=kind)
        events.append(replace(action, agent=agent))
    return events


@pytest.mark.parametrize(
    ("kinds", "actionable", "noise"),
    [
        ([("worked", None), ("dismissed", None)], ["worked"], ["dismissed"]),
        ([("escalated", "person"), ("escalated", "automation"), ("closed", None)], ["escalated@person"], ["closed"]),
        ([("acknowledged", None), ("resolved", "automation")], ["acknowledged"], ["resolved"]),
        ([("reassigned", None), ("commented", "person")], ["reassigned", "commented"], []),
        ([("resolved", "person"), ("closed", "automation")], ["resolved"], ["closed"]),
        ([("worked", "automation"), ("acknowledged", "person")], ["acknowledged"], []),
    ],
)
def test_what_actions_mean(kinds: list[tuple[str, str | None]], actionable: list[str], noise: list[str]) -> None:
    """What people alone decide is narrowed to them, and where nobody worked the next best sign is taken."""
    found = suggested(log_of(kinds))
    assert (found.actionable, found.noise) == (actionable, noise)


def test_a_log_in_which_nobody_could_have_acted_is_refused() -> None:
    """Neither automation's actions nor kinds that mean nothing make a problem."""
    for kinds in ([("worked", "automation")], [("odd kind", None)]):
        with pytest.raises(LabError, match="no action in the log can mean that somebody acted; it has: "):
            suggested(log_of(kinds))
    with pytest.raises(LabError, match="no raised alert"):
        suggest([])


@pytest.mark.parametrize(("minutes", "horizon"), [(5, 0.25), (20, 0.5), (55, 1), (7 * 60, 8), (40 * 60, 12)])
def test_the_horizon_is_a_round_one_by_which_most_is_decided(minutes: float, horizon: float) -> None:
    """The first step by which 95 % is decided, and never more than a quarter of the log, which is said."""
    found = suggested(log_of([("worked", None), ("dismissed", None)], minutes))
    assert found.horizon_hours == horizon
    assert found.needed_hours == pytest.approx(minutes / 60)
    assert found.is_long_enough == (minutes < 40 * 60)
    assert ("needs a longer log" in problem_text(found, "log")) != found.is_long_enough


def words(found: Suggestion, tests: result.Tests | None = None) -> str:
    """The text of a suggestion without its line ends and comment signs."""
    return " ".join(problem_text(found, "log", tests).replace("#", "").split())


@pytest.mark.parametrize("count", [LEAST - 1, LEAST])
def test_shares_are_given_from_enough_alerts_on(count: int) -> None:
    """One decision or alert below the named number the text says so, and gives no share."""
    found = replace(suggested(log_of([("worked", None), ("dismissed", None)])), decisions=count, mature=count)
    text = words(found)
    assert ("are decided within" in text, "were acted on first" in text, "Always saying noise" in text) == (
        (count == LEAST,) * 3
    )
    assert (f"Only {count} alerts were decided by an action, {LEAST} are needed to tell" in text) is (count < LEAST)
    tests = result.Tests(
        split_at=START, trainable=50, trainable_rate=0.5, judged=count, judged_rate=0.5, always_noise_accuracy=0.5,
        target_detection=0.95, baselines=[result.Score("always_noise", 0.5, 0.05)],
    )  # fmt: skip
    assert ("one rate for all (always_noise) alone has an AUC" in words(found, tests)) is (count == LEAST)


def test_a_rule_is_proposed_from_enough_alerts_on() -> None:
    """A rule that nobody touched is named with the named number of alerts, and not with one less."""
    for count in (LEAST - 1, LEAST):
        events = log_of([("worked", None)])
        events += [raised(900 + n, START + timedelta(hours=n), rule="report") for n in range(count)]
        assert suggested(events).untouched == ([("report", count)] if count == LEAST else [])


def test_what_nobody_touched_is_named() -> None:
    """Rules without an action of a person, late actions, muted alerts and labels stand in the proposal."""
    events = log_of([("worked", None), ("dismissed", None)])
    events += [raised(900 + n, START + timedelta(hours=n), rule="report[1]", env=("a", "b")[n % 2]) for n in range(80)]
    events += [acted(900, START + timedelta(hours=1), kind="muted"), acted(0, START + timedelta(days=50))]
    found = suggested(events)
    assert (found.muted, found.ledger_days, found.labels) == (1, 50, {"env": 2})
    assert found.untouched == []  # a muted alert's action says no agent
    found = suggested([e for e in events if getattr(e, "kind", "") != "muted"])
    assert found.untouched == [("report[1]", 80)]
    text = problem_text(found, "log")
    assert '#    { rule = "report[[]1]" },  # 80 alerts' in text
    assert parse_problem(text.replace("#    { rule", "     { rule")).exclude.visibility_only[0].rule == "report[[]1]"


@settings()
@given(st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from([None, "person", "automation"])), max_size=6),
       st.floats(0.1, 5_000), st.text(max_size=20))  # fmt: skip
def test_every_proposal_reads_back(kinds: list[tuple[str, str | None]], minutes: float, name: str) -> None:
    """Whatever the log, the text is a problem file with the figures proposed, without control characters."""
    found = suggested(log_of([*kinds, ("worked", "person")], minutes, alerts=20))
    text = problem_text(found, name)
    problem = parse_problem(text)
    assert (problem.outcome.actionable, problem.outcome.noise) == (found.actionable, found.noise)
    assert problem.outcome.horizon_hours == found.horizon_hours
    assert all(line.isprintable() for line in text.splitlines())


def test_a_horizon_that_leaves_nothing_to_judge_by_names_one_that_does() -> None:
    """Before training, not after; and the horizon that is named gives alerts to judge by."""
    log = small_log(300)
    problem = small_problem(horizon_hours="30")
    replayed = replay(lines(log), problem)
    cut = split_at_share(replayed, 0.6)
    with pytest.raises(
        LabError, match=r"0 of \d+ alerts after the split can be judged by: .* outcome.horizon_hours = "
    ):
        check_judging(replayed, cut)
    hours = judging_horizon(replayed, cut)
    assert hours is not None
    again = replay(lines(log), small_problem(horizon_hours=str(hours)))
    assert judgeable(again, split_at_share(again, 0.6)).sum() >= 50


def test_a_log_that_ends_at_the_split_has_no_horizon() -> None:
    """Then only a longer log helps, and that is said."""
    replayed = replay(lines([*small_log(60)[:40]]), small_problem())
    cut = split_at_share(replayed, 0.99)
    with pytest.raises(LabError, match=r"\); take a log that goes on for longer"):
        check_judging(replayed, cut)
