"""Posts through the application: what is answered, and what is published."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stream.core import limits
from stream.core.errors import KafkaAway, RecordRefused
from stream.core.events import Acted, Raised
from stream.intake.answer import Answer
from stream.intake.post import ITEMS_AT_A_TIME
from stream.sources.agents import load_agents
from stream.sources.firing_store import MemoryFiringStore
from stream.sources.options import load_sources
from stream.sources.readers import with_automation
from tests.intake.bodies import acted, alert, group, incident_event, raised
from tests.intake.rig import EVENTS, AbsentFiringStore, Clock, Rig, rig


def run(test: Callable[[Rig], Awaitable[None]], **arguments: object) -> None:
    """Run a coroutine on an intake."""

    async def inside() -> None:
        async with rig(**arguments) as made:  # type: ignore[arg-type]  # each test names its own
            await test(made)

    asyncio.run(inside())


def test_an_alert_is_published_by_its_team_and_answered_202() -> None:
    """The record is keyed by the team, and the answer counts what Kafka has."""

    async def test(intake: Rig) -> None:
        answer = await intake.post("alertmanager", group(alert()))
        assert answer.status_code == 202
        assert answer.json() == {"accepted": 1, "duplicates": 0, "refused": [], "ignored": 0}
        (output,) = intake.publisher.outputs
        assert (output.topic, output.key) == (EVENTS, b"payments")
        (event,) = intake.publisher.events
        assert isinstance(event, Raised)
        assert (event.team, event.rule, event.entity, event.source) == ("payments", "DiskFull", "db-7", "alertmanager")
        assert intake.value("intake_posts_total", source="alertmanager", status="202") == 1
        assert intake.value("intake_events_total", source="alertmanager", type="raised") == 1

    run(test)


def test_what_is_known_is_answered_200_and_not_published_again() -> None:
    """A firing that is posted again every few minutes is one alert; its end is published once too."""

    async def test(intake: Rig) -> None:
        await intake.post("alertmanager", group(alert()))
        again = await intake.post("alertmanager", group(alert()))
        assert (again.status_code, again.json()["duplicate"], again.json()["duplicates"]) == (200, True, 1)
        for expected in (202, 200):
            answer = await intake.post("alertmanager", group(alert("resolved")))
            assert answer.status_code == expected
        first, ended = intake.publisher.events
        assert isinstance(first, Raised)
        assert isinstance(ended, Acted)
        assert (ended.kind, ended.alert_id, ended.agent) == ("ended", first.alert_id, "automation")

    run(test)


def test_one_bad_alert_refuses_no_other() -> None:
    """It goes to alerts.failed under its reason and place, and the answer names it."""

    async def test(intake: Rig) -> None:
        bad = {**alert(), "startsAt": "2099-01-01T00:00:00Z"}
        answer = await intake.post("alertmanager", group(bad, alert()))
        assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
        (refused,) = answer.json()["refused"]
        assert refused["where"] == "alerts[0].startsAt"
        (letter,) = intake.publisher.failed
        assert letter["reason"] == refused["reason"]
        assert (letter["room"], letter["topic"]) == ("intake", "/v1/alertmanager")
        assert intake.value("intake_refused_total", source="alertmanager", reason=refused["reason"]) == 1

    run(test)


def test_what_was_guessed_or_cut_is_counted() -> None:
    """An alert that names no team falls to the default, one with a long title is cut: each is counted, and taken."""

    async def test(intake: Rig) -> None:
        nobodys = {**alert(instance="db-8"), "labels": {"alertname": "DiskFull", "instance": "db-8"}}
        long = {**alert(instance="db-9"), "annotations": {"summary": "x" * 5_000}}
        answer = await intake.post("alertmanager", group(alert(), nobodys, long))
        assert (answer.status_code, answer.json()["accepted"]) == (202, 3)
        assert intake.value("intake_default_team_total", source="alertmanager") == 1
        assert intake.value("intake_cut_total", source="alertmanager") == 1
        raised_events = [event for event in intake.publisher.events if isinstance(event, Raised)]
        assert [event.cut for event in raised_events] == [None, None, True]

    run(test)


def test_the_answer_waits_for_kafka() -> None:
    """Nothing is answered before the acknowledgement, and nothing is known before it either."""

    async def test(intake: Rig) -> None:
        intake.publisher.held = True
        posting = asyncio.create_task(intake.post("alertmanager", group(alert())))
        await intake.publisher.reached.wait()
        assert intake.value("intake_records_waiting") == 1
        assert intake.value("intake_posts_waiting") == 1
        assert not posting.done()
        intake.publisher.acknowledge()
        assert (await posting).status_code == 202

    run(test)


@pytest.mark.parametrize(
    "fault", [KafkaAway("Kafka did not acknowledge a record within 3 s", "try again later"), RuntimeError("odd")]
)
def test_without_kafka_the_answer_is_503_and_the_next_try_is_no_duplicate(fault: Exception) -> None:
    """Retry-After says when; what Kafka does not have is not remembered as published."""

    async def test(intake: Rig) -> None:
        intake.publisher.fault = fault
        answer = await intake.post("alertmanager", group(alert()))
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert answer.json()["error"].endswith("send it again later")
        intake.publisher.fault = None
        again = await intake.post("alertmanager", group(alert()))
        assert (again.status_code, again.json()["accepted"]) == (202, 1)

    run(test)


def test_a_record_that_its_topic_refuses_goes_to_failed() -> None:
    """The sender is told; to try again would fail again, so it is no 503."""

    async def test(intake: Rig) -> None:
        publish = intake.publisher.publish
        refused = RecordRefused("alerts.events refuses a record (too large)", "raise max.message.bytes of the topic")

        def refusing(output):  # type: ignore[no-untyped-def]  # as publish
            intake.publisher.fault = refused if output.topic == EVENTS else None
            return publish(output)

        intake.publisher.publish = refusing  # type: ignore[method-assign]  # the fake's own
        answer = await intake.post("alertmanager", group(alert()))
        assert (answer.status_code, answer.json()["accepted"]) == (202, 0)
        assert answer.json()["refused"][0]["reason"] == "refused_by_topic"
        assert [letter["reason"] for letter in intake.publisher.failed] == ["refused_by_topic"]

    run(test)


def test_too_many_posts_are_answered_503_and_the_first_goes_on() -> None:
    """The number that is worked on is bounded; what was begun is finished."""

    async def test(intake: Rig) -> None:
        intake.publisher.held = True
        posting = asyncio.create_task(intake.post("alertmanager", group(alert())))
        await intake.publisher.reached.wait()
        answer = await intake.post("alertmanager", group(alert(instance="db-8")))
        assert answer.status_code == 503
        assert "1 posts are worked on already" in answer.json()["error"]
        intake.publisher.acknowledge()
        assert (await posting).status_code == 202
        assert intake.handler.budget.posts == intake.handler.budget.bytes == 0

    run(test, posts=1)


def test_too_many_bytes_are_answered_503() -> None:
    """The bytes of all bodies are bounded; they are given back when the answer is out."""

    async def test(intake: Rig) -> None:
        answer = await intake.post("alertmanager", group(alert()))
        assert answer.status_code == 503
        assert intake.handler.budget.bytes == 0

    run(test, waiting_bytes=50)


def test_pagerduty_is_answered_whatever_comes() -> None:
    """Unknown types and pings are 200 and counted; nothing is published of them."""

    async def test(intake: Rig) -> None:
        for event_type in ("incident.tomorrow", "pagey.ping", "service.updated"):
            answer = await intake.post("pagerduty", incident_event(event_type, event_type))
            assert (answer.status_code, answer.json()["ignored"]) == (200, 1)
        assert intake.publisher.outputs == []
        assert intake.value("intake_ignored_total", source="pagerduty", reason="unknown_event_type") == 1

    run(test)


def test_a_pagerduty_event_that_comes_twice_is_taken_once() -> None:
    """Its id is remembered once Kafka has its events, and not before."""

    async def test(intake: Rig) -> None:
        intake.publisher.fault = KafkaAway("away")
        assert (await intake.post("pagerduty", incident_event())).status_code == 503
        intake.publisher.fault = None
        assert (await intake.post("pagerduty", incident_event())).status_code == 202
        again = await intake.post("pagerduty", incident_event())
        assert (again.status_code, again.json()["duplicate"]) == (200, True)
        (event,) = intake.publisher.events
        assert (event.team, event.alert_id) == ("Payments", "Q0INC01")  # type: ignore[union-attr]  # it is raised

    run(test)


def test_a_person_s_resolve_long_after_an_acknowledgement_is_worked_too() -> None:
    """`worked` is published before the resolve, for the team that owned the alert first."""

    async def test(intake: Rig) -> None:
        await intake.post("pagerduty", incident_event())
        await intake.post("pagerduty", incident_event("incident.acknowledged", "EV2"))
        late = incident_event("incident.resolved", "EV3", teams=[])
        late["event"]["occurred_at"] = "2026-11-25T09:40:00Z"
        assert (await intake.post("pagerduty", late)).json()["accepted"] == 2
        acts = [event for event in intake.publisher.events if isinstance(event, Acted)]
        assert [(act.kind, act.team, act.agent) for act in acts] == [
            ("acknowledged", "Payments", "person"),
            ("worked", "Payments", "person"),
            ("resolved", "Payments", "person"),
        ]
        assert all(act.actor and "Kim" not in act.actor and act.actor != "PUSER01" for act in acts)

    run(test)


def test_our_own_form_comes_once() -> None:
    """The same bytes again are a duplicate; one event that can't be used alone is 422 with its field."""

    async def test(intake: Rig) -> None:
        body = [raised(), acted()]
        assert (await intake.post("events", body)).json()["accepted"] == 2
        assert (await intake.post("events", body)).json()["duplicate"] is True
        answer = await intake.post("events", {**raised("INC2"), "team": None})
        assert (answer.status_code, answer.json()["field"]) == (422, "team")
        answer = await intake.post("events", raised("INC3", type="tick"))
        assert answer.status_code == 422
        answer = await intake.post("events", [{"type": "raised"}, {"odd": 1}])
        assert (answer.status_code, answer.json()["field"][:3]) == (422, "[0]")
        assert len(intake.publisher.outputs) == 2

    run(test)


def test_without_memory_ids_fall_back_and_are_counted() -> None:
    """Alerts go on by fingerprint and start; once memory is back the same ids are remembered."""
    store = AbsentFiringStore(MemoryFiringStore())
    steady = Clock(0.0)

    async def test(intake: Rig) -> None:
        for _ in range(2):
            assert (await intake.post("alertmanager", group(alert()))).status_code == 202
        assert store.calls == 1  # nobody waits for what is known to be away
        assert intake.value("intake_fallback_ids_total") == 2
        assert intake.value("intake_memory_up") == 0
        assert "memory of firings" in intake.switch.away
        store.away, steady.now = False, 2.0
        assert (await intake.post("alertmanager", group(alert()))).status_code == 202
        assert (await intake.post("alertmanager", group(alert()))).status_code == 200
        assert intake.value("intake_memory_up") == 1
        assert len({event.alert_id for event in intake.publisher.events if isinstance(event, Raised)}) == 1

    run(test, store=store, steady=steady)


def test_a_mapping_is_a_route_of_its_own() -> None:
    """What the file of sources names is served; another name is 404 with those that there are."""

    async def test(intake: Rig) -> None:
        answer = await intake.post("map/nothing", {})
        assert answer.status_code == 404
        assert "zabbix" in answer.json()["error"]
        assert (await intake.post("map/zabbix", {"odd": 1})).status_code in (200, 202, 422)

    run(test)


@pytest.mark.slow
def test_many_alerts_of_one_post_are_one_batch_each() -> None:
    """More alerts than are taken at a time come out whole and in order."""

    async def test(intake: Rig) -> None:
        body = group(*(alert(instance=f"h-{number}") for number in range(4_500)))
        answer = await intake.post("alertmanager", body)
        assert answer.json()["accepted"] == 4_500
        entities = [event.entity for event in intake.publisher.events if isinstance(event, Raised)]
        assert entities == [f"h-{number}" for number in range(4_500)]

    run(test)


@pytest.mark.slow
def test_a_hundred_thousand_alerts_in_one_post() -> None:
    """Kafka has no more of them under way at a time than of any post; what it took of a try that failed stays taken."""

    async def test(intake: Rig) -> None:
        start = "2026-11-25T09:00:00Z"
        alerts = [
            {"status": "firing", "labels": {"alertname": "Pod", "pod": f"p-{number}"}, "startsAt": start}
            for number in range(limits.ITEMS)
        ]
        body = msgspec.json.encode({"version": "4", "alerts": alerts})
        patient = msgspec.structs.replace(intake.inboxes["alertmanager"], answer_seconds=240.0)  # on a busy machine
        publisher, most = intake.publisher, 0
        publisher.held = True

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        async def acknowledge(rounds: int) -> None:
            nonlocal most
            for _ in range(rounds):
                await publisher.reached.wait()
                publisher.reached.clear()
                most = max(most, publisher.waiting)
                publisher.acknowledge()
            publisher.fault = KafkaAway("away")

        async def post(rounds: int) -> Answer:
            publisher.fault = None
            acknowledging = asyncio.create_task(acknowledge(rounds))
            answer = await intake.handler.handle(patient, [("content-type", "application/json")], receive)
            await acknowledging
            return answer

        assert (await post(1)).status == 503
        answer = await post(limits.ITEMS // ITEMS_AT_A_TIME - 1)
        told = msgspec.json.decode(answer.body)
        assert (answer.status, told["accepted"]) == (202, limits.ITEMS - ITEMS_AT_A_TIME)
        assert told["duplicates"] == most == ITEMS_AT_A_TIME
        entities = [event.entity for event in publisher.events if isinstance(event, Raised)]
        assert entities == [f"p-{number}" for number in range(limits.ITEMS)]
        assert intake.handler.budget.bytes == 0

    run(test)


@pytest.mark.parametrize(
    ("source", "body", "words"),
    [
        ("alertmanager", b'{"alerts":[%s]}', "`alerts` has 100001 entries, at most 100000 are read; send fewer"),
        ("grafana", b'{"alerts":[%s]}', "`alerts` has 100001 entries, at most 100000 are read; send fewer"),
        ("events", b"[%s]", "the body has 100001 events, at most 100000 are read; send fewer"),
        ("map/zabbix", b"[%s]", "the body has 100001 entries, at most 100000 are read; send fewer"),
    ],
)
def test_more_alerts_in_one_post_are_413_with_the_number(source: str, body: bytes, words: str) -> None:
    """The sentence names how many came and how many are read; it is counted as what an alert rings for."""

    async def test(intake: Rig) -> None:
        answer = await intake.post(source, body % b",".join([b"0"] * (limits.ITEMS + 1)))
        assert (answer.status_code, answer.json()["error"]) == (413, words)
        assert intake.value("intake_posts_total", source=source, status="413") == 1
        assert intake.publisher.outputs == []

    run(test)


def test_posts_that_come_together_are_looked_up_together() -> None:
    """A hundred posts at once cost the memory far fewer calls than posts."""
    store = AbsentFiringStore(MemoryFiringStore())
    store.away = False

    async def test(intake: Rig) -> None:
        posts = [intake.post("alertmanager", group(alert(instance=f"h-{number}"))) for number in range(100)]
        answers = await asyncio.gather(*posts)
        assert {answer.status_code for answer in answers} == {202}
        assert store.calls < 200

    run(test, store=store)


def test_no_name_or_address_of_a_person_is_stored() -> None:
    """Events and dead letters hold who did it as a pseudonym at most; the letter still says what it is about."""

    async def test(intake: Rig) -> None:
        await intake.post("pagerduty", incident_event("incident.acknowledged"))
        unknown = incident_event("incident.annotated", "EV2", id="", type="note", content="call kim.berg@example.net")
        answer = await intake.post("pagerduty", unknown)
        assert (answer.status_code, len(answer.json()["refused"])) == (202, 1)
        stored = b"".join(output.value + repr(output.headers).encode() for output in intake.publisher.outputs)
        for secret in (b"Kim Berg", b"PUSER01", b"kim.berg@example.net"):
            assert secret not in stored
        assert b"incident.annotated" in stored

    run(test)


def test_accounts_that_are_listed_are_no_people(tmp_path: Path) -> None:
    """What the file of sources lists under `automation` decides who did it; of JSM as of Opsgenie."""
    file = tmp_path / "sources.toml"
    file.write_text('[pagerduty]\nautomation = ["kim*"]\n[jsm]\nautomation = ["robot-*"]\n')
    sources = load_sources(file)
    agents = with_automation(load_agents(), sources)
    assert agents.is_machine("pagerduty", "Kim Berg")
    assert agents.is_machine("opsgenie", "robot-1")

    async def test(intake: Rig) -> None:
        await intake.post("pagerduty", incident_event("incident.acknowledged"))
        act = intake.publisher.events[-1]
        assert isinstance(act, Acted)
        assert (act.kind, act.agent, act.actor is None) == ("acknowledged", "automation", False)

    run(test, sources=sources)
