"""What rules would have done in the past, and how long their proofs would take."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from stream.core.proof import alpha_of, more_needed
from stream.core.records import Outcome
from stream.core.rule_index import RuleIndex
from stream.lab.replaying import replay
from stream.lab.rule_backtest import Backtest, backtest, median_needed, plan, trip_delay
from stream.lab.rule_past import unmatched_rules
from stream.lab.scored_log import score_replayed
from stream.models.model import load_model
from tests.core.outcomes import HOUR, MODEL, PROBLEM, T0, enriched, outcome
from tests.core.test_rule_index import make_rules
from tests.lab import logs
from tests.lab.model_cache import small_model
from tests.scorer.memory_history import MemoryHistory
from tests.scorer.rig import Log, Rig

DISKS = RuleIndex(make_rules([({"rule": "disk_*"}, 0.1), ({"team": "payments"}, 0.3)]))


def past(count: int = 120, every_hours: float = 2.0, acted: frozenset[int] = frozenset()) -> list[Outcome]:
    """An alert of its own episode every two hours; of those with these numbers people acted on."""
    return [
        outcome(f"A{n}", T0 + n * every_hours * HOUR, "actionable" if n in acted else "noise", episode=f"e{n}")
        for n in range(count)
    ]


def held_against(outcomes: list[Outcome]) -> Backtest:
    """The rules of disks and payments held against outcomes."""
    return backtest(DISKS, outcomes, PROBLEM)


def test_the_first_rule_has_what_it_matched_and_what_people_acted_on() -> None:
    """Counts, the list, the weeks and the proof's words agree; the second rule has nothing of it."""
    found = held_against(past(acted=frozenset({5, 90})))
    first, second = found.rules
    assert (first.matched, first.would_act, first.acted, first.judged) == (120, 120, 2, 120)
    assert [one.alert_id for one in first.acted_on] == ["A5", "A90"]
    assert sum(week.would_act for week in first.weeks) == 120
    assert [f"{week.start:%F %a}" for week in first.weeks][:2] == ["2026-02-23 Mon", "2026-03-02 Mon"]
    assert (second.matched, second.proof.observations) == (0, 0)
    assert first.words.startswith("inconclusive: ")
    assert (found.alerts, found.unmatched, found.unscored) == (120, 0, 0)
    assert "can't prove it" in found.warning


def test_only_hours_that_are_due_are_observations() -> None:
    """Of the last two days nothing is an observation yet, whatever came of it."""
    first = held_against(past(count=120)).rules[0]
    assert first.proof.observations == pytest.approx((119 * 2 - 48) / 2, abs=2)
    assert first.observations_per_day == pytest.approx(12, rel=0.05)


def test_the_order_of_the_past_does_not_matter() -> None:
    """Outcomes come as they were decided; the result is by the time of the raise."""
    outcomes = past(acted=frozenset({3}))
    assert held_against(outcomes) == held_against(outcomes[::-1])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"flags": ["flood"]}, "its rule is in a flood"),
        ({"evidence": "none"}, "there is not enough history"),
        ({"severity": "critical"}, "the rule never acts on severity critical"),
    ],
)
def test_what_a_rule_never_acts_on_is_counted_by_reason(change: dict[str, Any], why: str) -> None:
    """It matched, and would have been left alone."""
    first = held_against([outcome("A", T0, "actionable", **change)]).rules[0]
    assert (first.matched, first.would_act, first.acted, first.blocked) == (1, 0, 0, {why: 1})


def test_the_limit_of_an_hour_holds_in_the_past_too() -> None:
    """Of thirty alerts in one hour twenty would have been acted on."""
    storm = [outcome(f"A{n}", T0 + n, "noise", episode=f"e{n}") for n in range(30)]
    first = held_against(storm).rules[0]
    assert (first.would_act, first.blocked) == (20, {"the rule's limit": 10})


def test_what_no_rule_matches_and_what_has_no_score_is_counted() -> None:
    """Another team's alert, one above every probability, one without a model; drills are left out."""
    found = held_against(
        [
            outcome("A", T0, "noise", rule="cpu", team="search"),
            outcome("B", T0, "noise", scores={MODEL: 0.9}),
            outcome("C", T0, "noise", model=None, scores={}),
            outcome("D", T0, "noise", team="noisegate-drill"),
        ]
    )
    assert (found.alerts, found.unmatched, found.unscored) == (3, 2, 1)


def test_no_past_is_a_report_too() -> None:
    """Without an outcome there are no dates, and every rule has zeros."""
    found = held_against([])
    assert (found.first, found.alerts, found.rules[0].observations_per_day) == (None, 0, 0.0)


def test_a_plan_follows_the_volume() -> None:
    """At twelve observations a day 173 without an act take a fortnight; half the hours take twice as long."""
    first = held_against(past(acted=frozenset({5}))).rules[0]
    planned = plan(first, 0.05)
    assert planned.proof_days == pytest.approx(173 / first.observations_per_day)
    assert planned.median_days is not None
    assert planned.second_days is not None
    assert planned.proof_days is not None
    assert planned.median_days > planned.proof_days
    assert planned.second_days > planned.median_days
    assert list(planned.notice_days) == ["50%", "20%", "10%", "5%"]
    days = [each or 0.0 for each in planned.notice_days.values()]
    assert days == sorted(days)
    assert days[3] == pytest.approx(10 * days[0])


def test_a_plan_without_volume_has_no_days() -> None:
    """A rule that matched nothing, or whose past share is above its limit, is never proven."""
    nothing = plan(held_against([]).rules[0], 0.05)
    assert (nothing.proof_days, nothing.median_days, nothing.notice_days["5%"]) == (None, None, None)
    bad = plan(held_against(past(acted=frozenset(range(0, 120, 5)))).rules[0], 0.3)
    assert (bad.median_days, list(bad.notice_days)) == (None, ["50%", "30%"])


@pytest.mark.parametrize("alpha", [0.05, alpha_of(1)])
def test_with_nothing_acted_on_the_median_is_what_the_proof_needs(alpha: float) -> None:
    """It is the same for each of the simulated rules."""
    assert median_needed(0.0, 0.05, alpha) == more_needed(0, 0.0, 0.05, alpha)


def test_half_of_the_rules_at_two_percent_are_proven_after_244() -> None:
    """At a limit of 5 % and an alpha of 5 %; at the limit half are never proven."""
    assert median_needed(0.02, 0.05, 0.05) == pytest.approx(244, abs=15)
    assert median_needed(0.05, 0.05, 0.05) is None


def test_the_trip_notices_a_tenfold_risk_soon() -> None:
    """At a limit of 5 % and a risk of 50 % after about 13 observations."""
    assert 11 < trip_delay(0.05, 0.5) < 14


def test_rules_that_match_nothing_are_named() -> None:
    """Whatever the scores: only the match counts."""
    index = RuleIndex(make_rules([({"rule": "disk_*"}, 0.01), ({"rule": "typo"}, 0.9)]))
    assert [one.rule.name for one in unmatched_rules(index, [enriched().alert])] == ["r1"]


@pytest.mark.slow
def test_a_scored_log_is_what_the_scorer_publishes(tmp_path: Path) -> None:
    """Probability, evidence, flags, episode and outcome of each alert equal the live room's on the same log."""
    events = logs.small_log()
    model = load_model(small_model(tmp_path, judged=False), logs.small_problem())
    scored = score_replayed(replay(logs.lines(events), logs.small_problem()), model)
    log = Log()
    for event in events:
        log.append(event)
    rig = Rig(log, logs.small_problem(), MemoryHistory(), model=model)
    rig.run((900,))
    live = {one.alert.alert_id: one for one in rig.publisher.enriched()}
    outcomes = {one.alert_id: one for one in rig.publisher.outcomes()}
    assert 0 < len(scored.enriched) == 900 - scored.learnt
    for one, result in zip(scored.enriched, scored.outcomes, strict=True):
        there = live[one.alert.alert_id]
        assert there.why is not None
        why = replace(there.why, like=None, push=None)  # words for people
        assert (one.episode, one.flags, one.why) == (there.episode, there.flags, why)
        assert one.score.evidence == there.score.evidence
        assert one.score.probability == pytest.approx(there.score.probability, abs=1e-12)
        if result is not None:
            assert result.outcome == outcomes[result.alert_id].outcome
            assert result.labels == outcomes[result.alert_id].labels
    assert any(result is not None for result in scored.outcomes)
