"""Outcomes into observations: one a team's hour, whatever order outcomes come in."""

import random
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core import observations
from stream.core.observations import PROOF, Observation, OpenHours, add_outcome, due_at, take_due
from stream.core.proof import Tally
from stream.core.records import Flag, Outcome, OutcomeName
from tests.core.outcomes import HOUR, PROBLEM, T0, outcome

FIRST = observations.hour_of(T0)


def observe(outcomes: Iterable[Outcome], at: float = T0 + 60 * HOUR) -> list[Observation]:
    """What a rule observes of outcomes by a moment."""
    hours = OpenHours()
    for one in outcomes:
        add_outcome(hours, one, [PROOF])
    return list(take_due(hours, at, PROBLEM))


@pytest.mark.parametrize("hosts", [20, 200])
@pytest.mark.parametrize("name", ["actionable", "noise"])
def test_a_storm_is_one_observation(hosts: int, name: OutcomeName) -> None:
    """20 or 200 entities that fire in one hour, acted on whole or not at all, are one observation with x of 1 or 0."""
    storm = [outcome(f"A{host}", T0 + host, name, episode=f"e{host}") for host in range(hosts)]
    assert observe(storm) == [Observation(FIRST, PROOF, 1.0 if name == "actionable" else 0.0, hosts)]


NAMES: tuple[OutcomeName, ...] = ("noise", "actionable", "noise")


def test_x_is_the_share_of_episodes_of_which_any_alert_was_acted_on() -> None:
    """Of four episodes one was acted on, at its second alert of three: x = 0.25; alerts do not weigh."""
    alerts = [outcome(f"A{n}", T0 + n, "noise", episode=f"e{n}") for n in range(3)]
    alerts += [outcome(f"B{n}", T0 + 60 * n, name, episode="e9") for n, name in enumerate(NAMES)]
    assert observe(alerts) == [Observation(FIRST, PROOF, 0.25, 4)]


def test_an_episode_belongs_to_the_hour_of_its_first_raise() -> None:
    """An act on an alert of an episode hours later counts in the hour in which the episode began."""
    found = observe([outcome("A2", T0 + 5 * HOUR, "actionable", episode="e"), outcome("A1", T0, "noise", episode="e")])
    assert found == [Observation(FIRST, PROOF, 1.0, 1)]


@pytest.mark.parametrize("flag", ["flood", "visibility_only", "maintenance"])
def test_what_people_should_not_read_is_left_out(flag: Flag) -> None:
    """Floods, visibility-only alerts and maintenance are no episodes; an hour of nothing else is no observation."""
    left_out = outcome("A1", T0, "actionable", flags=[flag])
    assert observe([left_out]) == []
    assert observe([left_out, outcome("A2", T0 + 1, "noise", episode="other")])[0].acted == 0.0


@pytest.mark.parametrize(
    ("change", "names_label", "counted"),
    [
        ({"evidence": "none"}, False, 0),
        ({"flags": ["labels_cut"]}, True, 0),
        ({"flags": ["labels_cut"]}, False, 1),
    ],
)
def test_what_no_rule_acts_on_is_no_evidence(change: dict[str, Any], names_label: bool, counted: int) -> None:
    """Alerts without history, and those with cut labels where the rule names one, only begin their episode."""
    hours = OpenHours()
    add_outcome(hours, outcome("A1", T0, "actionable", **change), [PROOF], names_label)
    assert len(list(take_due(hours, T0 + 60 * HOUR, PROBLEM))) == counted
    add_outcome(hours, outcome("B1", T0 + 70 * HOUR, "noise", episode="f", **change), [PROOF], names_label)
    add_outcome(hours, outcome("B2", T0 + 72 * HOUR, "noise", episode="f"), [PROOF], names_label)
    assert [one.hour - FIRST for one in take_due(hours, T0 + 200 * HOUR, PROBLEM)] == [70]


def test_an_unknown_outcome_is_no_evidence() -> None:
    """What was paused, closed or shown to nobody has no outcome of people, and is in no x."""
    found = observe([outcome("A1", T0, "unknown"), outcome("A2", T0 + 1, "noise", episode="other")])
    assert found == [Observation(FIRST, PROOF, 0.0, 1)]


@pytest.mark.parametrize(
    ("change", "counted"),
    [({}, True), ({"evidence": "none"}, True), ({"by": "correction"}, False), ({"team": "noisegate-drill"}, False)],
)
def test_what_a_proof_may_count(change: dict[str, str], counted: bool) -> None:
    """No correction and no drill concerns a proof."""
    assert observations.is_observed(outcome("A", T0, "noise", **change)) is counted


def test_an_hour_is_due_at_its_end_and_a_day_and_horizon_and_grace() -> None:
    """Not a second before, so that a fast act does not run ahead of a slow expiry."""
    due = due_at(FIRST, PROBLEM)
    assert due == (FIRST + 1) * HOUR + 24 * HOUR + PROBLEM.due_seconds
    acted = [outcome("A1", T0, "actionable")]
    assert observe(acted, due - 1.0) == []
    assert len(observe(acted, due)) == 1


def test_what_comes_after_its_hour_was_observed_changes_nothing() -> None:
    """A late outcome is counted as late and makes no second observation of the hour."""
    hours = OpenHours()
    add_outcome(hours, outcome("A1", T0, "noise"), [PROOF])
    assert len(list(take_due(hours, due_at(FIRST, PROBLEM), PROBLEM))) == 1
    add_outcome(hours, outcome("A2", T0 + 1, "actionable"), [PROOF])
    assert (hours.late, list(take_due(hours, T0 + 90 * HOUR, PROBLEM))) == (1, [])


def test_each_model_is_observed_by_its_own_matches() -> None:
    """A challenger whose scores match other alerts has observations of its own beside the proof's."""
    hours = OpenHours()
    add_outcome(hours, outcome("A1", T0, "noise", episode="e1"), [PROOF, "old", "new"])
    add_outcome(hours, outcome("A2", T0 + 1, "actionable", episode="e2"), ["new"])
    found = {one.model: one.acted for one in take_due(hours, T0 + 60 * HOUR, PROBLEM)}
    assert found == {PROOF: 0.0, "old": 0.0, "new": 0.5}


ALERTS = st.lists(
    st.tuples(st.integers(0, 20 * 3600), st.sampled_from(["actionable", "noise", "unknown"]), st.integers(0, 6)),
    max_size=30,
)


def outcomes_of(alerts: Sequence[tuple[int, str, int]]) -> list[Outcome]:
    """An outcome of each drawn alert: seconds after the start, outcome, episode."""
    return [
        outcome(f"A{n}", T0 + seconds, name, episode=f"e{episode}")  # type: ignore[arg-type]
        for n, (seconds, name, episode) in enumerate(alerts)
    ]


@given(ALERTS, st.integers(0, 1_000))
def test_the_order_of_outcomes_changes_nothing(alerts: list[tuple[int, str, int]], seed: int) -> None:
    """Any order of outcomes, and looks in between before anything is due, give the same observations and tally."""
    outcomes = outcomes_of(alerts)
    straight = observe(outcomes)
    random.Random(seed).shuffle(outcomes)
    hours = OpenHours()
    for one in outcomes:
        add_outcome(hours, one, [PROOF])
        assert list(take_due(hours, T0 + HOUR, PROBLEM)) == []
    mixed = list(take_due(hours, T0 + 60 * HOUR, PROBLEM))
    assert mixed == straight
    tallies = [Tally(), Tally()]
    for tally, found in zip(tallies, (straight, mixed), strict=True):
        for observed in found:
            tally.add(observed.acted, observed.hour)
    assert tallies[0] == tallies[1]


@given(ALERTS)
def test_shares_are_shares(alerts: list[tuple[int, str, int]]) -> None:
    """Each x lies in [0, 1], no hour comes twice, and nothing is kept of what was observed."""
    hours = OpenHours()
    for one in outcomes_of(alerts):
        add_outcome(hours, one, [PROOF])
    found = list(take_due(hours, T0 + 90 * HOUR, PROBLEM))
    assert all(0.0 <= one.acted <= 1.0 and one.episodes > 0 for one in found)
    assert len({one.hour for one in found}) == len(found)
    assert hours.episodes == {}
