"""Opsgenie's and Jira Service Management's webhooks are read as what happened, and by whom."""

from pathlib import Path
from typing import Any

import pytest

from stream.sources import opsgenie
from stream.sources.incident import IncidentOptions
from stream.sources.parsed import Act, BadRequest, Parsed, Raise
from tests.sources import bodies
from tests.sources.bodies import RECEIVED_AT, Expected
from tests.sources.sender import shipped_agents

AGENTS = shipped_agents()
ID = "0a1b2c3d-0000-4000-8000-1795511702104"
PERSON = "00000000-0000-4000-8000-000000000001"


def read(document: Any, options: IncidentOptions = bodies.OPTIONS) -> Parsed:
    """The body, received a while after all that it tells of."""
    return opsgenie.read(document, options, AGENTS, RECEIVED_AT)


# What a policy closes is `auto_closed`, what the monitor's integration closes has `ended`; an escalation by a rotation
# is `escalated` by automation, which no problem file need count as acted on.
SHARED = {
    "unacknowledge.json": Expected(items=[f"unacknowledged {ID}"], agent="person", actor=PERSON, at="09:15:02"),
    "add_note.json": Expected(items=[f"commented {ID}"], agent="person", actor=PERSON, team="responder Payments"),
    "close_by_policy.json": Expected(items=[f"auto_closed {ID}"], agent="automation"),
    "close_by_integration.json": Expected(items=[f"ended {ID}"], agent="automation"),
    "escalate_by_rotation.json": Expected(items=[f"escalated {ID}"], agent="automation"),
    "snooze.json": Expected(items=[f"snoozed {ID}"], agent="person", actor=PERSON),
    "bare.json": Expected(
        items=["raised 0a1b2c3d-0000-4000-8000-000000000002"], entity="db-7.example.net", rule="DISK CRITICAL on db-#",
        at="09:15:02",
    ),
    "test.json": Expected(refused=["alert.createdAt: missing"]),
}  # fmt: skip


@pytest.mark.parametrize("name", SHARED)
def test_shared_bodies(shared_data: Path, name: str) -> None:
    """Each body of real life is read as the table says."""
    SHARED[name].check(read(bodies.shared_document(shared_data, f"opsgenie/{name}")))


def test_no_shared_body_is_left_out(shared_data: Path) -> None:
    """A body that is added to the folder has to be added here."""
    assert bodies.names_of(shared_data, "opsgenie") == set(SHARED)


def test_a_note_is_not_stored(shared_data: Path) -> None:
    """What a person wrote and who they are stand nowhere in what is delivered."""
    parsed = read(bodies.shared_document(shared_data, "opsgenie/add_note.json"))
    assert "backup job" not in repr(parsed)
    assert "robin" not in repr(parsed)


def test_a_snooze_has_an_end(shared_data: Path) -> None:
    """The end of a snooze lies in the future of its act."""
    (act,) = read(bodies.shared_document(shared_data, "opsgenie/snooze.json")).items
    assert isinstance(act, Act)
    assert act.until == 1_795_598_102.0


@pytest.mark.parametrize(
    ("action", "source", "kind", "agent"),
    [
        ("Acknowledge", "web", "acknowledged", "person"),
        ("Acknowledge", "iOS", "acknowledged", "person"),
        ("TakeOwnership", "web", "acknowledged", "person"),
        ("AssignOwnership", "web", "reassigned", "person"),
        ("Close", "web", "closed", "person"),
        ("Close", "policy", "auto_closed", "automation"),
        ("EscalateNext", "web", "escalated", "person"),
        ("AddTeam", "Escalation rotation", "escalated", "automation"),
        ("Delete", "web", "dismissed", "person"),
        ("UpdatePriority", "policy", "updated", "automation"),
        ("CustomAction", "web", "worked", "person"),
    ],
)
def test_actions(action: str, source: str, kind: str, agent: str) -> None:
    """Each action becomes its kind, done by whom the source's type says."""
    (act,) = read(bodies.opsgenie(action, source)).items
    assert isinstance(act, Act)
    assert (act.kind, act.agent) == (kind, agent)
    assert act.actor == ("u-9" if agent == "person" or source == "web" else None)


def test_an_account_of_a_machine_is_no_person() -> None:
    """A close by a listed account is automation's, whatever page it used."""
    (act,) = read(bodies.opsgenie("Close", username="svc_cleanup", userId=None)).items
    assert isinstance(act, Act)
    assert (act.kind, act.agent) == ("auto_closed", "automation")
    assert act.agent_why.endswith("its account is listed as svc[._-]*")


@pytest.mark.parametrize(
    "created",
    [1_795_597_200, 1_795_597_200_000, 1_795_597_200_000_000, 1_795_597_200_000_000_000, "2026-11-25T09:00:00Z"],
)
def test_times_of_any_unit(created: Any) -> None:
    """Seconds, milliseconds, microseconds, nanoseconds and text are one moment."""
    (item,) = read(bodies.opsgenie("Create", createdAt=created)).items
    assert isinstance(item, Raise)
    assert item.alert.at == pytest.approx(1_795_597_200.0, abs=1e-3)


def test_tags_and_details_are_labels() -> None:
    """A tag with a colon or an equals sign has a value; each can be named as owner."""
    (item,) = read(bodies.opsgenie("Create"), IncidentOptions(team=("tag:team", "detail:alertname"))).items
    assert isinstance(item, Raise)
    assert item.alert.labels == {"team": "shop", "env": "prod", "disk": "true", "alertname": "DiskFull"}
    assert item.alert.owners == (("tag:team", "shop"), ("detail:alertname", "DiskFull"))
    assert (item.alert.rule, item.alert.entity, item.alert.severity) == ("DiskFull", "shop-db-3", "P1")


def test_labels_over_a_limit_are_left_out() -> None:
    """The alert is kept with what fits, and says that it was cut."""
    details = {f"key{number}": "v" for number in range(100)} | {"long": "x" * 1001, "k" * 129: "v"}
    (item,) = read(bodies.opsgenie("Create", details=details, message="m" * 3000)).items
    assert isinstance(item, Raise)
    assert len(item.alert.labels) == 64
    assert item.alert.cut
    assert item.alert.title == "m" * 2000


def test_an_action_that_is_not_known() -> None:
    """It is counted and named, and nothing else."""
    parsed = read(bodies.opsgenie("Teleport"))
    assert (parsed.items, parsed.ignored) == ([], ["unknown_action"])
    assert "'Teleport'" in parsed.notes[0]


@pytest.mark.parametrize(("body", "field"), [([], "action"), ({"action": 7}, "alert"), ({"action": "Create"}, "alert")])
def test_no_post_of_opsgenie(body: Any, field: str) -> None:
    """What has neither action nor alert is refused, with the field that is missing."""
    with pytest.raises(BadRequest) as refused:
        read(body)
    assert (refused.value.status, refused.value.field) == (422, field)
