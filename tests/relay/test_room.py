"""The relay's room: what goes on, what is posted again, and what is published, with everything else there or away."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from stream.core import limits
from stream.core.errors import RecordRefused
from stream.core.events import Acted
from stream.relay.firings import Observation
from stream.relay.upstream import Reply
from stream.sources.firing_store import Swap
from tests.async_waits import until
from tests.relay.records import enriched
from tests.relay.rig import MemoryPublisher, Rig, SharedStore, running
from tests.sources.sender import Sender


def in_room(test: Callable[[Rig], Awaitable[None]], **options: Any) -> None:
    """Run a test on a room of its own."""

    async def run() -> None:
        async with running(**options) as rig:
            await test(rig)

    asyncio.run(run())


async def scored(rig: Rig, count: int = 1, probability: float = 0.07) -> None:
    """Let the score of the raised event of that number come, once it was published."""
    await until(lambda: len(rig.publisher.raised) == count)
    event = rig.publisher.raised[-1]
    await rig.room.take([enriched(event.alert_id, event.team, probability)])


def test_a_post_goes_on_before_anything_of_it_is_published() -> None:
    """The bytes that came are at the Alertmanager, and answered, while Kafka has nothing yet."""

    async def test(rig: Rig) -> None:
        published: list[int] = []
        rig.upstream.on_post = lambda body: published.append(len(rig.publisher.outputs))
        body = json.dumps([rig.alert()], indent=3).encode()
        assert await rig.room.forward(body, "127.0.0.1", {}) == Reply(200)
        assert rig.upstream.bodies == [body]
        assert published == [0]
        await until(lambda: rig.publisher.raised)

    in_room(test)


def test_it_is_posted_again_with_its_score() -> None:
    """When the score comes the alert is posted once more, equal but for the annotations; then every copy has them."""

    async def test(rig: Rig) -> None:
        alert = rig.alert()
        await rig.post(alert)
        await scored(rig)
        await until(lambda: len(rig.upstream.bodies) == 2)
        annotations = {
            "noisegate_probability": "0.07",
            "noisegate_why": "acted on 1 of the last 42 like this",
            "noisegate_url": f"https://n.example/{rig.publisher.raised[0].alert_id}",
        }
        assert rig.upstream.alerts == [alert, {**alert, "annotations": annotations}]
        await rig.post(alert)
        assert rig.upstream.alerts[2]["annotations"] == annotations
        assert rig.value("relay_alerts_annotated_total") == 1

    in_room(test, page_url="https://n.example/{alert_id}")


def test_a_score_that_was_there_first_is_added_at_once() -> None:
    """A relay that starts later, beside one that published: its first copy is posted again once its id is known."""

    async def run() -> None:
        store, publisher = SharedStore(), MemoryPublisher()
        async with running(store, publisher, name="one") as one, running(store, publisher, name="two") as two:
            alert = one.alert()
            await one.post(alert)
            await until(lambda: publisher.raised)
            await two.room.take([enriched(publisher.raised[0].alert_id)])
            await two.post(alert)
            await until(lambda: len(two.upstream.bodies) == 2)
            assert two.upstream.alerts[1]["annotations"]["noisegate_probability"] == "0.07"

    asyncio.run(run())


def test_every_label_set_of_a_firing_is_posted_again() -> None:
    """Two replicas of Prometheus whose label stayed on: one event, and both of Alertmanager's alerts get the score."""

    async def test(rig: Rig) -> None:
        await rig.post(rig.alert(replica="a"), rig.alert(replica="b"))
        await scored(rig)
        await until(lambda: len(rig.upstream.alerts) == 4)
        assert len(rig.publisher.raised) == 1
        assert {alert["labels"]["replica"] for alert in rig.upstream.alerts[2:]} == {"a", "b"}

    in_room(test)


def test_what_ended_is_not_posted_again() -> None:
    """A score that comes after the end would make the alert fire again: it is not posted."""

    async def test(rig: Rig) -> None:
        alert = rig.alert()
        await rig.post(alert)
        await rig.post(rig.resolved(alert))
        await until(lambda: rig.publisher.ended)
        await scored(rig)
        other = rig.alert("Other")
        await rig.post(other)
        await scored(rig, 2)
        await until(lambda: len(rig.upstream.bodies) == 4)
        assert [each["labels"]["alertname"] for each in rig.upstream.alerts] == ["Down", "Down", "Other", "Other"]

    in_room(test)


def test_an_end_that_overtakes_a_post_of_ours_is_posted_once_more() -> None:
    """While the alert is posted with its score its sender resolves it: in the end it is resolved."""

    async def test(rig: Rig) -> None:
        alert = rig.alert()
        await rig.post(alert)
        rig.upstream.hold = asyncio.Event()
        await scored(rig)
        await until(lambda: len(rig.upstream.bodies) == 2)
        end = rig.resolved(alert)
        resolving = asyncio.create_task(rig.post(end))
        await until(lambda: len(rig.upstream.bodies) == 3)
        rig.upstream.hold.set()
        await resolving
        await until(lambda: len(rig.upstream.bodies) == 4)
        assert [each["endsAt"] for each in rig.upstream.alerts[1:]] == [alert["endsAt"], end["endsAt"], end["endsAt"]]

    in_room(test)


def test_one_raised_and_one_ended_a_firing() -> None:
    """Copies every minute and a resolve that is repeated: two events, with the id, team and times of the firing."""

    async def test(rig: Rig) -> None:
        alert = rig.alert(age=30)
        for _ in range(5):
            await rig.post(alert)
        end = rig.resolved(alert)
        for _ in range(5):
            await rig.post(end)
        await until(lambda: rig.publisher.ended)
        await rig.post(end)
        raised, ended = rig.publisher.events
        assert (raised.alert_id, raised.team) == (ended.alert_id, ended.team)  # type: ignore[union-attr]
        assert rig.publisher.ended[0].kind == "ended"
        assert rig.publisher.ended[0].agent == "automation"
        assert {output.key for output in rig.publisher.outputs} == {b"payments"}

    in_room(test)


def test_two_relays_publish_a_firing_once() -> None:
    """Prometheus posts to both at the same time: whoever claims it publishes it, and its end."""

    async def run() -> None:
        store, publisher = SharedStore(), MemoryPublisher()
        async with running(store, publisher, name="one") as one, running(store, publisher, name="two") as two:
            alerts = [one.alert(host=str(number)) for number in range(20)]
            await asyncio.gather(one.post(*alerts), two.post(*alerts))
            ends = [one.resolved(alert) for alert in alerts]
            await asyncio.gather(one.post(*ends), two.post(*ends))
            await until(lambda: len(publisher.ended) == 20)
            await until(lambda: one.registrar.waiting + two.registrar.waiting == 0)  # each looked what the other did
        ids = [event.alert_id for event in publisher.raised]
        assert len(ids) == len(set(ids)) == 20
        assert len(publisher.ended) == 20

    asyncio.run(run())


def test_what_a_relay_claimed_and_did_not_publish_the_other_one_does() -> None:
    """One is killed between claim and publication: some time later the other one publishes."""

    async def run() -> None:
        store, lost, publisher = SharedStore(), MemoryPublisher(), MemoryPublisher()
        lost.away = True
        async with running(store, lost, name="one") as one:
            alert = one.alert()
            await one.post(alert)
            await until(lambda: any(key.startswith("publish:") for key in store.values))
        async with running(store, publisher, name="two") as two:
            await two.post(alert)
            await until(lambda: two.registrar.waiting == 1)
            assert publisher.raised == []
            for key in [key for key in store.values if key.startswith("publish:")]:
                del store.values[key]  # as its time to live does
            await until(lambda: len(publisher.raised) == 1)

    asyncio.run(run())


def test_a_restarted_prometheus_makes_no_second_alert() -> None:
    """What still fires comes with a new start: the same id and no second event, also of a restarted relay."""

    async def run() -> None:
        store, publisher = SharedStore(), MemoryPublisher()
        async with running(store, publisher, name="one") as one:
            await one.post(one.alert(age=100))
            await until(lambda: publisher.raised)
            await one.post(one.alert(age=0))
            await until(lambda: one.registrar.waiting == 0)
        async with running(store, publisher, name="two") as two:
            await two.post(two.alert(age=0))
            await until(lambda: any(True for _ in two.table))
            await until(lambda: two.registrar.waiting == 0)
        assert len(publisher.raised) == 1

    asyncio.run(run())


def test_the_webhook_of_alertmanager_finds_the_same_firing() -> None:
    """The intake reads of an alert that the relay has forwarded, and labelled: one id, and one raised event."""

    async def test(rig: Rig) -> None:
        alert = rig.alert(age=10)
        await rig.post(alert)
        await until(lambda: rig.publisher.raised)
        await until(lambda: rig.registrar.waiting == 0)
        labels = {**alert["labels"], "noisegate": "paused", "replica": "b"}
        shown = {**alert, "labels": labels, "status": "firing"}
        webhook = {"version": "4", "status": "firing", "alerts": [shown]}
        found = Sender(store=rig.store).post("alertmanager", webhook, now=rig.clock())
        (one,) = found.decisions
        assert (one.event.alert_id, one.duplicate) == (rig.publisher.raised[0].alert_id, True)

    in_room(test)


def test_an_event_waits_until_memory_knows_that_it_is_published() -> None:
    """Before, another reader of the firing would publish it again, so nobody may take it for done."""

    async def test(rig: Rig) -> None:
        publish = rig.publisher.publish

        def publish_and_hold(output: Any) -> Any:
            rig.store.answering.clear()
            return publish(output)

        rig.publisher.publish = publish_and_hold  # type: ignore[method-assign]
        await rig.post(rig.alert())
        await until(lambda: rig.publisher.raised)
        for _ in range(100):
            await asyncio.sleep(0)
        assert rig.registrar.waiting == 1
        rig.store.answering.set()
        await until(lambda: rig.registrar.waiting == 0)

    in_room(test)


def test_it_fires_again_as_another_alert() -> None:
    """After its end the same labels fire again: another id, another event."""

    async def test(rig: Rig) -> None:
        alert = rig.alert(age=10)
        await rig.post(alert)
        await rig.post(rig.resolved(alert))
        await until(lambda: rig.publisher.ended)
        rig.ahead = 60.0
        await rig.post(rig.alert())
        await until(lambda: len(rig.publisher.raised) == 2)
        first, second = rig.publisher.raised
        assert first.alert_id != second.alert_id

    in_room(test)


def test_what_is_not_heard_of_has_ended() -> None:
    """A sender that is gone: `endsAt` of its last copy is the end, and is published without another post."""

    async def test(rig: Rig) -> None:
        alert = rig.alert()
        await rig.post(alert)
        await until(lambda: rig.publisher.raised)
        rig.ahead = 241.0
        await until(lambda: rig.publisher.ended)
        at = rig.publisher.ended[0].at.timestamp()
        assert at == pytest.approx(rig.clock() - 1, abs=2)

    in_room(test)


async def timed_out(rig: Rig, alert: dict[str, Any], ends: int = 1) -> None:
    """Post an alert that names no end, and let it be not heard of."""
    await rig.post(alert)
    await until(lambda: rig.publisher.raised)
    rig.ahead += 301.0
    await until(lambda: len(rig.publisher.ended) == ends)
    await until(lambda: rig.registrar.waiting == 0)


def resumed(publisher: MemoryPublisher) -> list[Acted]:
    """The events that a firing goes on."""
    return [event for event in publisher.events if isinstance(event, Acted) and event.kind == "resumed"]


def test_a_firing_that_only_time_ended_goes_on() -> None:
    """A Prometheus that was cut off posts the same start again: `resumed` once, and later a second end of its own."""

    async def test(rig: Rig) -> None:
        alert = rig.alert(age=5, endless=True)
        await timed_out(rig, alert)
        await scored(rig)
        for _ in range(3):
            await rig.post(alert)
        await until(lambda: resumed(rig.publisher))
        assert rig.upstream.alerts[-1]["annotations"]["noisegate_probability"] == "0.07"
        await rig.post(rig.resolved(alert))
        await until(lambda: len(rig.publisher.ended) == 2)
        await rig.post(alert)  # late: it was resolved
        await until(lambda: rig.registrar.waiting == 0)
        (raised,), (again,) = rig.publisher.raised, resumed(rig.publisher)
        first, second = rig.publisher.ended
        assert {raised.alert_id, again.alert_id, first.alert_id, second.alert_id} == {raised.alert_id}
        assert len({first.action_id, again.action_id, second.action_id}) == 3
        assert first.at <= again.at <= second.at
        assert again.agent == "automation"

    in_room(test)


def test_an_end_by_time_that_is_not_published_yet_is_never() -> None:
    """Kafka is away while it is cut off: when both are back the log says that it fires, which is so."""

    async def test(rig: Rig) -> None:
        alert = rig.alert(age=5, endless=True)
        await rig.post(alert)
        await until(lambda: rig.publisher.raised)
        rig.publisher.away = True
        other = rig.alert("Other")
        await rig.post(other)
        await until(lambda: rig.registrar.kafka_away)
        rig.ahead = 301.0
        await until(lambda: all(one.ended_at is not None for one in rig.table))
        await rig.post(alert)
        rig.publisher.away = False
        await until(lambda: rig.registrar.waiting == 0)
        rules = [event.rule for event in rig.publisher.raised]
        assert rules.count("Down") == 1
        assert rig.publisher.raised[0].alert_id not in {event.alert_id for event in rig.publisher.ended}

    in_room(test)


def test_two_relays_resume_a_firing_once() -> None:
    """Both were cut off, and both hear of it again: one event, and one more end, whoever sees it."""

    async def run() -> None:
        store, publisher = SharedStore(), MemoryPublisher()
        async with running(store, publisher, name="one") as one, running(store, publisher, name="two") as two:
            alert = one.alert(age=5, endless=True)
            await asyncio.gather(one.post(alert), two.post(alert))
            await until(lambda: publisher.raised and list(one.table) and list(two.table))
            await until(lambda: one.registrar.waiting + two.registrar.waiting == 0)
            one.ahead = two.ahead = 301.0
            await until(lambda: all(each.ended_at is not None for rig in (one, two) for each in rig.table))
            await until(lambda: publisher.ended and one.registrar.waiting + two.registrar.waiting == 0)
            await asyncio.gather(one.post(alert), two.post(alert))
            await until(lambda: resumed(publisher))
            await asyncio.gather(one.post(one.resolved(alert)), two.post(two.resolved(alert)))
            await until(lambda: len(publisher.ended) == 2)
            await until(lambda: one.registrar.waiting + two.registrar.waiting == 0)
        assert [len(resumed(publisher)), len(publisher.raised), len(publisher.ended)] == [1, 1, 2]

    asyncio.run(run())


def test_a_relay_that_was_cut_off_learns_that_it_was_resolved() -> None:
    """The other relay heard it resolved: a copy that is late there is late here, and nothing is published of it."""

    async def run() -> None:
        store, publisher = SharedStore(), MemoryPublisher()
        async with running(store, publisher, name="one") as one, running(store, publisher, name="two") as two:
            alert = one.alert(age=5, endless=True)
            await two.post(alert)
            await one.post(alert)
            await until(lambda: publisher.raised and list(two.table))
            await one.post(one.resolved(alert))
            await until(lambda: publisher.ended)
            two.ahead = 301.0
            (firing,) = list(two.table)
            await until(lambda: firing.ended_at is not None and two.registrar.waiting == 0)
            await two.post(alert)
            await until(lambda: firing.resolved)
            assert firing.ended_at is not None
        assert [len(publisher.ended), len(resumed(publisher))] == [1, 0]

    asyncio.run(run())


def test_a_resumption_that_was_not_published_is_by_another_relay() -> None:
    """One is killed between memory and Kafka: who hears of the firing next publishes it."""

    async def run() -> None:
        store, publisher = SharedStore(), MemoryPublisher()
        async with running(store, publisher, name="one") as one:
            alert = one.alert(age=5, endless=True)
            await timed_out(one, alert)
            publisher.away = True
            await one.post(alert)
            await until(lambda: one.registrar.kafka_away)
        publisher.away = False
        for key in [key for key in store.values if key.startswith("publish:")]:
            del store.values[key]  # as its time to live does
        async with running(store, publisher, name="two") as two:
            await two.post(alert)
            await until(lambda: resumed(publisher))
        assert len(publisher.raised) == 1

    asyncio.run(run())


LETTERS = [
    ({"labels": {}}, "no_labels", "no label that is a text"),
    ({"labels": {"a": "b"}, "startsAt": "soon"}, "bad_time", "startsAt: 'soon'"),
    ({"labels": {"alertname": "x" * 300_000}}, "too_large", "262144 are allowed"),
    ({"labels": {"job": "\ud800"}}, "no_alert", "it is no alert of Alertmanager's API"),
    (7, "no_alert", "it is no alert of Alertmanager's API"),
]


@pytest.mark.parametrize(("alert", "reason", "words"), LETTERS, ids=range(len(LETTERS)))
def test_what_can_t_be_an_event_is_a_dead_letter_and_goes_on(alert: Any, reason: str, words: str) -> None:
    """The post goes on byte for byte; `alerts.failed` holds that alert and why, once though it comes every minute."""

    async def test(rig: Rig) -> None:
        body = json.dumps([alert, rig.alert("Good")]).encode()
        for _ in range(3):
            assert await rig.room.forward(body, "127.0.0.1", {}) == Reply(200)
        assert rig.upstream.bodies == [body] * 3
        await until(lambda: rig.publisher.failed and rig.publisher.raised)
        ((headers, value),) = rig.publisher.failed
        part = json.dumps(alert).encode()
        assert value == part[: limits.FAILED_VALUE_BYTES]
        assert words in headers.pop("detail")
        assert headers == {
            "room": "relay",
            "reason": reason,
            "topic": "/api/v2/alerts",
            "partition": "-1",
            "offset": "-1",
            "length": str(len(part)),
            "sha256": hashlib.sha256(part).hexdigest(),
        }
        assert [event.rule for event in rig.publisher.raised] == ["Good"]

    in_room(test)


def test_dead_letters_wait_for_kafka_and_are_bounded() -> None:
    """While Kafka is away so many wait, and all that wait are written when it is back; alerts go on meanwhile."""

    async def test(rig: Rig) -> None:
        rig.publisher.away = True
        bad = [{"labels": {"n": str(number)}, "startsAt": "soon"} for number in range(limits.RELAY_FAILED + 5)]
        assert (await rig.post(*bad)).taken
        assert rig.value("relay_not_followed_total", reason="bad_time") == len(bad)
        await asyncio.sleep(0)
        rig.publisher.away = False
        await until(lambda: len(rig.publisher.failed) == limits.RELAY_FAILED)
        numbers = [json.loads(value)["labels"]["n"] for _, value in rig.publisher.failed]
        assert sorted(numbers, key=int) == [str(number) for number in range(limits.RELAY_FAILED)]
        await rig.post(bad[-1])  # it was left out, so it is new
        await until(lambda: len(rig.publisher.failed) == limits.RELAY_FAILED + 1)

    in_room(test)


def test_one_bad_alert_costs_no_other_its_score() -> None:
    """Alertmanager refuses a whole post for one alert: it is parted from the others, which get their annotations."""

    async def test(rig: Rig) -> None:
        names = [f"Alert{number}" for number in range(10)]
        await rig.post(*(rig.alert(name) for name in names))
        await until(lambda: len(rig.publisher.raised) == 10)
        posts, taken = len(rig.upstream.bodies), set[str]()

        def answer(body: bytes) -> None:
            found = {one["labels"]["alertname"] for one in json.loads(body)}
            rig.upstream.reply = Reply(400, b"bad") if "Alert6" in found else Reply(200)
            taken.update(found - {"Alert6"} if rig.upstream.reply.taken else ())

        rig.upstream.on_post = answer
        await rig.room.take([enriched(event.alert_id) for event in rig.publisher.raised])
        await until(lambda: rig.value("relay_alerts_annotated_total") == 9)
        assert taken == {*names} - {"Alert6"}
        assert len(rig.upstream.bodies) - posts <= 1 + 2 * 4

    in_room(test)


def test_posts_of_our_own_carry_the_tenant_of_their_alert() -> None:
    """Two tenants, one of them none: scores go to each with its header, and a sender's trace is not used again."""

    async def test(rig: Rig) -> None:
        first, second = rig.alert("First"), rig.alert("Second")
        headers = {"X-Scope-OrgID": "team-a", "traceparent": "00-1-2-01"}
        await rig.room.forward(json.dumps([first]).encode(), "127.0.0.1", headers)
        await rig.post(second)
        assert rig.upstream.headers == [headers, {}]
        await until(lambda: len(rig.publisher.raised) == 2)
        await rig.room.take([enriched(event.alert_id) for event in rig.publisher.raised])
        await until(lambda: len(rig.upstream.bodies) == 4)
        own = {json.loads(body)[0]["labels"]["alertname"]: at for at, body in enumerate(rig.upstream.bodies) if at > 1}
        assert rig.upstream.headers[own["First"]] == {"X-Scope-OrgID": "team-a"}
        assert rig.upstream.headers[own["Second"]] == {}

    in_room(test)


def test_firings_that_begin_while_kafka_is_away_are_published_when_it_is_back() -> None:
    """Each waits, and comes once; what ended meanwhile is counted as lost, and neither event of it comes."""

    async def test(rig: Rig) -> None:
        before = rig.alert("Before")
        await rig.post(before)
        await until(lambda: rig.publisher.raised)
        rig.publisher.away = True
        waits, gone = rig.alert("Waits"), rig.alert("Gone")
        await rig.post(waits, gone)
        await until(lambda: rig.registrar.kafka_away)
        await rig.post(rig.resolved(gone), rig.resolved(before))
        await until(lambda: rig.value("relay_lost_total") == 1)
        assert rig.value("relay_kafka_up") == 0
        rig.publisher.away = False
        await until(lambda: rig.publisher.ended)
        await until(lambda: len(rig.publisher.raised) == 2)
        await until(lambda: rig.registrar.waiting == 0)
        assert [event.rule for event in rig.publisher.raised] == ["Before", "Waits"]
        assert [event.alert_id for event in rig.publisher.ended] == [rig.publisher.raised[0].alert_id]
        assert rig.value("relay_kafka_up") == 1

    in_room(test)


def test_what_began_and_ended_while_kafka_was_away_fires_again_as_another_alert() -> None:
    """Its end is remembered though nothing was published: the next firing has an id of its own."""

    async def test(rig: Rig) -> None:
        rig.publisher.away = True
        first = rig.alert(age=20)
        await rig.post(first)
        await until(lambda: rig.registrar.kafka_away)
        (alert_id,) = [one.alert_id for one in rig.table]
        await rig.post(rig.resolved(first))
        rig.publisher.away = False
        await until(lambda: rig.registrar.waiting == 0)
        rig.ahead = 30.0
        await rig.post(rig.alert())
        await until(lambda: rig.publisher.raised)
        assert rig.publisher.raised[0].alert_id != alert_id

    in_room(test)


def test_without_redis_ids_are_made_of_the_start() -> None:
    """Redis away: two relays find the same id for the same start, and the score comes to both."""

    async def run() -> None:
        store, publisher = SharedStore(), MemoryPublisher()
        store.away = True
        async with running(store, publisher, name="one") as one, running(store, publisher, name="two") as two:
            alert = one.alert()
            await asyncio.gather(one.post(alert), two.post(alert))
            await until(lambda: len(publisher.raised) == 2)
            assert publisher.raised[0] == publisher.raised[1]
            record = enriched(publisher.raised[0].alert_id)
            for rig in (one, two):
                await rig.room.take([record])
                await until(lambda rig=rig: len(rig.upstream.bodies) == 2)  # type: ignore[misc]
                assert rig.value("relay_fallback_ids_total") == 1

    asyncio.run(run())


def test_a_post_that_nobody_took_is_not_published() -> None:
    """All Alertmanagers refuse: the sender gets that, and the event waits for the copy that is taken."""

    async def test(rig: Rig) -> None:
        rig.upstream.reply = Reply(500, b"no")
        alert = rig.alert()
        assert await rig.post(alert) == Reply(500, b"no")
        assert rig.registrar.waiting == 0
        rig.upstream.reply = Reply(400, b"alert 2 is bad")  # the valid ones are in
        await rig.post(alert)
        await until(lambda: rig.publisher.raised)

    in_room(test)


@pytest.mark.parametrize(
    "body", [b"nonsense", b"{}", b"\xff", b'[{"labels":7},null,{"labels":{"alertname":"\\ud800"}}]']
)
def test_what_can_t_be_read_goes_on_byte_for_byte(body: bytes) -> None:
    """Alertmanager refuses it itself, and its answer goes back."""

    async def test(rig: Rig) -> None:
        rig.upstream.reply = Reply(400, b"bad")
        assert await rig.room.forward(body, "127.0.0.1", {}) == Reply(400, b"bad")
        assert rig.upstream.bodies == [body]

    in_room(test)


def test_a_packed_body_goes_on_unread() -> None:
    """With a content encoding the body is not opened."""

    async def test(rig: Rig) -> None:
        await rig.room.forward(b"[packed", "127.0.0.1", {"Content-Encoding": "gzip"})
        assert rig.upstream.bodies == [b"[packed"]

    in_room(test)


@pytest.mark.expects_errors
def test_a_fault_of_ours_does_not_stop_a_post() -> None:
    """Whatever breaks on the way, the bytes that came go on."""

    async def test(rig: Rig) -> None:
        rig.labeller.decide = broken  # type: ignore[method-assign]
        alert = rig.alert()
        assert await rig.post(alert) == Reply(200)
        assert rig.upstream.alerts == [alert]

    async def broken(seen: object) -> None:
        raise RuntimeError("planted")

    in_room(test)


@pytest.mark.expects_errors
def test_after_a_fault_of_ours_the_next_copy_is_published() -> None:
    """A post that went on unread in a fault does not keep its alert from being followed when it comes again."""

    async def test(rig: Rig) -> None:
        whole = rig.labeller.decide

        async def broken(seen: Observation) -> None:
            rig.labeller.decide = whole  # type: ignore[method-assign]
            raise RuntimeError("planted")

        rig.labeller.decide = broken  # type: ignore[method-assign]
        alert = rig.alert()
        await rig.post(alert)
        await rig.post(alert)
        await until(lambda: len(rig.publisher.raised) == 1)

    in_room(test)


class FaultyStore(SharedStore):
    """Raises what nobody foresaw for the keys that hold `word`, `faults` times."""

    def __init__(self, word: str, faults: int) -> None:
        super().__init__()
        self.word, self.faults = word, faults

    def swap(self, swaps: Sequence[Swap]) -> list[bool]:
        """As in memory."""
        if self.faults and any(self.word in swap.key for swap in swaps):
            self.faults -= 1
            raise RuntimeError("planted")
        return super().swap(swaps)


@pytest.mark.expects_errors
def test_a_look_up_that_fails_is_made_again_by_the_next_copy() -> None:
    """A fault nobody foresaw loses no firing: its next copy is looked up and published."""

    async def test(rig: Rig) -> None:
        store = rig.store
        assert isinstance(store, FaultyStore)
        alert = rig.alert()
        await rig.post(alert)
        await until(lambda: not store.faults)
        while not rig.publisher.raised:  # a sender posts it again and again
            await rig.post(alert)
            await asyncio.sleep(0.1)

    in_room(test, store=FaultyStore("firing:", 1))


def test_an_event_that_can_t_be_prepared_at_once_is_published_later() -> None:
    """Where claiming fails in a way nobody foresaw, the events of the batch are still published."""

    async def test(rig: Rig) -> None:
        await rig.post(rig.alert("First"), rig.alert("Second"))
        await until(lambda: len(rig.publisher.raised) == 2)
        assert rig.value("relay_lost_total") == 0

    in_room(test, store=FaultyStore("publish:", 4))


def test_a_record_that_kafka_refuses_is_counted() -> None:
    """It is not tried for ever, and the others go on."""

    class Refusing(MemoryPublisher):
        def publish(self, output: Any) -> Any:
            future = super().publish(output)
            if len(self.outputs) == 1:
                self.outputs.clear()
                future.__init__()  # type: ignore[misc]
                future.set_exception(RecordRefused("alerts.events refuses a record", "raise max.message.bytes"))
            return future

    async def test(rig: Rig) -> None:
        await rig.post(rig.alert("First"))
        await until(lambda: rig.value("relay_lost_total") == 1)

    in_room(test, publisher=Refusing())


def test_it_fires_again_while_its_end_is_under_way() -> None:
    """A slow Alertmanager still has the end: the new firing is another one, and both are published."""

    async def test(rig: Rig) -> None:
        alert = rig.alert(age=20)
        await rig.post(alert)
        await until(lambda: rig.publisher.raised)
        rig.upstream.hold = asyncio.Event()
        ending = asyncio.create_task(rig.post(rig.resolved(alert)))
        await until(lambda: len(rig.upstream.bodies) == 2)
        rig.ahead = 5.0
        again = asyncio.create_task(rig.post(rig.alert()))
        await until(lambda: len(rig.upstream.bodies) == 3)
        rig.upstream.hold.set()
        assert [await ending, await again] == [Reply(200), Reply(200)]
        await until(lambda: len(rig.publisher.raised) == 2)
        assert len(rig.publisher.ended) == 1

    in_room(test)
