"""PagerDuty's webhooks are read as what happened, and nothing in an event refuses the post."""

from pathlib import Path
from typing import Any

import pytest

from stream.sources import pagerduty
from stream.sources.expiring_store import MemoryExpiringStore
from stream.sources.incident import IncidentOptions
from stream.sources.parsed import Act, BadRequest, Named, Parsed, Raise
from stream.sources.worked import add_worked
from tests.sources import bodies
from tests.sources.bodies import RECEIVED_AT, ROBOT, SERVICE, USER, Expected, incident
from tests.sources.sender import shipped_agents

AGENTS = shipped_agents()
INTEGRATION = {"id": "PINT009", "summary": "Events API", "type": "inbound_integration_reference"}


def read(document: Any, options: IncidentOptions = bodies.OPTIONS) -> Parsed:
    """The body, received a while after all that it tells of."""
    return pagerduty.read(document, options, AGENTS, RECEIVED_AT)


# What a machine resolves has `ended`; `auto_closed` is kept for what no monitor has said.
SIGNED = Expected(items=["acknowledged Q0INC01"], agent="person", actor="PUSER01")
SHARED = {
    "triggered.json": Expected(
        items=["raised Q0INC01"], at="09:15:02", team="team Payments", rule="DISK CRITICAL on db-#",
        entity="payments-db", severity="P2",
    ),
    "acknowledged.json": Expected(items=["acknowledged Q0INC01"], agent="person", actor="PUSER01", at="09:20:00"),
    "escalated.json": Expected(items=["escalated Q0INC01"], agent="automation"),
    "resolved_by_person.json": Expected(items=["resolved Q0INC01"], agent="person", actor="PUSER01", at="09:55:00"),
    "resolved_by_monitor.json": Expected(items=["ended Q0INC01"], agent="automation", at="09:16:30"),
    # An update is an act, not nothing: who publishes one has seen the alert. No problem file need list it.
    "status_update.json": Expected(items=["updated Q0INC01"], agent="person", actor="PUSER01"),
    "pagey_ping.json": Expected(ignored=["ping"]),
    "service_updated.json": Expected(ignored=["not_of_an_incident"]),
    "type_of_tomorrow.json": Expected(ignored=["unknown_event_type"]),
    "nothing_set.json": Expected(
        items=["raised Q0INC02"], team="service payments-db", entity="payments-db", severity="high"
    ),
    "team_renamed.json": Expected(
        items=["resolved Q0INC01"], agent="person", actor="PUSER01", team="team Payments & Billing"
    ),
    # Proof of sender is tests/sources/test_signatures.py's; as bodies these are like any.
    "signature_wrong.json": SIGNED,
    "signature_missing.json": SIGNED,
    "signature_of_version_2.json": SIGNED,
    "signature_upper_case.json": SIGNED,
    "unicode_and_spaces_signed.json": Expected(items=["raised Q0INC04"], rule="Datenträger voll – ディスク 🔥"),
    # It carries what is said of its alert, so that whoever resolves subjects can raise it first.
    "resolved_before_triggered.json": Expected(
        items=["resolved Q0INC05"], agent="person", actor="PUSER01", team="team Payments"
    ),
    "ack_after_resolve.json": Expected(items=["acknowledged Q0INC01"], agent="person", actor="PUSER01"),
}  # fmt: skip
REFUSED = {
    "pagerduty/version_2_messages.json": ("messages", "version 2 webhook"),
    "pagerduty_events_v2/trigger.json": ("event_action", "Events API v2"),
    "pagerduty_events_v2/trigger_same_key_other_summary.json": ("event_action", "Events API v2"),
    "pagerduty_events_v2/key_holds_the_severity.json": ("event_action", "Events API v2"),
    "pagerduty_events_v2/version_1.json": ("service_key", "Events API v1"),
}


@pytest.mark.parametrize("name", SHARED)
def test_shared_bodies(shared_data: Path, name: str) -> None:
    """Each body of real life is read as the table says."""
    SHARED[name].check(read(bodies.shared_document(shared_data, f"pagerduty/{name}")))


@pytest.mark.parametrize("name", REFUSED)
def test_shared_bodies_of_another_kind(shared_data: Path, name: str) -> None:
    """What is no v3 webhook gets a 422 that says what it is, and no word of the routing key."""
    with pytest.raises(BadRequest) as refused:
        read(bodies.shared_document(shared_data, name))
    field, said = REFUSED[name]
    assert (refused.value.status, refused.value.field) == (422, field)
    assert said in str(refused.value)
    assert "version 3" in str(refused.value)
    assert "0123456789abcdef" not in str(refused.value)


def test_no_shared_body_is_left_out(shared_data: Path) -> None:
    """A body that is added to the folder has to be added here."""
    assert bodies.names_of(shared_data, "pagerduty") == {*SHARED, "version_2_messages.json"}
    assert {f"pagerduty_events_v2/{name}" for name in bodies.names_of(shared_data, "pagerduty_events_v2")} < set(
        REFUSED
    )


def test_a_renamed_team_keeps_its_id(shared_data: Path) -> None:
    """The id stands beside the name, so that an option can map it to one name for good."""
    found = []
    for name in ("triggered.json", "team_renamed.json"):
        (item,) = read(bodies.shared_document(shared_data, f"pagerduty/{name}")).items
        assert item.alert is not None
        found.append(dict(item.alert.owners))
    assert [owners["team_id"] for owners in found] == ["PTEAM01", "PTEAM01"]
    assert found[0]["team"] != found[1]["team"]


def test_acknowledged_and_resolved_is_worked(shared_data: Path) -> None:
    """Robin acknowledged at 09:20 and resolved at 09:55: worked, then resolved; the monitor's resolve is no work."""
    store, kinds = MemoryExpiringStore(), []
    for name in ("triggered", "acknowledged", "resolved_by_monitor", "resolved_by_person", "ack_after_resolve"):
        parsed = read(bodies.shared_document(shared_data, f"pagerduty/{name}.json"))
        kinds += [bodies.line(item) for item in add_worked(parsed, "pagerduty", AGENTS, store).items]
    assert [line.removesuffix(" Q0INC01") for line in kinds] == [
        "raised", "acknowledged", "ended", "worked", "resolved", "acknowledged",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("event_type", "by", "kind", "agent"),
    [
        ("incident.acknowledged", ROBOT, "acknowledged", "automation"),
        ("incident.unacknowledged", None, "unacknowledged", "automation"),
        ("incident.delegated", USER, "reassigned", "person"),
        ("incident.escalated", USER, "escalated", "person"),
        ("incident.reassigned", USER, "reassigned", "person"),
        ("incident.reassigned", SERVICE, "reassigned", "automation"),
        ("incident.reopened", USER, "reopened", "person"),
        ("incident.resolved", SERVICE, "ended", "automation"),
        ("incident.resolved", None, "auto_closed", "automation"),
        ("incident.resolved", ROBOT, "auto_closed", "automation"),
        ("incident.priority_updated", USER, "updated", "person"),
        ("incident.custom_field_values.updated", INTEGRATION, "updated", "automation"),
    ],
)
def test_event_types(event_type: str, by: Any, kind: str, agent: str) -> None:
    """Each documented type of a whole incident becomes its kind, done by whom the agent's type says."""
    (act,) = read(bodies.pagerduty(event_type, by)).items
    assert isinstance(act, Act)
    assert (act.kind, act.agent, act.subject) == (kind, agent, Named("Q9INC01"))
    assert act.action_id == "01EVENT9"


@pytest.mark.parametrize(
    ("event_type", "data", "kind"),
    [
        ("incident.annotated", {"id": "N1", "type": "incident_note", "content": "on it"}, "commented"),
        ("incident.responder.added", {"type": "incident_responder", "state": "pending"}, "escalated"),
        ("incident.responder.replied", {"type": "incident_responder", "state": "accepted"}, "updated"),
        ("incident.conference_bridge.updated", {"type": "incident_conference_bridge"}, "updated"),
    ],
)
def test_events_about_a_part_of_an_incident(event_type: str, data: dict[str, Any], kind: str) -> None:
    """Their incident is named within; the text of a note goes nowhere."""
    parsed = read(bodies.pagerduty(event_type, USER, {**data, "incident": {"id": "Q9INC02", "summary": "x"}}))
    (act,) = parsed.items
    assert isinstance(act, Act)
    assert (act.kind, act.subject, act.alert) == (kind, Named("Q9INC02"), None)
    assert "on it" not in repr(parsed)


def test_a_merge_is_no_resolve() -> None:
    """A resolve whose reason is a merge is `merged`, done by who merged."""
    reason = {"type": "merge_resolve_reason", "incident": {"id": "Q9INC00"}}
    (act,) = read(bodies.pagerduty("incident.resolved", USER, incident(resolve_reason=reason))).items
    assert isinstance(act, Act)
    assert (act.kind, act.agent) == ("merged", "person")
    assert "incident.merged by user" in act.agent_why


def test_no_name_or_address_is_delivered() -> None:
    """An actor is the id of the account; the person's name stands nowhere."""
    parsed = read(bodies.pagerduty("incident.acknowledged", {**USER, "email": "kim.berg@example.org"}))
    assert "PUSER09" in repr(parsed)
    assert "Kim" not in repr(parsed)
    assert "example.org" not in repr(parsed)


def test_when_it_was_raised() -> None:
    """At the incident's creation; at the event's time where that is no time, or lies in 1970 or in the future."""
    for created, expected in (
        ("2026-11-25T09:00:00Z", 1_795_597_200.0),
        ("2026-11-25T10:00:00+01:00", 1_795_597_200.0),
        (None, 1_795_597_800.25),
        ("1970-01-01T00:00:00Z", 1_795_597_800.25),
        ("2099-01-01T00:00:00Z", 1_795_597_800.25),
    ):
        (item,) = read(bodies.pagerduty("incident.triggered", None, incident(created_at=created))).items
        assert isinstance(item, Raise)
        assert item.alert.at == expected


def test_an_act_without_a_time_is_of_its_receipt() -> None:
    """An act is not lost for its time."""
    (act,) = read(bodies.pagerduty("incident.acknowledged", USER, occurred_at="soon")).items
    assert isinstance(act, Act)
    assert act.at == RECEIVED_AT


def test_options_name_places() -> None:
    """Team, rule, entity and severity are those of the places that the options name."""
    options = IncidentOptions(
        team=("escalation_policy", "team_id"), rule=("incident_key",), entity=("service_id",), severity=("urgency",)
    )
    (item,) = read(bodies.pagerduty("incident.triggered"), options).items
    assert isinstance(item, Raise)
    assert item.alert.owners == (("escalation_policy", "Shop on call"), ("team_id", "PTEAM09"))
    assert (item.alert.rule, item.alert.entity, item.alert.severity) == ("shop/disk", "PSVC009", "high")


@pytest.mark.parametrize(
    ("data", "refused"),
    [
        ({"type": "incident"}, "event.data.id: missing"),
        (incident(id=None), "event.data.id: missing"),
        (incident(id=["Q"]), "event.data.id: bad_field"),
        (incident(id="Q" * 257), "event.data.id: too_long"),
        (incident(id="Q\0"), "event.data.id: nul"),
        (incident(id=10**5000), "event.data.id: too_long"),
    ],
)
def test_an_event_that_can_not_be_used_is_reported(data: Any, refused: str) -> None:
    """The post is taken, since three refused ones switch a subscription off; the event is named with its reason."""
    parsed = read(bodies.pagerduty("incident.triggered", None, data))
    assert [f"{part.where}: {part.reason}" for part in parsed.refused] == [refused]
    assert not parsed.items
    assert parsed.delivery == "01EVENT9"


@pytest.mark.parametrize(("body", "field"), [([], "event"), ({}, "event"), ({"event": {}}, "event.event_type")])
def test_no_event_at_all(body: Any, field: str) -> None:
    """What is no v3 event is refused, with the field that is missing."""
    with pytest.raises(BadRequest) as refused:
        read(body)
    assert (refused.value.status, refused.value.field) == (422, field)
