"""Decisions: what a rule does, and everything that keeps it from acting."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core import proof
from stream.core.decisions import Brakes, Situation, TeamActs, decide, why_stopped
from stream.core.ladder import Verdict
from stream.core.observations import hour_of
from stream.core.records import Decision, Enriched, Mode, Proof
from stream.core.rule_index import RuleIndex
from stream.core.rules import Placed, Rule
from tests.core.outcomes import DAY, HOUR, MODEL, T0, enriched

NAME = "disks"
ACTS = ("pause", "close")
SALT = next(str(n) for n in range(99) if proof.draw(str(n), NAME, "payments", hour_of(T0)) > 0.5)  # T0 is not held out
PROVEN = Proof(200, 0.0, 0.03, 0.05, "proven")


def make_rule(**change: Any) -> Rule:
    """A rule that may close."""
    table = {"name": NAME, "owner": "payments", "match": {"rule": "disk_*"}, "max_probability": 0.1, "mode": "close"}
    return msgspec.convert({**table, "never_severity": ["critical"], **change}, Rule)


def situation(
    mode: Mode = "pause", share: float = 0.5, ready: Mapping[str, frozenset[str]] | None = None, **change: Any
) -> Situation:
    """One rule that may do `mode`; `change` are fields of the situation or, under `rule`, keys of the rule."""
    rule = make_rule(**change.pop("rule", {}))
    armed: Mode = "pause" if mode in ("score", "shadow") else mode
    since = hour_of(T0 - DAY)
    verdict = Verdict(rule.version, mode, PROVEN, "proven: 200 observations", share, since, armed)
    fields = {"brakes": Brakes(), "salt": SALT, "verdicts": {NAME: verdict}, **change}
    return Situation(
        rules=RuleIndex([Placed(rule, "a.toml", 1)]),
        ready={NAME: frozenset({MODEL})} if ready is None else ready,
        **fields,
    )


def decided(
    alert: Enriched, given: Situation, now: float = T0 + 1.0, acts: dict[str, TeamActs] | None = None
) -> Decision:
    """The decision on an alert that the room has just read."""
    return decide(alert, given, {} if acts is None else acts, now)


def test_a_proven_armed_rule_pauses_for_its_minutes() -> None:
    """The decision carries rule, version, mode, proof, the chance of the deed, until when, and why."""
    found = decided(enriched(), situation())
    assert (found.decision, found.by_rule, found.mode, found.p_act) == ("pause", NAME, "pause", 0.5)
    assert found.until is not None
    assert found.until.timestamp() == T0 + 1.0 + 600.0
    assert (found.rule_version, found.proof, found.probability) == (make_rule().version, PROVEN, 0.04)
    assert found.why == "proven: 200 observations"


def test_a_rule_armed_to_close_closes_for_its_hours() -> None:
    """Four hours, unless the rule says otherwise."""
    found = decided(enriched(), situation("close"))
    assert found.decision == "close"
    assert found.until is not None
    assert found.until.timestamp() == T0 + 1.0 + 4 * HOUR


@pytest.mark.parametrize(("mode", "decision"), [("shadow", "would_pause"), ("score", "none")])
def test_what_may_not_act_says_what_it_would_do(mode: Mode, decision: str) -> None:
    """In shadow `would_pause` with the proof's state; in score nothing; the chance of a deed is 0 in both."""
    found = decided(enriched(), situation(mode))
    assert (found.decision, found.p_act, found.until) == (decision, 0.0, None)


def test_a_rule_armed_to_close_but_not_proven_would_close() -> None:
    """It says the step that it was armed to."""
    verdict = Verdict(make_rule().version, "shadow", PROVEN, "inconclusive: few", 1.0, 0, "close")
    found = decided(enriched(), situation(verdicts={NAME: verdict}))
    assert (found.decision, found.why) == ("would_close", "inconclusive: few")


BLOCKED: list[tuple[str, dict[str, Any], dict[str, Any], float, str]] = [
    ("evidence", {"evidence": "none"}, {}, 1.0, "there is not enough history"),
    ("flood", {"flags": ["flood"]}, {}, 1.0, "in a flood"),
    ("visibility", {"flags": ["visibility_only"]}, {}, 1.0, "for reading only"),
    ("maintenance", {"flags": ["maintenance"]}, {}, 1.0, "maintenance window"),
    ("simulated", {"flags": ["simulated"]}, {}, 1.0, "simulated alerts"),
    ("severity", {"severity": "critical"}, {}, 1.0, "never acts on severity critical"),
    ("severity in capitals", {"severity": "CRITICAL"}, {}, 1.0, "never acts on severity CRITICAL"),
    ("age", {}, {}, 301.0, "was raised 5 min ago"),
    ("named age", {}, {"oldest_seconds": 60.0}, 61.0, "rules act within 60 s"),
    ("ahead", {}, {}, -601.0, "raised later than now"),
    ("expired", {}, {"rule": {"expires": "2026-02-28"}}, 1.0, "the rule expired on 2026-03-01"),
    ("hours", {}, {"rule": {"active_hours": "22:00-06:00"}}, 1.0, "outside the rule's active hours"),
    (
        "labels",
        {"flags": ["labels_cut"], "labels": {"env": "prod"}},
        {"rule": {"match": {"labels": {"env": "prod"}}}},
        1.0,
        "its labels were cut",
    ),
    ("paused", {}, {"brakes": Brakes(everything="all rules are paused by eva")}, 1.0, "paused by eva"),
    ("drift", {}, {"brakes": Brakes(models={MODEL: f"model {MODEL} drifts"})}, 1.0, "drifts"),
    ("team", {}, {"brakes": Brakes(teams={"payments": "payments is paused"})}, 1.0, "payments is paused"),
    ("champion", {}, {"ready": {}}, 1.0, "not enough observations of its own"),
]


@pytest.mark.parametrize(
    ("alert", "given", "after", "why"), [row[1:] for row in BLOCKED], ids=[row[0] for row in BLOCKED]
)
def test_each_brake_blocks_and_says_why(alert: dict[str, Any], given: dict[str, Any], after: float, why: str) -> None:
    """One thing out of order is enough: `blocked`, the chance of the deed 0, the reason in words."""
    found = decided(enriched(**alert), situation(**given), T0 + after)
    assert (found.decision, found.p_act, found.until) == ("blocked", 0.0, None)
    assert why in found.why


def test_cut_labels_matter_only_to_rules_that_name_one() -> None:
    """A rule that names no label acts on an alert whose labels were cut."""
    assert decided(enriched(flags=["labels_cut"]), situation()).decision == "pause"


@pytest.mark.parametrize(
    "change", [{"probability": None, "reason": "no_model"}, {"probability": 0.11}, {"rule": "cpu"}]
)
def test_what_no_rule_matches_is_left_alone(change: dict[str, Any]) -> None:
    """Unscored, above the rule's probability, or another rule's: `none`."""
    found = decided(enriched(**change), situation())
    assert (found.decision, found.by_rule, found.p_act) == ("none", None, 0.0)


def test_an_unscored_alert_says_so() -> None:
    """It is decided once its score comes; until then the reason is the score's."""
    assert decided(enriched(probability=None, reason="no_model"), situation()).why == "it is not scored: no model"


def test_a_rule_that_was_changed_does_not_act_by_the_old_one_s_proof() -> None:
    """Until its own standing is there, another version of a rule does nothing."""
    found = decided(enriched(), situation(verdicts={NAME: Verdict("0ld", "pause", PROVEN, "", 0.5, 0, "pause")}))
    assert (found.decision, found.why) == ("none", "this version of the rule is not loaded yet")
    assert decided(enriched(), situation(verdicts={})).decision == "none"


@pytest.mark.parametrize(
    ("written", "allowed", "decision"),
    [("score", "pause", "none"), ("shadow", "pause", "would_pause"), ("pause", "close", "would_close")],
)
def test_a_lower_mode_in_the_file_holds_before_the_standing_knows(written: Mode, allowed: Mode, decision: str) -> None:
    """The mode that the file gives now is the highest, whatever was armed."""
    assert decided(enriched(), situation(allowed, rule={"mode": written})).decision == decision


STOPPED: list[tuple[str, Mode, dict[str, Any], str]] = [
    ("disarmed", "shadow", {}, "rule disks may not pause any more: proven: 200 observations"),
    ("without a standing", "pause", {"verdicts": {}}, "rule disks is in no rule file any more"),
    ("edited", "pause", {"rule": {"max_probability": 0.2}}, "rule disks is another version now"),
    ("expired", "pause", {"rule": {"expires": "2026-02-28"}}, "rule disks expired on 2026-03-01"),
    ("lowered", "pause", {"rule": {"mode": "shadow"}}, "rule disks has mode = 'shadow' now"),
]


@pytest.mark.parametrize(("mode", "given", "why"), [row[1:] for row in STOPPED], ids=[row[0] for row in STOPPED])
def test_what_was_decided_stops_once_its_rule_may_not_act(mode: Mode, given: dict[str, Any], why: str) -> None:
    """A pause that was decided is not to be done any more, with the reason; while nothing changes it is."""
    made = decided(enriched(), situation())
    assert made.decision == "pause"
    assert why_stopped(made, situation(), T0 + 60.0) is None
    assert why_stopped(made, situation(mode, **given), T0 + 60.0) == why


def test_a_closure_stops_where_its_rule_may_only_pause() -> None:
    """A pause goes on where its rule may close since."""
    closed, paused = decided(enriched(), situation("close")), decided(enriched(), situation())
    assert why_stopped(closed, situation("pause"), T0) == "rule disks may not close any more: proven: 200 observations"
    assert why_stopped(paused, situation("close"), T0) is None


def test_the_hold_out_is_left_alone_and_carries_the_chance_of_the_deed() -> None:
    """Whole hours of a team are held out; p_act is 1 - share in both arms."""
    given, acts = situation(share=0.5), dict[str, TeamActs]()
    arms = {}
    for hour in range(200):
        at = T0 + hour * HOUR
        found = [decided(enriched(f"A{hour}-{n}", at + n, episode=f"e{hour}-{n}"), given, at + n, acts) for n in (0, 9)]
        assert len({one.decision for one in found}) == 1
        assert {one.p_act for one in found} == {0.5}
        arms[hour] = found[0].decision
        held = proof.draw(SALT, NAME, "payments", hour_of(at)) < 0.5
        assert arms[hour] == ("hold_out" if held else "pause")
    assert set(arms.values()) == {"hold_out", "pause"}


def test_an_episode_keeps_the_arm_of_its_first_raise() -> None:
    """Its alerts of later hours are in the arm of the first, whatever their own hour would draw."""
    given, acts = situation(share=0.5), dict[str, TeamActs]()
    hours = range(20)
    found = {decided(enriched(f"A{n}", T0 + n * HOUR), given, T0 + n * HOUR, acts).decision for n in hours}
    assert found == {"pause"}
    assert any(proof.draw(SALT, NAME, "payments", hour_of(T0) + n) < 0.5 for n in hours)


def test_what_began_before_the_arming_is_left_alone() -> None:
    """An episode first raised in the hour before the rule was armed is in no arm."""
    verdict = Verdict(make_rule().version, "pause", PROVEN, "proven", 0.05, hour_of(T0) + 1, "pause")
    given, acts = situation(verdicts={NAME: verdict}), dict[str, TeamActs]()
    decided(enriched("A1", T0), given, T0, acts)
    later = decided(enriched("A2", T0 + HOUR), given, T0 + HOUR, acts)
    assert (later.decision, later.why) == ("blocked", "its episode began before the rule was armed")


def test_the_limit_is_a_team_s_and_an_hour_s() -> None:
    """Of five alerts in an hour two are acted on; the next hour begins at none; another team has its own."""
    given, acts = situation(share=0.0, rule={"max_per_hour": 2}), dict[str, TeamActs]()
    found = [decided(enriched(f"A{n}", T0 + n), given, T0 + n, acts).decision for n in range(5)]
    assert found == ["pause", "pause", "blocked", "blocked", "blocked"]
    assert decided(enriched("B", T0 + HOUR), given, T0 + HOUR, acts).decision == "pause"
    assert decided(enriched("C", T0, team="search"), given, T0, {}).decision == "pause"


def test_time_that_goes_back_never_acts() -> None:
    """A clock behind what was seen already blocks, until it has caught up."""
    given, acts = situation(share=0.0), dict[str, TeamActs]()
    assert decided(enriched("A1"), given, T0 + 9.0, acts).decision == "pause"
    back = decided(enriched("A2"), given, T0 + 8.0, acts)
    assert (back.decision, back.why) == ("blocked", "the clock went back")
    assert decided(enriched("A3"), given, T0 + 9.0, acts).decision == "pause"


ALERTS = st.fixed_dictionaries(
    {
        "probability": st.sampled_from([None, 0.0, 0.04, 0.1, 0.10001, 0.9]),
        "evidence": st.sampled_from(["none", "weak", "strong"]),
        "severity": st.sampled_from(["low", "critical", None]),
        "rule": st.sampled_from(["disk_full", "cpu"]),
        "team": st.sampled_from(["payments", "noisegate-drill"]),
        "flags": st.lists(
            st.sampled_from(["flood", "visibility_only", "late", "maintenance", "labels_cut"]), max_size=1
        ),
        "labels": st.sampled_from([{}, {"env": "prod"}]),
        "episode": st.sampled_from(["e1", "e2", "e3"]),
    }
)
STEPS = st.lists(st.tuples(ALERTS, st.integers(-400, 400), st.integers(-20, 900)), min_size=1, max_size=15)


@given(STEPS, st.sampled_from(["shadow", "pause", "close"]), st.booleans(), st.sampled_from([0.05, 0.5, 1.0]))
def test_nothing_acts_on_what_no_rule_may_act_on(
    steps: list[tuple[dict[str, Any], int, int]], mode: Mode, names_label: bool, share: float
) -> None:
    """Whatever comes: no deed on evidence none, null probability, exclusion, flood, drill, hold-out, cut labels, age,
    over the limit, or with the clock going back."""
    match = {"rule": "disk_*", **({"labels": {"env": "prod"}} if names_label else {})}
    given = situation(mode, share, rule={"match": match, "max_per_hour": 3})
    acts: dict[str, dict[str, TeamActs]] = {}
    now, latest, first, per_hour = T0, dict[str, float](), dict[tuple[str, str], int](), dict[tuple[str, int], int]()
    for number, (change, age, passed) in enumerate(steps):
        now += passed
        alert = enriched(f"A{number}", now - age, **change)
        team = alert.alert.team
        found = decide(alert, given, acts.setdefault(team, {}), now)
        matched = found.by_rule is not None
        if matched:
            first.setdefault((team, str(alert.episode)), hour_of(now - age))
        backwards = matched and now < latest.get(team, 0.0)
        if matched:
            latest[team] = max(latest.get(team, 0.0), now)
        assert found.why
        assert found.p_act == (1.0 - share if found.decision in (*ACTS, "hold_out") else 0.0)
        if found.decision not in ACTS:
            assert found.until is None
            continue
        per_hour[team, hour_of(now)] = per_hour.get((team, hour_of(now)), 0) + 1
        assert mode == found.decision
        assert (alert.score.evidence, alert.score.probability) != ("none", None)
        assert alert.score.evidence != "none"
        assert alert.score.probability is not None
        assert alert.score.probability <= 0.1
        assert alert.flags in ([], ["late"], *([["labels_cut"]] if not names_label else []))
        assert (alert.alert.rule, alert.alert.team) == ("disk_full", "payments")
        assert alert.alert.severity != "critical"
        assert age <= 300
        assert not backwards
        assert per_hour[team, hour_of(now)] <= 3
        assert proof.draw(SALT, NAME, team, first[team, str(alert.episode)]) >= share


def test_episodes_are_forgotten_after_two_days() -> None:
    """What is kept of a team does not grow with the years."""
    acts = TeamActs()
    for hour in range(2_000):
        acts.first_hour(f"e{hour}", hour)
    assert len(acts.episodes) <= 52
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(acts), type=TeamActs) == acts
