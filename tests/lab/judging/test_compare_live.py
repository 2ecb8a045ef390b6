"""Champion and challenger on what both scored live: what counts, and when a challenger is refused."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from confluent_kafka import Producer
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from stream.config import load_settings
from stream.core.problem import parse_problem
from stream.core.records import Outcome, encode_record
from stream.core.topics import TOPICS
from stream.kafka.clients import producer_settings
from stream.kafka.topics import Topics, topic_configs
from stream.lab.judging.compare_live import Comparison, compare_live, read_outcomes
from tests.lab.logs import PROBLEM_TEXT
from tests.servers.kafka import ApacheKafka

OLD, NEW = "2026-01-01-aaaa", "2026-01-08-bbbb"
START = datetime(2026, 2, 1, tzinfo=UTC)
PROBLEM = parse_problem(PROBLEM_TEXT + "[target]\nmin_outcomes = 300\n")
EDGES = {OLD: 0.1, NEW: 0.1}


def outcome(number: int, at: datetime, actionable: bool, old: float, new: float, **changed: Any) -> Outcome:
    """An outcome ten minutes after its raise, scored by both."""
    made = Outcome(
        alert_id=f"a{number}",
        team=f"team-{number % 3}",
        rule="rule",
        entity="host",
        raised_at=at,
        outcome="actionable" if actionable else "noise",
        decided_at=at + timedelta(minutes=10),
        by="worked" if actionable else "dismissed",
        problem=PROBLEM.id,
        model=OLD,
        scores={OLD: old, NEW: new},
        evidence="some",
        last_outcome=None,
        flags=[],
    )
    return replace(made, **changed)


def served(
    count: int = 900, blur: float = 0.0, every: timedelta = timedelta(minutes=30), seed: int = 5
) -> list[Outcome]:
    """Outcomes drawn from the champion's scores; the challenger's are a mixture of those and of others' scores."""
    rng = np.random.default_rng(seed)
    old = rng.beta(0.4, 0.8, count)
    new = (1 - blur) * old + blur * rng.permutation(old)
    acted = rng.random(count) < old
    made = [outcome(n, START + n * every, bool(acted[n]), float(old[n]), float(new[n])) for n in range(count)]
    late = START + count * every + timedelta(days=1)
    return [*made, outcome(count, late, False, 0.5, 0.5)]  # one more, so that all before it have had their time


def compared(outcomes: list[Outcome]) -> Comparison:
    """The comparison with edges that are alike."""
    return compare_live(outcomes, OLD, NEW, PROBLEM, EDGES)


@pytest.mark.slow
@settings(deadline=None)
@given(st.integers(0, 2**31), st.integers(300, 1_200), st.sampled_from([1, 30]))
def test_a_model_is_never_worse_than_itself(seed: int, count: int, minutes: int) -> None:
    """With the same scores under another name nothing moves, by days and by hours alike, and nothing is refused."""
    found = compared(served(count, seed=seed, every=timedelta(minutes=minutes)))
    assert found.brier is not None
    assert (found.brier.value, found.worse) == (0.0, [])
    assert found.of_champion == found.of_challenger
    assert found.fault is None or "too few to say" in found.fault  # an alert a minute fills hours only after ten
    assert (found.brier.low is None) == (found.fault is not None)


def test_a_clearly_worse_one_is_refused() -> None:
    """Scores that are half another alert's: Brier and detection are surely worse, and the sentence says by how much."""
    found = compared(served(blur=0.5))
    assert (found.matured, found.days, found.blocks) == (900, 19, "days")
    assert found.brier is not None
    assert found.brier.low is not None
    assert found.brier.low > 0
    assert found.fault is not None
    assert found.fault.startswith(f"{NEW} is surely worse than {OLD}: Brier score +0.")
    assert "95 % interval" in found.fault


def test_a_better_one_is_not_refused() -> None:
    """The same two, the other way about."""
    found = compare_live(served(blur=0.5), NEW, OLD, PROBLEM, EDGES)
    assert found.fault is None
    assert found.brier is not None
    assert found.brier.high is not None
    assert found.brier.high < 0


def test_detection_alone_can_refuse() -> None:
    """A challenger with the champion's very scores, but an edge that calls more of them noise, misses more."""
    found = compare_live(served(), OLD, NEW, PROBLEM, {OLD: 0.1, NEW: 0.6})
    assert found.brier is not None
    assert found.brier.value == 0.0
    assert len(found.worse) == 1
    assert found.worse[0].startswith("detection at its own likely_noise edge -")
    assert "surely below the target of 95%" in found.worse[0]
    assert found.suppressed is not None
    assert found.suppressed.value > 0


def test_detection_as_asked_for_is_enough() -> None:
    """A champion that keeps more than the problem asks for does not bar one that keeps what it asks for."""
    found = compare_live(served(), OLD, NEW, PROBLEM, {OLD: 0.01, NEW: 0.15})
    assert found.detection is not None
    assert found.detection.high is not None
    assert found.detection.high < 0
    assert found.reached is not None
    assert found.reached.high is not None
    assert found.reached.high >= 0.95
    assert (found.worse, found.fault) == ([], None)


def test_too_few_are_refused_with_their_count() -> None:
    """However bad or good, and the sentence says how many are missing."""
    found = compared(served(250))
    assert found.fault is not None
    assert "250 of 300 alerts" in found.fault
    nothing = compared([])
    assert nothing.matured == 0
    assert nothing.brier is None
    assert nothing.fault is not None
    assert "0 of 300 alerts" in nothing.fault


def test_enough_alerts_within_a_few_hours_are_not_enough() -> None:
    """Hundreds of alerts of one bad hour are one event: without an interval nothing is promoted."""
    found = compared(served(400, every=timedelta(seconds=30)))
    assert found.matured == 400
    assert found.blocks == "hours"
    assert found.fault is not None
    assert "fewer than 10 hours" in found.fault


def test_fast_outcomes_do_not_run_ahead() -> None:
    """An alert counts when raise + horizon + grace has passed, not when it is decided: 65 minutes here."""
    at = [START, START + timedelta(minutes=1), START + timedelta(minutes=75)]
    found = compared([outcome(n, when, True, 0.5, 0.5) for n, when in enumerate(at)])
    assert (found.matured, found.young) == (2, 1)  # the latest decision is at 85 minutes
    exactly = compared([outcome(0, START, True, 0.5, 0.5), outcome(1, START + timedelta(minutes=55), True, 0.5, 0.5)])
    assert (exactly.matured, exactly.young) == (1, 1)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"flags": ["flood"]}, "flood"),
        ({"flags": ["late", "visibility_only"]}, "visibility_only"),
        ({"outcome": "unknown", "by": "expiry"}, "unknown_outcome"),
        ({"outcome": "unknown", "by": "closed_by_rule"}, "closed_by_rule"),
        ({"scores": {OLD: 0.2}}, "not_by_both"),
        ({"scores": {}, "model": None}, "not_by_both"),
        ({"problem": "small@00000000"}, "another_problem"),
    ],
)
def test_what_never_counts(changed: dict[str, Any], reason: str) -> None:
    """Alerts that tell nothing of the two are counted by the reason they are left out for."""
    found = compared([*served(20), outcome(99, START, True, 0.2, 0.2, **changed)])
    assert found.matured == 20
    assert found.left_out == {reason: 1}


def test_held_out_and_late_alerts_count() -> None:
    """Held-out alerts are the unbiased ones."""
    extra = [outcome(90, START, True, 0.2, 0.2, flags=["held_out"]), outcome(91, START, True, 0.2, 0.2, flags=["late"])]
    assert compared([*served(20), *extra]).matured == 22


def test_a_renamed_problem_is_the_same() -> None:
    """What was folded is told by the digest."""
    renamed = [replace(one, problem=f"renamed@{PROBLEM.digest}") for one in served(30)]
    assert compared(renamed).matured == 30


@pytest.mark.slow
@settings(deadline=None)
@given(st.randoms(use_true_random=False))
def test_repetitions_and_order_change_nothing(random: Any) -> None:
    """At-least-once topics give the same comparison to the last digit."""
    once = served(60, blur=0.3)
    again = [*once, *random.sample(once, 20)]
    random.shuffle(again)
    assert compared(again) == compared(once)


def test_a_correction_replaces_and_is_left_out() -> None:
    """What a rule closed is known only where it was wrong: neither the closing nor its correction is judged."""
    closed = outcome(50, START, False, 0.02, 0.9, outcome="unknown", by="closed_by_rule")
    corrected = replace(closed, outcome="actionable", by="correction")
    for order in ([closed, corrected], [corrected, closed], [closed, corrected, corrected]):
        found = compared([*served(20), *order])
        assert (found.matured, found.left_out) == (20, {"closed_by_rule": 1})
    noise = outcome(51, START, False, 0.02, 0.9)
    assert compared([*served(20), noise, replace(noise, outcome="actionable", by="correction")]).matured == 20


def test_it_is_json() -> None:
    """A comparison is told to programs as well, also where there is nothing to compare."""
    for outcomes in ([], served(30)):
        found = compared(outcomes)
        assert msgspec.json.decode(msgspec.json.encode(found), type=Comparison) == found


@pytest.fixture
def on_kafka(kafka: ApacheKafka, unique_name: str) -> Any:
    """Settings of a Kafka with topics of the test's own."""
    env = {f"NOISEGATE_{role.upper()}_TOPIC": f"{unique_name}.{role}" for role in TOPICS}
    settings = load_settings({**env, "NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers})
    Topics(settings).create(3, 1, {**topic_configs(), "outcomes": {}})  # stamped by the test
    return settings


def test_outcomes_are_read_from_kafka(on_kafka: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Each once, with its correction; all or those written since; what is no outcome is passed over and told of."""
    made = served(40)
    closed = outcome(70, START + timedelta(days=1), False, 0.1, 0.1, outcome="unknown", by="closed_by_rule")
    corrected = replace(closed, outcome="actionable", by="correction")
    producer = Producer({**producer_settings(on_kafka), "log_level": 0})
    written = time.time()
    for one in (*made, closed, *made, corrected, corrected):
        producer.produce(on_kafka.topics.outcomes, encode_record(one), one.team)
    for team, value in (("team-0", b"garbage"), ("team-1", b"{}"), ("team-2", b"")):
        producer.produce(on_kafka.topics.outcomes, value, team)
    old = outcome(80, START, True, 0.1, 0.1)
    producer.produce(on_kafka.topics.outcomes, encode_record(old), "team-2", timestamp=int(written - 3_600) * 1000)
    assert producer.flush(60) == 0

    found = list(read_outcomes(on_kafka))
    assert sorted(found, key=encode_record) == sorted([*made, closed, corrected, old], key=encode_record)
    assert "3 records" in caplog.text
    later = list(read_outcomes(on_kafka, written))
    assert sorted(later, key=encode_record) == sorted([*made, closed, corrected], key=encode_record)
    assert compared(later) == compared([*made, closed, corrected])


def test_held_out_alerts_weigh_what_they_stand_for() -> None:
    """Where a rule acts, the comparison is that of an organisation in which it did not: Brier scores and rates agree.

    The champion's low scores were acted on but for a fifth; a difference that lies there alone is seen in full.
    """
    outcomes = served(count=4_000, blur=0.5, every=timedelta(minutes=5))
    rng = np.random.default_rng(9)
    low = [one for one in outcomes if one.scores[OLD] < 0.2]
    held = {(one.team, one.alert_id): 0.8 for one in low if rng.random() < 0.2}
    touched = {(one.team, one.alert_id) for one in low} - held.keys()
    left = [one for one in outcomes if (one.team, one.alert_id) not in touched]
    whole, plain = compared(outcomes), compared(left)
    weighed = compare_live(left, OLD, NEW, PROBLEM, EDGES, held)
    assert weighed.matured == plain.matured == whole.matured - len(touched)
    assert isinstance(weighed.effective, float)
    assert weighed.effective < weighed.matured
    assert plain.effective is msgspec.UNSET
    assert weighed.brier is not None
    assert weighed.label_rate == pytest.approx(whole.label_rate, abs=0.02)
    assert plain.label_rate != pytest.approx(whole.label_rate, abs=0.1)
    assert whole.brier is not None
    assert plain.brier is not None
    errors = [abs(one.brier.value - whole.brier.value) for one in (weighed, plain) if one.brier is not None]
    assert errors[0] < errors[1]
    assert compare_live(left, OLD, NEW, PROBLEM, EDGES, {("nobody", "a1"): 0.9}) == plain
