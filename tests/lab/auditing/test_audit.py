"""The audit finds what was planted, uses no test labels for proposals, and runs on whatever it is given."""

import random
from collections.abc import Iterable
from datetime import timedelta

import msgspec
import pytest
from msgspec.structs import replace

from stream.core.events import Event
from stream.core.problem import Problem
from stream.lab.auditing.audit import audit_replayed
from stream.lab.auditing.floods import LEAST_COUNT, floods
from stream.lab.auditing.result import Audit, Finding
from stream.lab.auditing.sections import LEAST_KNOWN, proposals, upper_bound
from stream.lab.auditing.sentences import LEAST, LEAST_SIDE, findings
from stream.lab.replaying import Replayed, replay
from stream.lab.split import split_at_share
from tests.lab.logs import START, acted, lines, raised, small_log, small_problem


def sorted_log(*parts: Iterable[Event]) -> list[Event]:
    """Events of several parts in order of time."""
    return sorted((event for part in parts for event in part), key=lambda event: event.at)


def replayed(events: Iterable[Event], problem: Problem | None = None) -> Replayed:
    """A log of events through the fold."""
    return replay(lines(events), problem or small_problem())


def about(found: Audit, name: str) -> list[Finding]:
    """The findings about one thing."""
    return [finding for finding in found.findings if finding.about == name]


def quiet(count: int, rule: str = "quiet[1]", first: int = 50_000) -> list[Event]:
    """Alerts of a rule that nobody touches, one every ten minutes."""
    return [raised(first + number, START + timedelta(minutes=10 * number + 3), rule=rule) for number in range(count)]


@pytest.fixture(scope="module")
def audit(small: Replayed) -> Audit:
    """What is found in the small log."""
    return audit_replayed(small)


def test_volumes_and_rates_add_up(audit: Audit, small: Replayed) -> None:
    """Weeks, teams and rules each hold every alert, and the rates lie between 0 and 1."""
    assert audit.volumes.alerts == 900
    assert (audit.volumes.teams, audit.volumes.rules) == (3, 4)
    for rates in (audit.weeks, audit.teams, audit.rules):
        assert sum(rate.alerts for rate in rates) == 900
        assert sum(rate.labelled for rate in rates) == int((small.labelled & small.mature).sum())
        assert all(rate.rate is not None and 0.0 <= rate.rate <= 1.0 for rate in rates)
    assert [week.name for week in audit.weeks] == sorted(week.name for week in audit.weeks)


def test_a_planted_flood_is_found() -> None:
    """One day of sixty alerts in a fortnight of four a day is a flood day with its evidence, and the only one."""
    usual = [raised(n, START + timedelta(hours=6 * n)) for n in range(56)]
    burst = [raised(1_000 + n, START + timedelta(days=9, minutes=5 * n)) for n in range(60)]
    found = floods(replayed(sorted_log(usual, burst)))
    assert [(str(day.day), day.count, day.usual) for day in found.days] == [("2026-01-14", 64, 4.0)]
    assert found.days[0].z == 30.0
    assert found.alerts == 64
    assert found.flagged <= found.flagged_in_all


def test_a_weekly_burst_is_a_rhythm() -> None:
    """What comes every third day is no flood, and neither are few alerts."""
    bursts = [raised(100 * d + n, START + timedelta(days=3 * d, minutes=n)) for d in range(8) for n in range(30)]
    few = [raised(9_000 + n, START + timedelta(days=9, minutes=n), rule="few") for n in range(LEAST_COUNT - 1)]
    assert floods(replayed(sorted_log(bursts, few))).days == []


def test_the_fold_s_own_flags_are_counted() -> None:
    """A flood far beyond the problem's limits is flagged by the fold too, but for its beginning."""
    usual = [raised(n, START + timedelta(hours=6 * n)) for n in range(80)]
    burst = [raised(1_000 + n, START + timedelta(days=15, minutes=n)) for n in range(600)]
    found = floods(replayed(sorted_log(usual, burst)))
    assert 0 < found.flagged < found.alerts
    assert found.flagged <= found.flagged_in_all <= found.flagged + 5  # its last day may end in it


def test_a_rule_that_nobody_acts_on_is_proposed() -> None:
    """Its pattern means the rule as it is called, brackets and all, and nothing else."""
    found = audit_replayed(replayed(sorted_log(small_log(), quiet(900))))
    assert [(proposal.rule, proposal.actionable) for proposal in found.proposals] == [("quiet[1]", 0)]
    assert found.proposals[0].toml == '{rule = "quiet[[]1]"}'
    assert found.proposals[0].closed_by_hand == 0
    assert "quiet[1]" in about(found, "visibility-only")[0].text


@pytest.mark.slow
def test_proposals_use_no_test_labels() -> None:
    """Other outcomes after the split change no proposal."""
    events = sorted_log(small_log(), quiet(900))
    after = [acted(50_000 + n, START + timedelta(minutes=10 * n + 9)) for n in range(600, 900)]
    found = []
    for log in (events, sorted_log(events, after)):
        of = replayed(log)
        found.append(proposals(of, split_at_share(of, 0.6)))
    assert found[0] == found[1] != []


def test_too_few_alerts_propose_nothing() -> None:
    """The least number is what lets the bound fall below the small share."""
    assert upper_bound(0, LEAST_KNOWN) < 0.01 < upper_bound(1, LEAST_KNOWN)
    assert upper_bound(5, 5) == 1.0
    assert audit_replayed(replayed(sorted_log(small_log(), quiet(LEAST_KNOWN - 1)))).proposals == []


def test_refires_are_counted() -> None:
    """Two alerts half an hour apart are a re-fire, two of other entities are none; one re-fires across the split."""
    minutes = (0, 30, 500, 1_000, 1_030)
    events = [
        msgspec.structs.replace(raised(n, START + timedelta(minutes=m)), entity="e") for n, m in enumerate(minutes)
    ]
    other = raised(9, START + timedelta(minutes=1_031))
    found = audit_replayed(replayed([*events, other]), 0.67).refires
    assert (found.refires, found.after, found.across, found.like_before) == (2, 2, 1, 1)


def test_delays_and_maturity(audit: Audit, small: Replayed) -> None:
    """Actions come within the hour, the rest expires, and in the end every mature alert is decided."""
    found = audit.delays
    assert 0.0 < found.minutes["50%"] < found.minutes["99%"] <= 50.0
    assert found.by_expiry > 0
    shares = [of.share for of in found.maturity]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    assert found.maturity[-1].hours == small.problem.due_seconds / 3600


def test_outcomes_that_come_with_the_raise_are_told() -> None:
    """A log whose outcomes stand at the time of the raise is suspect."""
    events = [
        event
        for n in range(100)
        for event in (raised(n, START + timedelta(hours=n)), acted(n, START + timedelta(hours=n)))
    ]
    warned = about(audit_replayed(replayed(events)), "delay")
    assert any("within a second" in finding.text and finding.warns for finding in warned)


def test_rare_actions_make_accuracy_trivial() -> None:
    """Where always saying noise is right as often as the target asks, it is said in words."""
    rng = random.Random(1)
    events: list[Event] = []
    for n in range(600):
        at = START + timedelta(minutes=20 * n)
        events.append(raised(n, at))
        if rng.random() < 0.02:
            events.append(acted(n, at + timedelta(minutes=2)))
    told = about(audit_replayed(replayed(events)), "target")
    assert told[0].warns
    assert "the target is trivial" in told[0].text


def test_a_baseline_that_knows_all_makes_the_target_trivial() -> None:
    """Rules that are always or never acted on are answered by a table."""
    events: list[Event] = []
    for n in range(400):
        at = START + timedelta(minutes=20 * n)
        events += [
            raised(n, at, rule=f"rule-{n % 2}"),
            acted(n, at + timedelta(minutes=2), kind=("worked", "dismissed")[n % 2]),
        ]
    found = audit_replayed(replayed(events))
    assert any(finding.warns and "a table answers it" in finding.text for finding in about(found, "target"))


def test_names_that_do_not_match_are_told() -> None:
    """Kinds in neither list, listed kinds and labels that never occur."""
    events = sorted_log(small_log(60), [acted(3, START + timedelta(minutes=31), kind="looked")])
    problem = small_problem(actionable='["worked", "fixed"]')
    problem = msgspec.structs.replace(problem, history=msgspec.structs.replace(problem.history, labels=["zone"]))
    found = audit_replayed(replayed(events, problem))
    assert found.names.unlisted == {"looked": 1}
    assert found.names.missing_kinds == ["fixed"]
    assert found.names.missing_labels == ["zone"]
    assert len(about(found, "kinds")) == 2


BAD: dict[str, tuple[list[Event], str]] = {
    "ten rows": (small_log(10), "too few"),
    "one alert": ([raised(1, START)], "can't be split"),
    "no alert": ([acted(1, START)], "no raised event"),
    "one team": (small_log(100, teams=1), "1 team"),
    "no actions": (
        [event for event in small_log(300) if not hasattr(event, "kind")],
        "0 mature alerts were decided",
    ),
    "one class": ([event for event in small_log(300) if getattr(event, "kind", "") != "worked"], "one class"),
    "all at once": ([raised(n, START) for n in range(50)], "spans 0.0 h"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_log_is_told_and_not_a_crash(name: str) -> None:
    """Each is a warning in words, and the result can be written as JSON."""
    events, word = BAD[name]
    found = audit_replayed(replayed(events))
    assert any(word in finding.text and finding.warns for finding in found.findings), found.findings
    assert msgspec.json.decode(msgspec.json.encode(found), type=Audit) == found


def test_a_horizon_longer_than_the_log_is_told() -> None:
    """Nothing matures, nothing is judged, and it is said."""
    found = audit_replayed(replayed(small_log(100), small_problem(horizon_hours="72")))
    assert "less than the horizon" in about(found, "horizon")[0].text
    assert found.tests is not None
    assert found.tests.judged == 0


def test_the_same_log_gives_the_same_audit(audit: Audit, small: Replayed) -> None:
    """Nothing in it is drawn at random."""
    assert audit_replayed(small) == audit


def test_a_log_in_which_no_person_acts_teaches_nothing() -> None:
    """The audit says so of the whole log, of its last week, and of large teams; one act in the week is enough."""
    alerts = [raised(n, START + timedelta(hours=n)) for n in range(300)]
    ends = [acted(n, START + timedelta(hours=n, minutes=5), kind="ended") for n in range(300)]
    (found,) = about(audit_replayed(replayed(sorted_log(alerts, ends))), "people")
    assert found.warns
    assert found.text == "0 acts are by a person: there is nothing to learn."
    early = acted(3, START + timedelta(hours=3, minutes=2))
    (found,) = about(audit_replayed(replayed(sorted_log(alerts, ends, [early]))), "people")
    assert "No act by a person in 7 days: there is nothing to learn" in found.text
    assert "12 days before it; 168 alerts" in found.text
    late = acted(290, START + timedelta(hours=290, minutes=2))
    assert about(audit_replayed(replayed(sorted_log(alerts, ends, [late]))), "people") == []
    others = [raised(1_000 + n, START + timedelta(hours=n), team="silent") for n in range(50)]
    (found,) = about(audit_replayed(replayed(sorted_log(alerts, others, ends, [late]))), "people")
    assert found.text.startswith("Of 1 of 2 teams with 50 alerts or more there is no act by a person")
    assert found.text.endswith(": silent.")


def told(audit: Audit, about: str) -> list[tuple[str, bool]]:
    """The sentences of one kind, and whether each warns."""
    found = findings(audit, small_problem())
    return [(one.text, one.warns) for one in found if one.about == about]


@pytest.mark.parametrize("count", [LEAST - 1, LEAST])
def test_a_share_is_given_from_enough_alerts_on(audit: Audit, count: int) -> None:
    """One below the named number of alerts or actions there are counts or "not tested"; from it on there are shares."""
    few = count < LEAST
    assert audit.tests is not None
    tests = replace(audit.tests, judged=count, judged_rate=0.5, trainable=count, trainable_rate=0.5)
    refires = replace(audit.refires, refires=count, paired=count, same=1, like_before=1, across=1, after=count)
    delays = replace(audit.delays, by_action=count, at_once=count)
    volumes = replace(audit.volumes, alerts=count)
    made = replace(audit, tests=tests, refires=refires, delays=delays, volumes=volumes)
    split, target, delay = (told(made, name) for name in ("split", "target", "delay"))
    assert ("50.0% acted on" in split[0][0]) is not few
    untested = f"Whether the target is trivial was not tested: {count} alerts to judge by, 20 are needed."
    assert (target == [(untested, False)]) is few
    untested = f"How soon an action decides was not tested: {count} alerts were, 20 are needed."
    assert (delay == [(untested, False)]) is few
    repeats, across = told(made, "re-fires")[:2]
    assert ("end as the one before" in repeats[0], "%" in repeats[0], repeats[1]) == (not few,) * 3
    assert ("%" in across[0], across[1]) == (not few, not few and 1 / count > 0.05)


@pytest.mark.parametrize("count", [LEAST_SIDE - 1, LEAST_SIDE])
def test_the_sides_of_the_split_differ_from_enough_alerts_on(audit: Audit, count: int) -> None:
    """Shares acted on far apart are a warning only if either side has the named number of alerts."""
    assert audit.tests is not None
    made = replace(audit, tests=replace(audit.tests, judged=count, judged_rate=0.9, trainable=500, trainable_rate=0.5))
    assert told(made, "split")[0][1] is (count == LEAST_SIDE)
