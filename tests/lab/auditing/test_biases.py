"""Odd data is found where it was planted, and nowhere in a sound log."""

from collections.abc import Iterable
from datetime import timedelta

import pytest
from msgspec.structs import replace

from stream.core.events import Acted, Event, Raised
from stream.lab.auditing.audit import audit_replayed
from stream.lab.auditing.biases import LEAST, Actors, biases, episodes
from stream.lab.auditing.result import Finding
from stream.lab.replaying import Replayed, replay
from tests.lab.logs import START, acted, lines, raised, small_log, small_problem


def found(events: Iterable[Event], about: str, actionable: str = '["worked"]') -> list[Finding]:
    """The findings about one thing in events, brought in order of time."""
    actors = Actors()
    log = lines(sorted(events, key=lambda event: event.at))
    return [
        of
        for of in biases(replay(actors.watch(log), small_problem(actionable=actionable)), actors)
        if of.about == about
    ]


def by(events: Iterable[Event], agent: str | None, actor: str | None = None) -> list[Event]:
    """The events, their actions done by somebody."""
    return [replace(event, agent=agent, actor=actor) if isinstance(event, Acted) else event for event in events]


def test_nothing_warns_of_a_sound_log(small: Replayed) -> None:
    """Only that nobody says who acted, and how many episodes there are."""
    assert [finding.about for finding in biases(small)] == ["agents", "episodes"]
    assert not any(finding.warns for finding in biases(small))


def test_who_acted(small: Replayed) -> None:
    """Nobody says, only automation, people by kind, and a kind that both do."""
    log = small_log(300)
    (told,) = found(log, "agents")
    assert told.text.startswith("No action says who did it: all ")
    (told,) = found(by(log, "automation"), "agents")
    assert told.warns
    assert told.text.startswith("No action is by a person: of ")
    (told,) = found(by(log, "person"), "agents")
    assert not told.warns
    assert "worked@person" in told.text
    mixed = [*by(log[:200], "person"), *by(log[200:], "automation")]
    warned = [finding.text for finding in found(mixed, "agents") if finding.warns]
    assert len(warned) == 2
    assert "outcome.actionable lists 'worked', of which automation did" in warned[0]
    assert "'worked@person' counts people's only" in warned[0]
    assert len([of for of in found(mixed, "agents", '["worked@person"]') if of.warns]) == 1


@pytest.mark.parametrize("count", [LEAST - 1, LEAST])
def test_a_kind_that_both_do_is_told_of_enough_actions(count: int) -> None:
    """One action below the named number nothing is said of the share that automation did."""
    events = [raised(number, START + timedelta(minutes=number)) for number in range(count)]
    actions: list[Event] = [acted(number, START + timedelta(minutes=number, seconds=50)) for number in range(count)]
    mixed = sorted([*events, *by(actions[:9], "person"), *by(actions[9:], "automation")], key=lambda event: event.at)
    assert any(finding.warns for finding in found(mixed, "agents")) is (count == LEAST)


def test_a_program_among_people() -> None:
    """An actor that does a quarter of all actions within seconds of the raise is named; known automation is not."""
    log = small_log(200)
    at = {event.alert_id: event.at for event in log if isinstance(event, Raised)}
    quick = [
        replace(event, actor="robo", at=at[event.alert_id] + timedelta(seconds=2))
        if isinstance(event, Acted)
        else event
        for event in log
    ]
    assert "Actor 'robo' did" in found(quick, "agents")[-1].text
    assert not [of for of in found(by(quick, "automation", "robo"), "agents") if "robo" in of.text]


@pytest.mark.parametrize(
    ("team", "words"), [("TEAM-0", "'TEAM-0'"), ("te\u0430m-0", "'te\\u0430m-0'"), ("NULL", "'NULL'")]
)
def test_teams_that_are_one_or_none(team: str, words: str) -> None:
    """Look-alikes are shown with what tells them apart, and teams that mean nobody by name."""
    (told,) = found([*small_log(60), raised(999, START, team)], "teams")
    assert told.warns
    assert words in told.text


def test_an_export_of_what_was_touched_lately() -> None:
    """Few old alerts, most in the last weeks: that is said."""
    old = [raised(5_000 + n, START - timedelta(days=60 - n)) for n in range(50)]
    (told,) = found([*old, *small_log(600)], "extraction")
    assert told.warns
    assert told.text.startswith("600 of 650 alerts were raised in the last 10 of 64 days")


@pytest.mark.parametrize(("first", "second", "words"), [("worked", "dismissed", "because somebody acted"),
                                                        ("dismissed", "worked", "says too little")])  # fmt: skip
def test_a_shift_of_labels(first: str, second: str, words: str) -> None:
    """The share acted on in the oldest and in the newest fifth, with how many those are."""
    events: list[Event] = []
    for number in range(600):
        at = START + timedelta(minutes=30 * number)
        events.append(raised(number, at))
        events.append(acted(number, at + timedelta(minutes=5), kind=first if number < 300 else second))
    (told,) = found(events, "label shift")
    assert told.warns
    assert words in told.text
    assert "oldest 119 alerts" in told.text


@pytest.mark.parametrize("years", [73, -20])
def test_an_alert_of_another_age(years: int) -> None:
    """One alert far from all others, before or after, is a wrong clock."""
    (told,) = found([*small_log(200), raised(9_999, START.replace(year=START.year + years))], "times")
    assert told.warns
    assert f"1 alerts lie {abs(years) * 365:,}"[:14] in told.text


def test_times_in_the_future(small: Replayed) -> None:
    """Alerts that are raised after now, and a log that only ends there, each with the time."""
    (told,) = [of for of in biases(small, now=float(small.at[450])) if of.about == "times"]
    assert told.text.startswith("305 of 900 alerts were raised in the future, the last at 2026-01-11 05:50")
    late = replay(lines([raised(1, START), acted(1, START + timedelta(days=9))]), small_problem())
    (told,) = [of for of in biases(late, now=START.timestamp()) if of.about == "times"]
    assert told.text == "The log ends in the future, at 2026-01-14 00:00."
    assert not [of for of in biases(small, now=small.ended_at) if of.about == "times"]


def test_episodes_are_counted() -> None:
    """Firings within the hour of each other are one episode, of at most a day; another host is another episode."""
    chain = [raised(5 * n, START + timedelta(minutes=50 * n)) for n in range(40)]  # 32.5 h, one host
    other = [raised(1, START), raised(6, START + timedelta(minutes=61))]
    replayed = replay(lines(sorted([*chain, *other], key=lambda event: event.at)), small_problem())
    assert episodes(replayed) == 2 + 2
    assert audit_replayed(replayed).episodes == 4


def test_nothing_to_judge_by_is_a_finding() -> None:
    """The audit says it before training does, with the horizon that would work."""
    replayed = replay(lines(small_log(300)), small_problem(horizon_hours="30"))
    (told,) = [of for of in audit_replayed(replayed).findings if "can be judged by" in of.text]
    assert told.warns
    assert "set outcome.horizon_hours = " in told.text
