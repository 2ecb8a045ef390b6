"""From outcomes to what rules are judged by: in any order, with any crash; trips; near-misses."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.closer.tallies import PartTallies
from stream.core.observations import HOUR, due_at, hour_of
from stream.core.proof import TRIP_LEVEL, Tally, draw
from stream.core.records import OutcomeName
from stream.core.tallies import RuleTallies
from tests.closer.judges import DUE, RULE, SALT, TEAMS, Judges, armed, change, closing, hourly
from tests.core.outcomes import DAY, PROBLEM, T0, outcome
from tests.core.test_ladder import DAYS, make_rule, paused
from tests.scorer.rig import LogRecord


@pytest.mark.slow
@given(seed=st.integers(0, 10_000))
def test_the_order_of_outcomes_changes_nothing(seed: int) -> None:
    """Outcomes shuffled among all that come before their hours are due, in batches of any size: the same parts."""
    rng, first = random.Random(seed), hour_of(T0) + 1
    outcomes = hourly(range(first, first + 12), lambda team, hour: (hour + len(team)) % 5 == 0)
    outcomes += hourly(range(first, first + 12), teams=TEAMS[:2], rule="disk_slow", flags=["held_out"])
    shuffled = rng.sample(outcomes, len(outcomes))
    found = []
    for given_ in (outcomes, shuffled):
        judges = Judges(RULE)
        judges.wake()
        judges.now = T0 + 14 * HOUR
        rest = list(given_)
        while rest:
            size = rng.randint(1, 20)
            judges.take(rest[:size])
            rest = rest[size:]
        judges.now = T0 + 14 * HOUR + DUE + 7 * HOUR
        judges.wake()
        found.append([dict(sorted(parts.items())) for parts in judges.written])
    assert found[0] == found[1]


@pytest.mark.slow
@given(seed=st.integers(0, 10_000))
def test_a_crash_anywhere_changes_nothing(seed: int) -> None:
    """Partitions taken over between any two batches, some of which were lost and came again: the same parts."""
    first, found = hour_of(T0) + 1, []
    for crashes in (False, True):
        rng, judges = random.Random(seed), Judges(RULE)
        judges.wake()
        for hour in range(0, 78, 6):
            judges.now = T0 + (hour + 6) * HOUR
            batch = hourly(range(first + hour, first + hour + 6, 2), lambda team, hour: hour % 7 == 0)
            if crashes and rng.random() < 0.3:
                judges.take(batch[: rng.randint(0, len(batch))], is_written=False)
                for partition in range(2):
                    judges.crash(partition)
            judges.take(batch)
            judges.wake()
            if crashes and rng.random() < 0.3:
                judges.crash(rng.randint(0, 1))
        found.append(judges)
    without, crashed = found
    assert crashed.written == without.written
    assert crashed.standing(RULE.name) == without.standing(RULE.name)
    assert crashed.log() == without.log()


def test_a_scorer_that_catches_up_does_not_make_outcomes_run_ahead() -> None:
    """Two days of outcomes that come at once, in the order of their own time, are all observed."""
    judges, first = Judges(RULE, partitions=1), hour_of(T0) + 1
    judges.wake()
    hours = range(first, first + 96)
    judges.now = (first + 97) * HOUR
    judges.take(hourly(hours, teams=["web"]))
    judges.now += 61.0
    judges.wake()
    due = sum(due_at(hour, PROBLEM) <= hours[-1] * HOUR + 60.0 + HOUR for hour in hours)
    assert due > 40
    assert judges.standing(RULE.name).verdict.proof.observations == due


def test_held_out_hours_that_people_act_on_trip_the_rule() -> None:
    """The other partition sees it, the owner trips within a minute, and a person can't arm it before a new proof."""
    judges = armed()
    first = hour_of(judges.now) + 1
    judges.now = (first + 25) * HOUR
    judges.take(hourly(range(first, first + 24), lambda team, hour: True, teams=["web"]))
    judges.now += DUE + 7 * HOUR
    judges.wake()
    judges.now += 61.0
    judges.wake()
    standing = judges.standing(RULE.name)
    assert (standing.verdict.mode, standing.verdict.proof.state) == ("shadow", "failed")
    assert judges.log()[-1].what == "tripped"
    assert judges.metrics.registry.get_sample_value("noisegate_rule_trips_total", {"rule": RULE.name}) == 1.0
    held = sum(draw(SALT, RULE.name, "web", hour) < 0.5 for hour in range(first, first + 24))
    seen = judges.metrics.registry.get_sample_value("noisegate_rule_holdout_observations_total", {"rule": RULE.name})
    assert seen == held
    refused = judges.order("arm", RULE.name, "pause", "again")
    assert not refused.done
    for _ in range(5):
        judges.now += 61.0
        judges.wake()
    assert [one.what for one in judges.log()].count("tripped") == 1


def test_a_wall_clock_that_ran_ahead_for_a_moment_does_not_blind_the_trip() -> None:
    """Hours that were let go of too early are open again once the clock is right."""
    judges = armed()
    first = hour_of(judges.now) + 1
    judges.now += 30 * DAY
    judges.wake()
    judges.now -= 30 * DAY
    judges.wake()
    judges.now = (first + 25) * HOUR
    judges.take(hourly(range(first, first + 24), lambda team, hour: True, teams=["web"]))
    judges.now += DUE + 7 * HOUR
    judges.wake()
    judges.now += 61.0
    judges.wake()
    assert judges.standing(RULE.name).verdict.proof.state == "failed"


def test_a_trip_that_better_hours_follow_is_seen_all_the_same() -> None:
    """Hours observed at once: some bad ones that trip, then quiet ones, before the owner looks."""
    judges = armed()
    first = hour_of(judges.now) + 1
    judges.now = (first + 73) * HOUR
    hours = range(first, first + 72)
    judges.take(hourly(hours, lambda team, hour: hour < first + 19, teams=["web"]))
    judges.now += DUE + 7 * HOUR
    judges.wake()
    judges.now += 61.0
    judges.wake()
    assert [one.what for one in judges.log()].count("tripped") == 1
    assert "people acted on too much of what it left alone" in judges.log()[-1].sentence


@pytest.mark.slow
def test_closures_that_are_reopened_trip_the_rule_at_once() -> None:
    """Some wrong closures in a row are enough, without waiting for their hours; right ones alone change nothing."""
    judges = closing()
    hour = hour_of(judges.now) + 1
    judges.now = (hour + 20) * HOUR
    closed = hourly(range(hour, hour + 20), teams=["web"], by="closed_by_rule")
    judges.take([change(one, outcome="unknown") for one in closed])
    judges.now += 61.0
    judges.wake()
    assert judges.standing(RULE.name).verdict.mode == "close"
    judges.take([change(one, outcome="actionable", by="correction") for one in closed[:10]])
    judges.now += 61.0
    judges.wake()
    assert judges.log()[-1].sentence == (
        f"rule {RULE.name} tripped and is back in shadow: too many of its closures were reopened or acted on"
    )
    assert judges.standing(RULE.name).verdict.mode == "shadow"


@pytest.mark.slow
def test_closures_that_nobody_corrects_are_right_once_their_hour_is_due() -> None:
    """They are let go of then, and the trip's level is that of right closures."""
    judges = closing()
    hour = hour_of(judges.now) + 1
    judges.now = (hour + 20) * HOUR
    closed = hourly(range(hour, hour + 20), teams=["web"], by="closed_by_rule")
    judges.take([change(one, outcome="unknown") for one in closed])
    judges.now += DUE + 7 * HOUR
    judges.wake()
    partition = judges.partition_of("web")
    assert not any(name.startswith("closed:") for name in judges.written[partition])
    assert judges.standing(RULE.name).verdict.mode == "close"


@pytest.mark.parametrize("first", ["suppressed", "acted"])
def test_a_near_miss_is_counted_whichever_outcome_comes_first(first: str) -> None:
    """People acted on an alert of the same entity within two hours of a pause; another entity or hour is none."""
    judges = armed()
    at = (hour_of(judges.now) + 1) * HOUR
    pause = outcome("P", at, "unknown", by="paused_by_rule", episode="p", flags=[])
    acted = [
        outcome("A", at + 1.5 * HOUR, "actionable", episode="a"),
        outcome("B", at + 1.5 * HOUR, "actionable", episode="b", entity="other"),
        outcome("C", at + 3.0 * HOUR, "actionable", episode="c"),
    ]
    judges.now = at + 4 * HOUR
    judges.take([pause, *acted] if first == "suppressed" else [*acted, pause])
    misses = judges.metrics.registry.get_sample_value("noisegate_near_misses_total", {"rule": RULE.name})
    assert misses == 1.0
    judges.now = at + 10 * HOUR + DUE
    judges.wake()
    judges.now += 61.0
    judges.wake()
    near = judges.standing(RULE.name).near_misses
    assert (near.suppressed, near.after_suppressed) == (1, 1)


def test_the_base_rate_of_near_misses_is_of_what_was_held_out() -> None:
    """Of two alerts left alone, one was followed by one that people acted on within two hours, the other later."""
    judges = armed()
    at = (hour_of(judges.now) + 1) * HOUR
    judges.now = at + 12 * HOUR
    judges.take(
        [
            outcome("H1", at, "noise", episode="h1", flags=["held_out"]),
            outcome("H2", at + 6 * HOUR, "noise", episode="h2", flags=["held_out"]),
            outcome("A", at + HOUR, "actionable", episode="a"),
            outcome("B", at + 9 * HOUR, "actionable", episode="b"),
        ]
    )
    judges.now = at + 20 * HOUR + DUE
    judges.wake()
    judges.now += 61.0
    judges.wake()
    near = judges.standing(RULE.name).near_misses
    assert (near.held_out, near.after_held_out, near.suppressed) == (2, 1, 0)


def test_while_redis_is_away_nothing_changes() -> None:
    """No rule is judged and no hour lost: what is due is done once Redis answers."""
    judges = Judges(RULE)
    judges.wake()
    first = hour_of(T0) + 1
    judges.now = T0 + 10 * HOUR
    judges.take(hourly(range(first, first + 8)))
    judges.state.away = True
    judges.now += DUE + 20 * HOUR
    judges.wake()
    judges.state.away = False
    judges.wake()
    judges.now += 61.0
    judges.wake()
    assert judges.standing(RULE.name).verdict.proof.observations == 8 * 4


def test_what_is_no_outcome_is_handed_over_with_the_reason() -> None:
    """Unreadable records are left out and named, once each."""
    judges = Judges(RULE, partitions=1)
    judges.folds[0].take([LogRecord(1, 1, None, b"{"), LogRecord(2, 1, None, b'{"team": 1}')], T0)
    failed = judges.folds[0].take_failed()
    assert [(record.offset, error.reason) for record, error in failed] == [(1, "not_json"), (2, "bad_field")]
    assert judges.folds[0].take_failed() == []


def test_an_outcome_after_its_hour_was_observed_counts_no_more() -> None:
    """Nor in the hands of the next worker, which knows from the state which hours are over."""
    judges, first = Judges(RULE), hour_of(T0) + 1
    judges.wake()
    judges.now = (first + 2) * HOUR
    judges.take(hourly([first]))
    judges.now = due_at(first, PROBLEM) + 7 * HOUR
    judges.wake()
    for partition in range(2):
        judges.crash(partition)
    judges.take(hourly([first], episode="late"))
    judges.now += DAY
    judges.wake()
    judges.now += 61.0
    judges.wake()
    assert judges.standing(RULE.name).verdict.proof.observations == len(TEAMS)


@pytest.mark.parametrize(("acted", "share"), [(20, 1.0), (5, 0.25), (0, 0.0)])
def test_an_hour_is_one_observation_however_its_episodes_are_kept(acted: int, share: float) -> None:
    """Twenty episodes of one team and hour: one observation, of the share that people acted on."""
    judges, hour = Judges(RULE), hour_of(T0) + 1
    judges.wake()
    judges.now = (hour + 2) * HOUR
    names: list[OutcomeName] = ["actionable" if number < acted else "noise" for number in range(20)]
    judges.take([outcome(f"A{n}", hour * HOUR + n, name, episode=f"e{n}") for n, name in enumerate(names)])
    judges.now = due_at(hour, PROBLEM) + 7 * HOUR
    judges.wake()
    judges.now += 61.0
    judges.wake()
    proof = judges.standing(RULE.name).verdict.proof
    assert (proof.observations, proof.acted) == (1, share)


def test_a_level_of_an_earlier_arming_trips_nothing() -> None:
    """What a partition counted before a trip, and did not let go of since, is not held against the next arming."""
    ladder = paused()
    part = PartTallies(RuleTallies(ladder.version), ladder.armed_since())
    part.counts.trip = TRIP_LEVEL
    assert part.tripped(ladder) is not None
    ladder.trip("it tripped", T0 + 30 * DAY)
    assert part.tripped(ladder) is None
    number = ladder.standing.number
    ladder.arm("pause", "eva", {number: Tally(900, 0.0, DAYS)}, T0 + 60 * DAY)
    assert part.tripped(ladder) is None
    part.follow(ladder)
    assert (part.counts.trip, part.armed_since) == (0.0, ladder.armed_since())


def test_hours_of_a_version_that_nobody_has_any_more_are_let_go_of() -> None:
    """An edit leaves open hours behind, which go with the next hour that is observed."""
    judges, first = Judges(RULE, partitions=1), hour_of(T0) + 1
    judges.wake()
    judges.now = (first + 2) * HOUR
    judges.take(hourly([first + 1]))
    assert any(name.startswith("hours:") for name in judges.written[0])
    judges.load_rules(make_rule(mode="close", expires=None, risk=0.1))
    for _ in range(2):
        judges.now += 10 * HOUR
        judges.wake()
    assert not any(name.startswith("hours:") for name in judges.written[0])
