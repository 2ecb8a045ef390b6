"""Our own form of events, bare and in CloudEvents."""

import base64
import json
from typing import Any

import pytest

from stream.core.kinds import RESERVED
from stream.sources.parsed import BadRequest
from tests.sources.sender import Sender, acted, raised

RAISED = {
    "type": "raised",
    "at": "2026-11-24T10:00:00Z",
    "alert_id": "A-1",
    "team": "payments",
    "rule": "disk_full",
    "entity": "db-7",
    "labels": {"env": "prod"},
}
ACTED = {
    "type": "acted",
    "at": "2026-11-24T10:05:00Z",
    "alert_id": "A-1",
    "team": "payments",
    "action_id": "A-1-1",
    "kind": "worked",
    "agent": "person",
    "actor": "anna@example.net",
}
LINES = {"content-type": "application/x-ndjson"}
STRUCTURED = {"content-type": "application/cloudevents+json; charset=utf-8"}
BATCH = {"content-type": "application/cloudevents-batch+json"}


def cloudevent(**changes: Any) -> dict[str, Any]:
    """A CloudEvent with an alert; a change of None takes the attribute out."""
    event = {"specversion": "1.0", "id": "1", "source": "/mon", "type": "net.example.raised", "data": RAISED, **changes}
    return {name: value for name, value in event.items() if value is not None}


def test_one_event_is_taken_as_it_is() -> None:
    """Team and id are the sender's; only the actor becomes a pseudonym."""
    (event,) = raised(Sender().post("events", {**RAISED, "source": "icinga", "severity": "high"}))
    assert (event.alert_id, event.team, event.source, event.severity) == ("A-1", "payments", "icinga", "high")
    assert raised(Sender().post("events", RAISED))[0].source is None
    (act,) = acted(Sender().post("events", ACTED))
    assert (act.action_id, act.kind, act.agent, act.actor) == ("A-1-1", "worked", "person", "p-16")


def test_ids_are_unique_within_their_team_only() -> None:
    """Two teams may use one id: nothing that is remembered moves an event to the other team."""
    sender = Sender()
    assert [event.team for event in raised(sender.post("events", [RAISED, {**RAISED, "team": "search"}]))] == [
        "payments",
        "search",
    ]
    assert acted(sender.post("events", {**ACTED, "team": "search"}))[0].team == "search"


def test_a_list_and_lines_are_read_in_order() -> None:
    """Many events in one body, as a list or one a line, with a mark, CR LF and blank lines."""
    lines = "\ufeff" + "\r\n\r\n".join(json.dumps(event) for event in (RAISED, ACTED)) + "\n\n"
    for found in (Sender().post("events", [RAISED, ACTED]), Sender().post("events", lines.encode(), LINES)):
        assert (len(raised(found)), len(acted(found)), found.refused) == (1, 1, [])


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"alert_id": 4711}, "alert_id"),
        ({"alert_id": ""}, "alert_id"),
        ({"team": "t" * 300}, "team"),
        ({"rule": None}, "rule"),
        ({"at": "2026-06-30T23:59:60Z"}, "at"),
        ({"at": "2026-11-24T10:00:00"}, "at"),
        ({"at": "1970-01-01T00:00:00Z"}, "at"),
        ({"at": "2026-11-24T12:30:00Z"}, "at"),
        ({"type": "rang"}, "type"),
        ({"type": "tick"}, "type"),
        ({"labels": {"a": 1}}, "labels[...]"),
    ],
)
def test_a_bad_event_names_its_field(changes: dict[str, Any], where: str) -> None:
    """Alone it is a 422; among others it is refused by itself, by its number or its line."""
    bad = {**RAISED, **changes}
    with pytest.raises(BadRequest) as caught:
        Sender().post("events", bad)
    assert (caught.value.status, caught.value.field) == (422, where)
    found = Sender().post("events", [RAISED, bad, ACTED])
    assert [refused.where for refused in found.refused] == [f"[1].{where}"]
    assert (len(raised(found)), len(acted(found))) == (1, 1)
    lines = b"\n".join(json.dumps(event).encode() for event in (RAISED, bad, ACTED))
    assert [refused.where for refused in Sender().post("events", lines, LINES).refused] == [f"line 2.{where}"]


@pytest.mark.parametrize("kind", sorted(RESERVED))
def test_a_sender_can_not_pass_for_the_closer(kind: str) -> None:
    """Reserved kinds are refused, whoever sends them."""
    with pytest.raises(BadRequest, match="written by noisegate only"):
        Sender().post("events", {**ACTED, "kind": kind})


@pytest.mark.parametrize("body", [7, "x", None, {}, {"alert": 1}])
def test_what_is_no_event_is_told(body: Any) -> None:
    """One sentence that names what is missing."""
    with pytest.raises(BadRequest) as caught:
        Sender().post("events", body)
    assert caught.value.status == 422


def test_a_line_that_is_no_json_is_refused_by_its_number() -> None:
    """Cut within, or nested without end: the other lines are taken."""
    lines = b"\n".join([json.dumps(RAISED).encode(), b'{"type":', b"[" * 5_000, json.dumps(ACTED).encode()])
    found = Sender().post("events", lines, LINES)
    assert [refused.where for refused in found.refused] == ["line 2", "line 3"]
    assert (len(raised(found)), len(acted(found))) == (1, 1)


@pytest.mark.parametrize("source", ["events", "cloudevents"])
def test_cloudevents_are_read_in_all_their_modes(source: str) -> None:
    """Structured, with base64, binary and as a batch; both routes read them."""
    encoded = base64.b64encode(json.dumps(RAISED).encode()).decode()
    binary = {f"ce-{name}": str(value) for name, value in cloudevent(data=None).items()}
    binary["ce-subject"] = "caf%C3%A9"
    bodies: list[tuple[Any, dict[str, str]]] = [
        (cloudevent(), STRUCTURED),
        (cloudevent(data=None, data_base64=encoded), STRUCTURED),
        (RAISED, {**binary, "content-type": "application/json"}),
        ([cloudevent()], BATCH),
    ]
    for body, headers in bodies:
        assert [event.alert_id for event in raised(Sender().post(source, body, headers))] == ["A-1"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"id": None}, "id"),
        ({"id": ""}, "id"),
        ({"source": 7}, "source"),
        ({"specversion": "0.3"}, "specversion"),
        ({"data": None}, "data"),
        ({"data": "text"}, "data"),
        ({"data": None, "data_base64": "%%%"}, "data"),
        ({"data": None, "data_base64": "e30"}, "data"),
        ({"data": {**RAISED, "team": ""}}, "data.team"),
    ],
)
def test_a_bad_cloudevent_names_its_attribute(changes: dict[str, Any], field: str) -> None:
    """Alone it is a 422; in a batch the good ones are taken and the bad one is named."""
    with pytest.raises(BadRequest) as caught:
        Sender().post("cloudevents", cloudevent(**changes), STRUCTURED)
    assert (caught.value.status, caught.value.field) == (422, field)
    found = Sender().post("cloudevents", [cloudevent(), cloudevent(**changes)], BATCH)
    assert [refused.where for refused in found.refused] == [f"[1].{field}"]
    assert len(raised(found)) == 1


def test_a_binary_cloudevent_without_an_attribute_names_its_header() -> None:
    """The attributes are headers there."""
    with pytest.raises(BadRequest) as caught:
        Sender().post("cloudevents", RAISED, {"ce-specversion": "1.0", "ce-source": "/m", "ce-type": "t"})
    assert (caught.value.status, caught.value.field) == (422, "ce-id")
