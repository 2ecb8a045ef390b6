"""The watcher: acts are read back once, by one intake at a time, and are not lost where Kafka is away."""

import asyncio
from collections.abc import Sequence

import pytest

from stream.core.errors import KafkaAway
from stream.core.events import Acted, Raised
from stream.intake.errors import Unavailable
from stream.intake.watcher import LOCK_KEY, STATE_KEY, Watcher
from stream.redis_keys import WATCH_STATE, WATCHER, in_deployment
from stream.sources.alertmanager_state import AlertState, Silence, Snapshot
from stream.sources.firing_store import FiringStore, MemoryFiringStore
from stream.sources.matchers import Matcher
from stream.sources.options import DEFAULTS
from stream.sources.parsed import Parsed
from tests.intake.bodies import LABELS, alert, group
from tests.intake.rig import NOW, AbsentFiringStore, Clock, Rig, rig
from tests.waits import until

STARTED = 1_795_597_200.0  # 2026-11-25T09:00:00Z, as the body says


class FakeAlertmanager:
    """An Alertmanager that a test sets."""

    def __init__(self) -> None:
        self.alerts: Sequence[AlertState] = [AlertState(labels=LABELS, starts_at=STARTED)]
        self.silences: Sequence[Silence] = ()
        self.faults: list[str] = []

    def look(self, at: float) -> tuple[Snapshot, list[str]]:
        """What was set."""
        if self.faults:
            return Snapshot(at=at, complete=False), self.faults
        return Snapshot(at=at, silences=self.silences, alerts=self.alerts), []

    def silence(self, seconds: float = 1_800.0, creator: str = "kim") -> None:
        """A silence of the alert, made a minute ago."""
        matcher = Matcher("alertname", "DiskFull", False, True)
        self.silences = [
            Silence(
                id="s1",
                matchers=(matcher,),
                creator=creator,
                starts_at=NOW - 60,
                ends_at=NOW - 60 + seconds,
                updated_at=NOW - 60,
            )
        ]


def watcher(intake: Rig, alertmanager: FakeAlertmanager, store: FiringStore, clock: Clock | None = None) -> Watcher:
    """A watcher that publishes through the intake."""
    inbox = intake.inboxes["alertmanager"]

    async def publish(parsed: Parsed) -> None:
        await intake.handler.publish(inbox, parsed)

    ignored = DEFAULTS["alertmanager"].identity_ignore
    return Watcher(
        alertmanager.look, 1, store, publish, intake.agents, ignored, intake.metrics, 15.0, clock=clock or Clock()
    )


def acts(intake: Rig) -> list[Acted]:
    """The acts that were published."""
    return [event for event in intake.publisher.events if isinstance(event, Acted)]


def test_a_brief_silence_of_an_open_alert_is_acknowledged_once() -> None:
    """The act is on the alert that the webhook raised, by a pseudonym; the next looks publish nothing."""
    store, alertmanager = MemoryFiringStore(), FakeAlertmanager()

    async def test() -> None:
        async with rig(store=store) as intake:
            await intake.post("alertmanager", group(alert()))
            watching = watcher(intake, alertmanager, store)
            assert await watching.look() == 0
            alertmanager.silence()
            assert [await watching.look() for _ in range(3)] == [1, 0, 0]
            (act,) = acts(intake)
            first = intake.publisher.events[0]
            assert isinstance(first, Raised)
            assert (act.kind, act.agent, act.alert_id) == ("acknowledged", "person", first.alert_id)
            assert act.actor
            assert "kim" not in act.actor
            assert intake.value("intake_watched_acts_total", kind="acknowledged") == 1
            assert intake.value("intake_watches_total", result="done") == 4

    asyncio.run(test())


def test_what_is_gone_there_has_ended_here() -> None:
    """Once no Alertmanager has it for five minutes, and once only."""
    store, alertmanager, clock = MemoryFiringStore(), FakeAlertmanager(), Clock()

    async def test() -> None:
        async with rig(store=store, clock=clock) as intake:
            await intake.post("alertmanager", group(alert()))
            watching = watcher(intake, alertmanager, store, clock)
            await watching.look()
            alertmanager.alerts = []
            for _ in range(30):
                clock.now += 15
                await watching.look()
            assert [(act.kind, act.agent) for act in acts(intake)] == [("ended", "automation")]

    asyncio.run(test())


@pytest.mark.parametrize("gone", [False, True])
def test_acts_that_kafka_did_not_take_come_at_the_next_look(gone: bool) -> None:
    """Neither a silence nor an end is lost, and neither comes twice."""
    store, alertmanager, clock = MemoryFiringStore(), FakeAlertmanager(), Clock()

    async def test() -> None:
        async with rig(store=store, clock=clock) as intake:
            await intake.post("alertmanager", group(alert()))
            watching = watcher(intake, alertmanager, store, clock)
            await watching.look()
            if gone:
                alertmanager.alerts = []
                await watching.look()
                clock.now += 600
            else:
                alertmanager.silence()
            intake.publisher.fault = KafkaAway("Kafka is away")
            with pytest.raises(Unavailable):
                await watching.look()
            intake.publisher.fault = None
            assert [await watching.look() for _ in range(2)] == [1, 0]
            assert [act.kind for act in acts(intake)] == ["ended" if gone else "acknowledged"]

    asyncio.run(test())


def test_another_intake_goes_on_where_one_ended_while_kafka_was_away() -> None:
    """What the first could not publish, the second does; it begins once the first's time as the watcher is over."""
    store, alertmanager, clock = MemoryFiringStore(), FakeAlertmanager(), Clock()

    async def test() -> None:
        async with rig(store=store, clock=clock) as intake:
            await intake.post("alertmanager", group(alert()))
            first, second = (watcher(intake, alertmanager, store, clock) for _ in range(2))
            await first.look()
            assert intake.value("intake_watching") == 1
            assert await second.look() == 0
            assert intake.value("intake_watching") == 0
            alertmanager.alerts = []
            await first.look()
            clock.now += 600
            intake.publisher.fault = KafkaAway("Kafka is away")
            with pytest.raises(Unavailable):
                await first.look()
            intake.publisher.fault = None
            del store.values[LOCK_KEY]  # its time is over
            assert await second.look() == 1
            assert await first.look() == 0
            assert [act.kind for act in acts(intake)] == ["ended"]

    asyncio.run(test())


def test_an_alertmanager_that_does_not_answer_is_counted_and_ends_nothing() -> None:
    """The alert may be there: nothing is gone while one does not answer."""
    store, alertmanager, clock = MemoryFiringStore(), FakeAlertmanager(), Clock()

    async def test() -> None:
        async with rig(store=store, clock=clock) as intake:
            await intake.post("alertmanager", group(alert()))
            watching = watcher(intake, alertmanager, store, clock)
            await watching.look()
            alertmanager.faults = ["Alertmanager at http://am:9093 gave no answer within 10 s"]
            for _ in range(30):
                clock.now += 60
                assert await watching.look() == 0
            assert intake.value("intake_watches_total", result="failed") == 30
            assert acts(intake) == []

    asyncio.run(test())


def test_with_memory_away_nobody_watches() -> None:
    """The loop goes on and ends when it is told to."""
    store = AbsentFiringStore(MemoryFiringStore())

    async def test() -> None:
        async with rig() as intake:
            watching = watcher(intake, FakeAlertmanager(), store)
            stopping = asyncio.Event()
            running = asyncio.create_task(watching.run(stopping))
            await asyncio.to_thread(until, lambda: store.calls, 5)
            stopping.set()
            await running
            assert intake.value("intake_watching") == 0

    asyncio.run(test())


def test_the_watcher_s_keys_are_those_of_the_catalogue() -> None:
    """Lock and state stand under names that the docs list."""
    for kind, key in ((WATCHER, LOCK_KEY), (WATCH_STATE, STATE_KEY)):
        assert kind.matches(in_deployment("noisegate", key))
