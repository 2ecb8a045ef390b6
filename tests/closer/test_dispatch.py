"""The dispatcher: publication before deeds, each round done once, and nothing lost whatever fails."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from threading import Event, Lock

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.closer.deed_queue import DeedQueue, Entry
from stream.closer.dispatch import Dispatcher
from stream.closer.fold import Outgoing
from stream.closer.target_worker import TargetWorker
from stream.closer.targets.target import DeedRefused, Target, TargetAway
from stream.closer.targets.targets_file import Targets
from stream.config import make_settings
from stream.core.deeds import Deed, DeedKind
from stream.core.errors import BrokerError, RulesError
from stream.core.events import Acted
from stream.kafka.records import Output, Part
from stream.metrics.closer import CloserMetrics
from stream.rule_state import PauseAll
from tests.closer import test_situation as situations
from tests.closer.targets.counting import LOST, CountingServer, Failure
from tests.closer.targets.deeds import alert, deed, deed_by
from tests.core.test_decisions import NAME, make_rule
from tests.waits import until

PART = Part("alerts.enriched", 3)
SETTINGS = make_settings()


class MemoryPublisher:
    """A fake of Kafka that keeps what is flushed, and fails or waits as it is told; dispatchers share it.

    Each flush takes `seconds`.
    """

    def __init__(self) -> None:
        self.published: list[Output] = []
        self.failures, self.seconds = 0, 0.0
        self.away = Event()
        self._handed: list[Output] = []
        self._is_away: Callable[[], bool] = lambda: False

    def make(self, is_away: Callable[[], bool]) -> "MemoryPublisher":
        """Begin anew, without what was not flushed."""
        self._handed, self._is_away = [], is_away
        return self

    def publish(self, outputs: Iterable[Output]) -> None:
        """Take over."""
        self._handed += outputs

    def flush(self, seconds: float) -> None:
        """Keep what was handed over."""
        if self.failures:
            self.failures -= 1
            raise BrokerError("Kafka did not take a record", "look at its log")
        while self.away.is_set():
            if not self._is_away():
                raise BrokerError("Kafka did not acknowledge")
            time.sleep(0.001)
        time.sleep(self.seconds)
        self.published += self._handed
        self._handed = []

    def of(self, topic: str) -> list[Output]:
        """What was published to a topic."""
        return [one for one in list(self.published) if one.topic == topic]


class MemoryTarget:
    """A target that honours ids and shows the state of each alert; `failing` says how each call fails.

    Each call takes `seconds`.
    """

    def __init__(self, name: str = "memory", failing: Callable[[Deed], str] = lambda deed: "") -> None:
        self.name = name
        self.states: dict[str, str] = {}
        self.done: Counter[str] = Counter()
        self.kinds: list[tuple[str, DeedKind]] = []
        self.failing, self.seconds = failing, 0.0
        self._lock = Lock()
        self._busy: set[str] = set()

    def takes(self, deed: Deed) -> bool:
        """Every deed."""
        return True

    def do(self, deed: Deed) -> None:
        """Do it once; `lost` is done and fails nevertheless."""
        with self._lock:
            assert deed.alert.alert_id not in self._busy, "two deeds of one alert at a time"
            self._busy.add(deed.alert.alert_id)
        try:
            failure = self.failing(deed)
            time.sleep(self.seconds)
            if failure == "refuse":
                raise DeedRefused("target_refuses", "it says no")
            if failure != "away":
                with self._lock:
                    if not self.done[deed.id]:
                        self.done[deed.id] += 1
                        self.kinds.append((deed.alert.alert_id, deed.kind))
                        self.states[deed.alert.alert_id] = deed.kind
            if failure:
                raise TargetAway("it fails", "wait")
        finally:
            with self._lock:
                self._busy.remove(deed.alert.alert_id)

    def check(self) -> str:
        """It is there."""
        return "it is there"

    def close(self) -> None:
        """Nothing is open."""


class Rig:
    """A dispatcher with an outbox of rounds that are not done; `check` may be set, and else stops nothing."""

    def __init__(self, *targets: Target, attempts: int = 1_000) -> None:
        self.check: Callable[[Deed], None] = lambda deed: None
        self.publisher, self.metrics = MemoryPublisher(), CloserMetrics()
        self.targets = Targets(targets=targets, attempts=attempts, retry_seconds=0.0002)
        self.outbox: dict[tuple[Part, str], Outgoing] = {}
        self.reported: list[str] = []
        self._number = 0
        self.dispatcher = self.begin()

    def begin(self) -> Dispatcher:
        """A dispatcher that goes on with the outbox, as after a restart."""
        self.dispatcher = Dispatcher(
            SETTINGS,
            self.metrics,
            lambda deed: self.check(deed),
            self.done,
            targets=self.targets,
            make_publisher=self.publisher.make,
        )
        self.dispatcher.start()
        for (part, name), outgoing in sorted(self.outbox.items()):
            self.dispatcher.submit(part, name, outgoing)
        return self.dispatcher

    def done(self, part: Part, name: str) -> None:
        """Delete a round from the outbox."""
        self.reported.append(name)
        del self.outbox[part, name]

    def submit(self, *deeds: Deed, part: Part = PART) -> str:
        """Put a round into the outbox and submit it."""
        self._number += 1
        name = f"out:{self._number:06}"
        self.outbox[part, name] = Outgoing(
            decisions=[one.decision for one in deeds], acts=[act(one) for one in deeds], deeds=list(deeds)
        )
        self.dispatcher.submit(part, name, self.outbox[part, name])
        return name

    def count(self, name: str, **labels: str) -> float | None:
        """The value of a series."""
        return self.metrics.registry.get_sample_value(f"noisegate_{name}", labels)

    def settle(self) -> None:
        """Wait until every round is done."""
        until(lambda: not self.outbox, 60, f"not done: {list(self.outbox)}")


@pytest.fixture
def rigs() -> Iterator[Callable[..., Rig]]:
    """Makes rigs, which are closed after the test."""
    made: list[Rig] = []

    def make(*targets: Target, attempts: int = 1_000) -> Rig:
        made.append(Rig(*targets, attempts=attempts))
        return made[-1]

    yield make
    for one in made:
        one.dispatcher.close(2.0)


def act(one: Deed) -> Acted:
    """The event of a deed."""
    kind = {"pause": "paused_by_rule", "close": "closed_by_rule", "release": "released_by_rule"}[one.kind]
    return Acted(one.decision.decided_at, one.alert.alert_id, one.alert.team, one.id, kind, agent="automation")


def test_decisions_and_acts_are_published_without_any_target(rigs: Callable[..., Rig]) -> None:
    """Events and decisions are always written, keyed by team, and then the round is done."""
    rig = rigs()
    rig.submit(deed("pause"))
    rig.settle()
    assert [(one.topic, one.key) for one in rig.publisher.published] == [
        ("alerts.decisions", b"payments"),
        ("alerts.events", b"payments"),
    ]
    assert rig.count("decision_seconds_count") == 1.0


def test_deeds_follow_their_publication(rigs: Callable[..., Rig]) -> None:
    """While Kafka is away nothing is done, and what waits is published in order once it is back."""
    target = MemoryTarget()
    rig = rigs(target)
    rig.publisher.away.set()
    names = [rig.submit(deed("pause", alert(f"A{number}"))) for number in range(3)]
    until(lambda: rig.dispatcher.faults, 60)
    assert "has not acknowledged" in rig.dispatcher.faults[0]
    assert target.states == {}
    assert len(names) == len(rig.outbox)
    rig.publisher.away.clear()
    rig.settle()
    assert target.states == {"A0": "pause", "A1": "pause", "A2": "pause"}
    decisions = [msgspec.json.decode(one.value)["alert_id"] for one in rig.publisher.of("alerts.decisions")]
    assert decisions == ["A0", "A1", "A2"]
    assert rig.dispatcher.faults == []


@pytest.mark.slow
def test_a_publication_that_fails_is_made_anew(rigs: Callable[..., Rig]) -> None:
    """A topic that is missing for a while loses no record."""
    rig = rigs(MemoryTarget())
    rig.publisher.failures = 1
    rig.submit(deed("pause"))
    rig.settle()
    assert len(rig.publisher.of("alerts.decisions")) == 1


def test_a_dead_target_delays_no_other(rigs: Callable[..., Rig]) -> None:
    """The other target does its deeds at once; the round stays until the dead one is back."""
    dead, alive = MemoryTarget("dead", lambda _: "away"), MemoryTarget("alive")
    rig = rigs(dead, alive)
    for number in range(20):
        rig.submit(deed("pause", alert(f"A{number}")))
    until(lambda: len(alive.states) == 20 and rig.dispatcher.faults, 60)
    assert rig.dispatcher.faults == ["target dead: it fails; wait"]
    assert len(rig.outbox) == 20
    dead.failing = lambda _: ""
    rig.settle()
    assert len(dead.states) == 20


def test_what_will_never_pass_goes_to_failed(rigs: Callable[..., Rig]) -> None:
    """A refusal is not tried again: a dead letter names target, reason and deed, and then the round is done."""
    rig = rigs(MemoryTarget(failing=lambda _: "refuse"))
    one = deed("pause")
    rig.submit(one)
    rig.settle()
    (letter,) = rig.publisher.of("alerts.failed")
    headers = dict(letter.headers or [])
    assert headers["reason"] == b"target_refuses"
    assert headers["topic"] == b"target memory"
    assert headers["room"] == b"closer"
    assert msgspec.json.decode(letter.value, type=Deed) == one
    assert rig.count("deeds_total", target="memory", result="refused") == 1.0


def test_what_fails_too_often_goes_to_failed(rigs: Callable[..., Rig]) -> None:
    """After the stated attempts a deed is given up, with the last answer in its dead letter."""
    rig = rigs(MemoryTarget(failing=lambda _: "away"), attempts=3)
    rig.submit(deed("pause"))
    rig.settle()
    headers = dict(rig.publisher.of("alerts.failed")[0].headers or [])
    assert headers["reason"] == b"target_away"
    assert re.search(rb"given up after 3 attempts in \d+ s: it fails", headers["detail"] or b"")
    assert rig.count("deeds_total", target="memory", result="again") == 2.0


def test_a_pause_that_is_over_is_not_done(rigs: Callable[..., Rig]) -> None:
    """A closer that was down does not pause what would be back by now."""
    target = MemoryTarget()
    rig = rigs(target)
    rig.submit(deed("pause", minutes=-1.0))
    rig.settle()
    assert target.states == {}


def test_a_closure_that_was_decided_long_ago_is_not_done(rigs: Callable[..., Rig]) -> None:
    """A closer that was down for hours does not close what people have seen all the while; a release is done."""
    target = MemoryTarget()
    rig = rigs(target)
    rig.submit(deed("close", alert("A1"), after_seconds=-3 * 3_600.0, minutes=240.0))
    rig.submit(deed("release", alert("A2"), after_seconds=-3 * 3_600.0, mode="close"))
    rig.settle()
    assert target.states == {"A2": "release"}
    (letter,) = rig.publisher.of("alerts.failed")
    assert b"it was decided 3 h ago" in dict(letter.headers or [])["detail"]


def order_pause(watch: situations.Rig) -> None:
    """Pause all rules."""
    watch.shared.order = PauseAll(by="ann", at=watch.wall)


def order_pause_and_take_it_back(watch: situations.Rig) -> None:
    """Pause all rules, for a moment."""
    order_pause(watch)
    watch.look()
    watch.shared.order = None


def disarm(watch: situations.Rig) -> None:
    """Take the rule back to shadow, as a trip does."""
    watch.shared.found = {NAME: situations.judged(watch.wall, mode="shadow")}


def take_away(watch: situations.Rig) -> None:
    """Take the rule out of its file."""
    watch.shared.found = {NAME: situations.judged(watch.wall, loaded=False)}


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (order_pause, b"rules_paused"),
        (order_pause_and_take_it_back, b"rules_paused"),
        (disarm, b"rule_stopped"),
        (take_away, b"rule_stopped"),
    ],
)
def test_a_deed_that_waits_is_not_done_after_an_order(
    rigs: Callable[..., Rig], order: Callable[[situations.Rig], None], reason: bytes
) -> None:
    """The target fails, a person pulls the brake, the target answers: nothing is done there, and a dead letter says
    why. The release comes in its time."""
    target = MemoryTarget(failing=lambda _: "away")
    rig, watch = rigs(target), situations.Rig().use_rule()
    watch.wall = time.time()
    watch.shared.found = {NAME: situations.judged(watch.wall)}
    rig.check = watch.look().watch.check_deed
    rig.submit(deed_by(NAME, make_rule().version, watch.wall, alert("A1")))
    until(lambda: rig.dispatcher.faults, 5)
    watch.later(2.0)
    order(watch)
    watch.look()
    target.failing = lambda _: ""
    rig.settle()
    assert (target.states, target.done) == ({}, Counter())
    (letter,) = rig.publisher.of("alerts.failed")
    assert dict(letter.headers or [])["reason"] == reason
    assert rig.count("deeds_total", target="memory", result="held_back") == 1.0
    assert rig.count("deeds_total", target="memory", result="refused") == 0.0
    rig.submit(deed("release", alert("A1")))
    rig.settle()
    assert target.states == {"A1": "release"}


def test_an_undo_stands_for_what_waits_at_a_target(rigs: Callable[..., Rig]) -> None:
    """The target fails, a person brings the alert back, the target answers: it gets the release, and no pause."""
    kinds = list[str]()

    def failing(tried: Deed) -> str:
        kinds.append(tried.kind)
        return "" if "release" in kinds else "away"

    target = MemoryTarget(failing=failing)
    rig, one = rigs(target), alert("A1")
    rig.submit(deed("pause", one))
    until(lambda: rig.dispatcher.faults, 5)
    rig.submit(deed("release", one, after_seconds=1.0))
    rig.settle()
    assert target.kinds == [("A1", "release")]


def test_what_was_brought_back_before_its_publication_is_not_done(rigs: Callable[..., Rig]) -> None:
    """Kafka was away from the pause to the undo: both are published, and targets get the release only."""
    target = MemoryTarget()
    rig = rigs(target)
    rig.publisher.away.set()
    rig.publisher.seconds = 0.02
    one = alert("A1")
    rig.submit(deed("pause", one))
    until(lambda: rig.dispatcher.faults, 5)
    rig.submit(deed("release", one, after_seconds=1.0))
    rig.publisher.away.clear()
    rig.settle()
    assert target.kinds == [("A1", "release")]
    assert len(rig.publisher.of("alerts.decisions")) == 2


@pytest.mark.slow
def test_a_deed_waits_while_nobody_can_tell_whether_it_may_be_done(rigs: Callable[..., Rig]) -> None:
    """As after a start, before the rules' state was read: then it is done; releases do not wait for it."""
    target = MemoryTarget()
    rig, asked = rigs(target), list[str]()

    def check(one: Deed) -> None:
        asked.append(one.alert.alert_id)
        if len(asked) == 1:
            raise RulesError("nobody judges the rules at the moment")

    rig.check = check
    rig.submit(deed("pause", alert("A1")))
    rig.submit(deed("release", alert("A2")))
    rig.settle()
    assert target.kinds == [("A2", "release"), ("A1", "pause")]
    assert asked == ["A1", "A1"]
    assert rig.publisher.of("alerts.failed") == []


def test_a_deed_of_which_nobody_could_tell_is_given_up_in_the_end() -> None:
    """After the time of a pause, with what kept it from being begun; the target is not to blame."""
    now, refused, target = [0.0], list[DeedRefused](), MemoryTarget()

    def check(one: Deed) -> None:
        now[0] += 600.0
        raise RulesError("nobody judges the rules at the moment")

    worker = TargetWorker(
        target,
        DeedQueue(5, 600.0, 6_000.0, clock=lambda: now[0]),
        CloserMetrics(),
        1,
        check,
        lambda job: None,
        lambda job, name, error: refused.append(error),
    )
    worker.start()
    worker.put(deed("pause"), Entry(PART, "out:1"))
    until(lambda: refused, 5)
    worker.stop()
    worker.join(5.0)
    assert (refused[0].reason, target.states) == ("rules_unjudged", {})
    assert str(refused[0]).endswith(": nobody judges the rules at the moment")


@pytest.mark.expects_errors
def test_a_target_with_a_fault_of_its_own_is_given_up(rigs: Callable[..., Rig]) -> None:
    """An exception that nobody foresaw loses no deed and ends no thread."""
    broken = MemoryTarget(failing=lambda one: str(1 / (one.alert.alert_id != "A0")))
    rig = rigs(broken, attempts=2)
    rig.submit(deed("pause", alert("A0")))
    rig.settle()
    assert b"ZeroDivisionError" in dict(rig.publisher.of("alerts.failed")[0].headers or [])["detail"]


def test_lost_partitions_are_left_alone(rigs: Callable[..., Rig]) -> None:
    """Deeds of a partition that another worker has are not tried again, and its rounds are not reported."""
    target = MemoryTarget(failing=lambda _: "away")
    rig = rigs(target)
    other = Part("alerts.enriched", 4)
    rig.submit(deed("pause", alert("A1")))
    rig.submit(deed("pause", alert("A2")), part=other)
    until(lambda: rig.dispatcher.faults, 60)
    rig.dispatcher.drop([PART])
    target.failing = lambda _: ""
    until(lambda: len(rig.outbox) == 1, 60)
    assert target.states == {"A2": "pause"}
    assert [part for part, _ in rig.outbox] == [PART]
    ((part, name),) = rig.outbox
    rig.dispatcher.submit(part, name, rig.outbox[part, name])
    rig.settle()
    assert target.done == Counter(dict.fromkeys(target.done, 1))


def test_a_round_is_not_taken_twice(rigs: Callable[..., Rig]) -> None:
    """What is submitted again while it is under way is published once."""
    rig = rigs(MemoryTarget(failing=lambda _: "away"))
    name = rig.submit(deed("pause"))
    rig.dispatcher.submit(PART, name, rig.outbox[PART, name])
    until(lambda: rig.dispatcher.faults, 60)
    assert len(rig.publisher.of("alerts.decisions")) == 1


def test_a_later_round_of_an_alert_is_done_last(rigs: Callable[..., Rig]) -> None:
    """A release is not reported before its pause, else a crash would leave the pause alone in the outbox."""
    slow, quick = MemoryTarget("slow", lambda one: "away" if one.kind == "pause" else ""), MemoryTarget("quick")
    rig = rigs(slow, quick)
    names = [rig.submit(deed("pause")), rig.submit(deed("release", after_seconds=1.0))]
    rig.settle()
    assert rig.reported == names


def test_a_close_leaves_what_is_not_done(rigs: Callable[..., Rig]) -> None:
    """Closing ends in its time with Kafka away, and the next process goes on with the outbox."""
    target = MemoryTarget()
    rig = rigs(target)
    rig.publisher.away.set()
    rig.submit(deed("pause"))
    rig.dispatcher.close(0.05)
    rig.publisher.away.clear()
    assert len(rig.outbox) == 1
    assert target.states == {}
    rig.begin()
    rig.settle()
    assert target.states == {"INC1": "pause"}


Step = tuple[int, DeedKind, float]  # which alert, what is done to it unless it is to come back, and milliseconds
STEPS = st.tuples(st.integers(0, 2), st.sampled_from(["pause", "close"]), st.sampled_from([0.0, 0.5, 1.0, 3.0]))
PLANS = st.lists(STEPS, min_size=4, max_size=16)


@pytest.mark.slow
@given(PLANS, st.integers(0, 2**32), st.sampled_from([0.0, 0.3, 0.5]), st.sets(st.integers(0, 24), max_size=2))
def test_the_last_deed_stands_whatever_fails(plan: list[Step], seed: int, share: float, crashes: set[int]) -> None:
    """Under random failures, lost answers and restarts each alert ends in the state of its latest deed, done once."""
    random = Random(seed)

    def failing(_: Deed) -> str:
        return random.choice(["away", "lost"]) if random.random() < share else ""

    target = MemoryTarget(failing=failing)
    target.seconds = 0.001  # so that a deed comes while the one before it is being done
    rig = Rig(target)
    expected = _run(rig, plan, crashes)
    assert target.states == {name: kind for name, (_, kind) in expected.items()}
    assert set(target.done.values()) == {1}
    for name in expected:
        kinds = [kind for one, kind in target.kinds if one == name]
        assert kinds[-1] == expected[name][1]
    published = Counter(one.value for one in rig.publisher.of("alerts.decisions"))
    assert len(published) == sum(count for count, _ in expected.values())


def _run(rig: Rig, plan: list[Step], crashes: set[int]) -> dict[str, tuple[int, DeedKind]]:
    """Submit a plan, restarting after some steps; of each alert how many deeds there were, and the last."""
    alerts = {number: alert(f"A{number}") for number in range(4)}
    expected: dict[str, tuple[int, DeedKind]] = {}
    for step, (number, first, wait) in enumerate(plan):
        one = alerts[number]
        count, before = expected.get(one.alert_id, (0, "release"))
        kind: DeedKind = first if before == "release" else "release"
        rig.submit(deed(kind, one, after_seconds=float(step)))
        expected[one.alert_id] = count + 1, kind
        time.sleep(wait / 1_000.0)
        if step in crashes:
            rig.dispatcher.close(2.0)
            rig.begin()
    rig.settle()
    rig.dispatcher.close(2.0)
    return expected


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_the_last_deed_stands_at_a_server_that_fails(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same over HTTP with a file of targets: errors, Retry-After and connections that end before the answer."""
    random = Random(seed)
    kinds = [Failure(500), Failure(LOST), Failure(200), Failure(200), Failure(429, {"retry-after": "0"})]
    with CountingServer([random.choice(kinds) for _ in range(200)]) as server:
        (tmp_path / "targets.toml").write_text(
            'allow = ["127.0.0.1/32"]\nretry_seconds = 0.001\nattempts = 1000\n'
            f'[[webhook]]\nname = "w"\nurl = "{server.url}/hook"\nsecret_env = "HOOK"\n'
        )
        monkeypatch.setenv("HOOK", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")
        rig = Rig()
        rig.dispatcher.close(0)
        settings = make_settings(closer_targets=tmp_path / "targets.toml")
        rig.dispatcher = Dispatcher(
            settings, rig.metrics, lambda deed: None, rig.done, make_publisher=rig.publisher.make
        )
        rig.dispatcher.start()
        plan: list[Step] = [(random.randrange(4), "pause", random.choice([0.0, 2.0])) for _ in range(60)]
        expected = _run(rig, plan, set())
        assert server.states == {name: kind for name, (_, kind) in expected.items()}
        assert set(server.done.values()) == {1}
        assert len(server.requests) > len(server.done)
