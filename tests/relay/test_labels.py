"""Labels: set only by a deed that came in time, agreed between relays, and taken off again."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from stream.core.events import moment
from stream.core.records import DecisionName
from stream.relay.labels import Claim, Claims, Decisions, claim_of
from stream.relay.route_check import RouteCheck
from tests.async_waits import until
from tests.relay.records import AT, decision, enriched
from tests.relay.rig import WAIT_SECONDS, MemoryPublisher, Rig, SharedStore, running


def with_labels(test: Callable[[Rig], Awaitable[None]], **options: Any) -> None:
    """Run a test on a room that sets labels."""

    async def run() -> None:
        async with running(**{"labels": True, **options}) as rig:
            await test(rig)

    asyncio.run(run())


def decide(rig: Rig, what: DecisionName, until_seconds: float | None = 600.0) -> None:
    """Decide so about every alert, as soon as it is published."""
    publish = rig.publisher.publish

    def and_decide(output: Any) -> Any:
        future = publish(output)
        event = rig.publisher.events[-1]
        if event.type == "raised" if hasattr(event, "type") else not hasattr(event, "kind"):
            made = decision(event.alert_id, what, until_seconds=until_seconds)  # type: ignore[union-attr]
            asyncio.get_running_loop().create_task(rig.room.take([made]))
        return future

    rig.publisher.publish = and_decide  # type: ignore[method-assign]


def labels(rig: Rig) -> list[str]:
    """Our label of every alert that went on, in order."""
    return [alert["labels"].get("noisegate", "") for alert in rig.upstream.alerts]


def test_only_a_deed_sets_a_label() -> None:
    """Of all decisions two are deeds; what a rule would have done, was kept from, or took back is none."""
    names: list[DecisionName] = [
        "pause",
        "close",
        "would_pause",
        "would_close",
        "release",
        "hold_out",
        "blocked",
        "none",
    ]
    assert [claim_of(decision("A", name)).label for name in names] == ["paused", "closed", "", "", "", "", "", ""]
    assert claim_of(decision("A", "pause", AT, 600.0)).until == AT.timestamp() + 600


@pytest.mark.parametrize(("what", "label"), [("pause", "paused"), ("close", "closed")])
def test_a_deed_in_time_labels_the_first_forwarding(what: DecisionName, label: str) -> None:
    """The alert goes on once, with the label; so do all later copies, and its end."""

    async def test(rig: Rig) -> None:
        decide(rig, what)
        alert = rig.alert()
        for each in (alert, alert, rig.resolved(alert)):
            await rig.post(each)
        assert labels(rig) == [label] * 3
        assert rig.value("relay_labels_total", label=label) == 1

    with_labels(test)


def test_copies_of_other_senders_wait_with_it() -> None:
    """Two Prometheis post a new firing to one relay at almost the same time: neither copy goes on plain."""

    async def test(rig: Rig) -> None:
        alert = rig.alert()
        other = {**alert, "generatorURL": "http://prometheus-1:9090/graph"}
        first = asyncio.create_task(rig.post(alert))
        await until(lambda: rig.publisher.raised)
        second = asyncio.create_task(rig.post(other))
        await until(lambda: rig.value("relay_alerts_total") == 2)
        assert rig.upstream.bodies == []
        await rig.room.take([decision(rig.publisher.raised[0].alert_id, "pause")])
        await asyncio.gather(first, second)
        assert labels(rig) == ["paused", "paused"]

    with_labels(test)


def test_labels_are_off_by_default() -> None:
    """Without the setting a deed changes nothing, and nothing waits for one."""

    async def test(rig: Rig) -> None:
        decide(rig, "pause")
        began = rig.clock()
        await rig.post(rig.alert())
        assert rig.clock() - began < WAIT_SECONDS / 2
        assert labels(rig) == [""]

    with_labels(test, labels=False)


@pytest.mark.parametrize("what", ["would_pause", "hold_out", "blocked", "none"])
def test_any_other_decision_ends_the_wait(what: DecisionName) -> None:
    """The alert goes on plain as soon as it is known that nothing is done to it."""

    async def test(rig: Rig) -> None:
        decide(rig, what)
        began = rig.clock()
        await rig.post(rig.alert())
        assert rig.clock() - began < WAIT_SECONDS / 2
        assert labels(rig) == [""]

    with_labels(test)


def test_without_a_decision_it_goes_on_after_the_wait() -> None:
    """It waits 0.3 s and no longer; a deed that comes then is not applied, and counted."""

    async def test(rig: Rig) -> None:
        began = rig.clock()
        alert = rig.alert()
        await rig.post(alert)
        assert 0.25 < rig.clock() - began < WAIT_SECONDS / 2
        await until(lambda: rig.publisher.raised)
        await rig.room.take([decision(rig.publisher.raised[0].alert_id, "pause")])
        await rig.post(alert)
        assert labels(rig) == ["", ""]
        assert rig.value("relay_labels_late_total") == 1

    with_labels(test, wait_seconds=0.3)


def test_over_fifty_new_firings_a_second_none_waits() -> None:
    """A storm goes on at once and plain; what fires already never waits."""

    async def test(rig: Rig) -> None:
        alerts = [rig.alert(host=str(number)) for number in range(51)]
        began = rig.clock()
        await rig.post(*alerts)
        assert rig.clock() - began < WAIT_SECONDS / 2
        rig.ahead = 2.0
        began = rig.clock()
        await rig.post(*alerts)
        assert rig.clock() - began < WAIT_SECONDS / 2
        assert set(labels(rig)) == {""}

    with_labels(test)


@pytest.mark.parametrize("routed", [[], ["closed"]])
def test_no_label_without_a_route(routed: list[str]) -> None:
    """While Alertmanager's configuration does nothing with the value, or is not known, the alert goes on plain."""

    async def test(rig: Rig) -> None:
        decide(rig, "pause")
        rig.labeller.checks = {"am": RouteCheck(frozenset(routed))} if routed else {}
        await rig.post(rig.alert())
        assert rig.value("relay_labels_unrouted_total") == len(routed)
        rig.labeller.checks = {"am-0": RouteCheck(frozenset({"paused"})), "am-1": RouteCheck()}
        await rig.post(rig.alert("Other"))
        assert labels(rig) == ["", ""]

    with_labels(test)


def test_two_relays_agree() -> None:
    """The deed reaches one of them in time and the other one too late: both forward with what was claimed first."""

    async def run(label: str) -> None:
        store, publisher = SharedStore(), MemoryPublisher()
        async with (
            running(store, publisher, True, "one", wait_seconds=WAIT_SECONDS if label else 0.3) as one,
            running(store, publisher, True, "two", wait_seconds=0.3) as two,
        ):
            alert = one.alert()
            first = asyncio.create_task(one.post(alert))
            await until(lambda: publisher.raised)
            if label:
                await one.room.take([decision(publisher.raised[0].alert_id, "pause")])
            await first
            await two.post(alert)
            assert labels(one) == labels(two) == [label]

    for label in ("", "paused"):
        asyncio.run(run(label))


def test_the_claim_stands_before_the_first_forwarding() -> None:
    """When the labelled alert reaches Alertmanager Redis holds the claim already."""

    async def test(rig: Rig) -> None:
        decide(rig, "pause")
        stood: list[bool] = []
        rig.upstream.on_post = lambda body: stood.append(any(key.startswith("label:") for key in rig.store.values))
        await rig.post(rig.alert())
        assert stood == [True]

    with_labels(test)


@pytest.mark.parametrize("fault", ["away", "slow"])
def test_who_can_t_claim_forwards_plain(fault: str) -> None:
    """Redis away, or slower than the wait: the alert goes on plain within a second, and the next one at once."""

    async def test(rig: Rig) -> None:
        decide(rig, "pause")
        if fault == "away":
            rig.store.away = True
        else:
            rig.store.answering.clear()  # it answers nothing before the end of the test
        await rig.post(rig.alert())
        await rig.post(rig.alert("Other"))
        assert labels(rig) == ["", ""]
        assert rig.value("relay_labels_unclaimed_total") == 2

    with_labels(test, wait_seconds=0.3)


@pytest.mark.parametrize("away", ["events", "decisions"])
def test_nothing_waits_while_kafka_is_away(away: str) -> None:
    """Where no decision can come a new firing goes on at once."""

    async def test(rig: Rig) -> None:
        rig.registrar.kafka_away = away == "events"
        rig.labeller.decisions_come = lambda: away != "decisions"
        began = rig.clock()
        await rig.post(rig.alert())
        assert rig.clock() - began < WAIT_SECONDS / 2

    with_labels(test)


def test_a_restarted_relay_keeps_the_label() -> None:
    """What was forwarded with a label is known in Redis: the new process forwards it so from its first copy on."""

    async def run() -> None:
        store, publisher = SharedStore(), MemoryPublisher()
        async with running(store, publisher, True, "one") as one:
            decide(one, "pause")
            alert = one.alert()
            await one.post(alert)
        async with running(store, publisher, True, "two") as two:
            await two.post(alert)
            assert labels(two) == ["paused"]

    asyncio.run(run())


def test_an_old_firing_does_not_wait() -> None:
    """What began before this process, and has no claim, was forwarded plain: it goes on plain and at once."""

    async def test(rig: Rig) -> None:
        began = rig.clock()
        await rig.post(rig.alert(age=3_600))
        assert rig.clock() - began < WAIT_SECONDS / 2
        assert labels(rig) == [""]

    with_labels(test)


def test_a_release_posts_both() -> None:
    """At release one post resolves the labelled alert and fires the plain one; from then on copies are plain."""

    async def test(rig: Rig) -> None:
        decide(rig, "pause")
        alert = rig.alert()
        await rig.post(alert)
        alert_id = rig.publisher.raised[0].alert_id
        await rig.room.take([enriched(alert_id)])
        await until(lambda: len(rig.upstream.bodies) == 2)
        await rig.room.take([decision(alert_id, "release")])
        assert len(rig.upstream.bodies) == 3
        labelled, plain = rig.upstream.alerts[2:]
        assert labelled["labels"] == {**alert["labels"], "noisegate": "paused"}
        assert datetime.fromisoformat(labelled["endsAt"]) <= datetime.now(UTC)
        assert plain == {**alert, "annotations": labelled["annotations"]}
        assert plain["annotations"]["noisegate_probability"] == "0.07"
        await rig.post(alert)
        assert labels(rig) == ["paused", "paused", "paused", "", ""]
        await rig.room.take([decision(alert_id, "release")])
        assert len(rig.upstream.bodies) == 4

    with_labels(test)


def test_a_release_is_not_forgotten_by_a_restart() -> None:
    """A relay that starts after the release forwards plain, though the alert was labelled before."""

    async def run() -> None:
        store, publisher = SharedStore(), MemoryPublisher()
        async with running(store, publisher, True, "one") as one:
            decide(one, "pause")
            alert = one.alert()
            await one.post(alert)
            await one.room.take([decision(publisher.raised[0].alert_id, "release")])
        async with running(store, publisher, True, "two") as two:
            await two.post(alert)
            assert labels(two) == [""]

    asyncio.run(run())


def test_a_pause_ends_in_time_though_no_release_comes() -> None:
    """The closer is away: when the pause is over the relay takes the label off by itself."""

    async def test(rig: Rig) -> None:
        decide(rig, "pause", 60.0)
        await rig.post(rig.alert())
        rig.ahead = 66.0
        await until(lambda: len(rig.upstream.bodies) == 2)
        assert labels(rig) == ["paused", "paused", ""]
        assert rig.value("relay_labels_released_total", label="paused") == 1

    with_labels(test)


def test_what_has_ended_is_not_posted_at_release() -> None:
    """A release of an alert that was resolved meanwhile fires nothing."""

    async def test(rig: Rig) -> None:
        decide(rig, "pause")
        alert = rig.alert()
        await rig.post(alert)
        await rig.post(rig.resolved(alert))
        await rig.room.take([decision(rig.publisher.raised[0].alert_id, "release")])
        assert len(rig.upstream.bodies) == 2

    with_labels(test)


def test_claims_are_first_come() -> None:
    """The first claim stands whoever comes then, and a release puts a plain one in its place."""
    claims = Claims(SharedStore())
    paused, plain = Claim("paused", 7.0), Claim("")
    assert claims.claim({"A": paused, "B": plain}) == {"A": paused, "B": plain}
    assert claims.claim({"A": plain, "B": paused}) == {"A": paused, "B": plain}
    claims.release({"A": paused})
    assert claims.read(["A", "B", "C"]) == {"A": plain, "B": plain}


def test_a_deed_that_is_read_again_does_not_follow_its_release() -> None:
    """After a fault topics are read anew: a pause that a release has ended stays ended."""
    found = Decisions(10)
    earlier, later = moment(1_772_359_200.0), moment(1_772_359_260.0)
    for one in (decision("A1", "pause", earlier), decision("A1", "release", later), decision("A1", "pause", earlier)):
        found.add(one)
    last = found.get("A1")
    assert last is not None
    assert last.decision == "release"
