"""From outcomes to what a rule may do: one partition or several, in any order, in shadow and armed."""

import random
from collections.abc import Sequence

import msgspec
import pytest

from stream.core.ladder import Ladder, first_load
from stream.core.observations import HOUR, PROOF, Observation, OpenHours, add_outcome, hour_of, take_due
from stream.core.proof import Tally, draw
from stream.core.records import Outcome
from stream.core.rule_index import RuleIndex
from stream.core.rules import Placed
from stream.core.tallies import RuleTallies, matches, ready_models, total_starts
from tests.core.outcomes import DAY, MODEL, PROBLEM, T0, outcome
from tests.core.test_ladder import DAYS, PROVEN, make_rule, paused

SALT = "salt"
RULE = make_rule()
INDEX = RuleIndex([Placed(RULE, "a.toml", 1)])
TEAMS = ("payments", "search", "web", "mobile")


def month(days: int = 30, share: float = 0.0, seed: int = 1) -> list[Outcome]:
    """Four teams, an alert in every third hour of each, this share of them acted on."""
    rng = random.Random(seed)
    return [
        outcome(
            f"{team}-{hour}",
            T0 + hour * HOUR + number,
            "actionable" if rng.random() < share else "noise",
            team=team,
            episode=f"{team}-{hour}",
        )
        for hour in range(0, 24 * days, 3)
        for number, team in enumerate(TEAMS)
    ]


def fold(outcomes: Sequence[Outcome], ladder: Ladder, until: float) -> RuleTallies:
    """What a partition has counted of these outcomes by a moment."""
    hours = {team: OpenHours() for team in TEAMS}
    for one in outcomes:
        for _, models in matches(INDEX, one):
            add_outcome(hours[one.team], one, models)
    tallies = RuleTallies(ladder.version)
    due = [(found.hour, team, found) for team in TEAMS for found in take_due(hours[team], until, PROBLEM)]
    for _, team, found in sorted(due, key=lambda one: one[:2]):
        tallies.observe(ladder, found, team, SALT)
    return tallies


def test_a_quiet_month_proves_a_rule_and_its_model() -> None:
    """Four teams in shadow: every due hour is an observation, the champion is ready, and a person may arm the rule."""
    ladder = first_load(RULE, T0)
    tallies = fold(month(), ladder, T0 + 33 * DAY)
    found = total_starts([tallies])
    assert found[1].observations == len(month())
    assert ready_models([tallies], RULE.risk) == {MODEL}
    assert ladder.arm("pause", "eva", found, T0 + 33 * DAY).proof.state == "proven"


def test_partitions_and_orders_change_nothing() -> None:
    """Teams spread over two partitions, outcomes shuffled: the same sums, days and models."""
    outcomes, ladder = month(days=10, share=0.1), first_load(RULE, T0)
    whole = fold(outcomes, ladder, T0 + 20 * DAY)
    random.Random(3).shuffle(outcomes)
    halves = [
        fold([one for one in outcomes if one.team in teams], ladder, T0 + 20 * DAY) for teams in (TEAMS[:2], TEAMS[2:])
    ]
    assert fold(outcomes, ladder, T0 + 20 * DAY) == whole
    assert total_starts(halves) == total_starts([whole])
    assert ready_models(halves, 0.2) == ready_models([whole], 0.2) == {MODEL}


def test_an_armed_rule_counts_its_hold_out_only() -> None:
    """Of the hours after the arming those are observations whose draw is below the share, about half."""
    ladder = paused()
    armed = hour_of(T0 + 20 * DAY)
    tallies = fold(month(days=30), ladder, T0 + 60 * DAY)
    expected = [
        hour
        for hour in range(armed, hour_of(T0) + 24 * 30, 3)
        for team in TEAMS
        if draw(SALT, RULE.name, team, hour) < 0.5
    ]
    assert tallies.starts[2].observations == len(expected)
    assert tallies.starts[1].observations == len(expected) + 20 * 8 * len(TEAMS)
    assert tallies.trip > 0.0


def test_acts_in_the_hold_out_trip_the_rule() -> None:
    """Some held-out hours that were acted on whole are enough; in shadow none trips."""
    shadow, armed, counted = first_load(RULE, T0), paused(), 0
    tallies, untouched = RuleTallies(armed.version), RuleTallies(shadow.version)
    hour = hour_of(T0 + 20 * DAY)
    while not tallies.observe(armed, Observation(hour, PROOF, 1.0, 1), "payments", SALT):
        counted += draw(SALT, RULE.name, "payments", hour) < 0.5
        assert not untouched.observe(shadow, Observation(hour, PROOF, 1.0, 1), "payments", SALT)
        hour += 1
    assert 3 <= counted <= 8


def test_closures_that_were_wrong_trip_the_rule() -> None:
    """A right closure lowers the level; some wrong ones in a row trip."""
    tallies, ladder = RuleTallies(RULE.version), paused()
    assert not tallies.observe_closed(ladder, was_wrong=False)
    assert [tallies.observe_closed(ladder, was_wrong=True) for _ in range(8)][-1]


def test_a_challenger_is_observed_under_its_own_scores() -> None:
    """The proof counts what the champion's score matched; a challenger's tally what its own did."""
    both = outcome("A", T0, "noise", scores={MODEL: 0.04, "new": 0.5})
    other = outcome("B", T0, "noise", scores={MODEL: 0.5, "new": 0.04})
    assert [(one.rule.name, models) for one, models in matches(INDEX, both)] == [(RULE.name, [PROOF, MODEL])]
    assert [(one.rule.name, models) for one, models in matches(INDEX, other)] == [(RULE.name, ["new"])]


def test_only_the_first_rule_observes_an_alert() -> None:
    """The second rule that matches has no observation of it."""
    wide = Placed(make_rule(name="wide", match={"team": "*"}, max_probability=1.0), "b.toml", 1)
    index = RuleIndex([Placed(RULE, "a.toml", 1), wide])
    assert [one.rule.name for one, _ in matches(index, outcome("A", T0, "noise"))] == [RULE.name]
    assert [one.rule.name for one, _ in matches(index, outcome("A", T0, "noise", scores={MODEL: 0.5}))] == ["wide"]


@pytest.mark.parametrize("change", [{"by": "correction"}, {"team": "noisegate-drill"}])
def test_what_concerns_no_proof_matches_nothing(change: dict[str, str]) -> None:
    """Corrections and drills are observations of nothing."""
    assert matches(INDEX, outcome("A", T0, "noise", **change)) == []


def test_what_no_proof_rests_on_is_forgotten() -> None:
    """Tallies of starts that ended go; an edit also ends what models have shown; in shadow the trip begins anew."""
    ladder = paused()
    tallies = RuleTallies(ladder.version, {0: PROVEN, 1: PROVEN, 2: PROVEN}, {MODEL: PROVEN}, 5.0, 5.0)
    tallies.forget(ladder)
    assert (sorted(tallies.starts), tallies.trip) == ([1, 2], 5.0)
    ladder.edit(make_rule(risk=0.1), T0 + 21 * DAY)
    tallies.forget(ladder)
    assert (tallies.starts, tallies.models, tallies.trip, tallies.closed_trip) == ({}, {}, 0.0, 0.0)
    assert tallies.version == ladder.version


def test_tallies_pack_and_unpack() -> None:
    """What is kept in Redis is what was there, in few bytes."""
    tallies = RuleTallies("ec1c8a8d", {1: Tally(400, 3.25, DAYS)}, {MODEL: Tally(400, 3.25, DAYS)}, 1.5)
    packed = msgspec.msgpack.encode(tallies)
    assert msgspec.msgpack.decode(packed, type=RuleTallies) == tallies
    assert len(packed) < 120
