"""Bodies as incident tools post them, made after their public structure; and what a shared body is expected to be."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from stream.core.events import moment
from stream.core.kinds import Agent
from stream.sources.incident import IncidentOptions
from stream.sources.parsed import Act, Named, Parsed, Raise

RECEIVED_AT = 1_795_600_000.0  # 2026-11-25T09:46:40Z
OPTIONS = IncidentOptions()
USER = {"id": "PUSER09", "summary": "Kim Berg", "type": "user_reference"}
SERVICE = {"id": "PSVC009", "summary": "shop-db", "type": "service_reference"}
ROBOT = {"id": "PUSER10", "summary": "deploy-bot", "type": "user_reference"}


class Expected(Struct, frozen=True, kw_only=True):
    """What a body is read as: a line `raised ID` or `KIND ID` an item, and what of them a test looks at.

    Attributes:
        items: `raised INC1`, `acknowledged INC1`, in order.
        agent: of the last act.
        actor: of the last act, as the source has it.
        at: of the last item, `09:15:02` of its day.
        team: where the first candidate was found and what it is.
        rule, entity, severity: of the last item's description.
        refused: `place: reason`, in order.
        ignored: in order.
    """

    items: Sequence[str] = ()
    agent: Agent | None = None
    actor: str | None = None
    at: str | None = None
    team: str | None = None
    rule: str | None = None
    entity: str | None = None
    severity: str | None = None
    refused: Sequence[str] = ()
    ignored: Sequence[str] = ()

    def check(self, parsed: Parsed) -> None:
        """Fail where the body was read as something else."""
        assert [line(item) for item in parsed.items] == list(self.items)
        assert [f"{part.where}: {part.reason}" for part in parsed.refused] == list(self.refused)
        assert parsed.ignored == list(self.ignored)
        if not parsed.items:
            return
        last = parsed.items[-1]
        if isinstance(last, Act):
            assert (last.agent, last.actor) == (self.agent, self.actor)
            assert last.agent_why
        at = last.at if isinstance(last, Act) else last.alert.at
        if self.at is not None:
            assert f"{moment(at):%H:%M:%S}" == self.at
        alert = last.alert
        if self.team is not None:
            assert alert is not None
            assert " ".join(alert.owners[0]) == self.team
        for name in ("rule", "entity", "severity"):
            wanted = getattr(self, name)
            if wanted is not None:
                assert getattr(alert, name) == wanted, name


def line(item: Raise | Act) -> str:
    """An item in two words."""
    assert isinstance(item.subject, Named)
    return f"{item.kind if isinstance(item, Act) else 'raised'} {item.subject.id}"


def shared_body(shared_data: Path, name: str) -> bytes:
    """A body of ../shared/inputs/payloads beside the project."""
    return (shared_data.parent / "inputs" / "payloads" / name).read_bytes()


def shared_headers(shared_data: Path, name: str) -> dict[str, str]:
    """The headers that are sent with it, names in lower case."""
    text = (shared_data.parent / "inputs" / "payloads" / name).with_suffix(".headers").read_text(encoding="utf-8")
    pairs = (line.partition(":") for line in text.splitlines() if line)
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


def shared_document(shared_data: Path, name: str) -> Any:
    """The same body, decoded."""
    return json.loads(shared_body(shared_data, name))


def names_of(shared_data: Path, source: str) -> set[str]:
    """The files of one source's shared bodies."""
    folder = shared_data.parent / "inputs" / "payloads" / source
    return {path.name for path in folder.iterdir() if path.suffix != ".headers"}


def incident(**changed: Any) -> dict[str, Any]:
    """PagerDuty's incident."""
    whole = {
        "id": "Q9INC01",
        "type": "incident",
        "status": "triggered",
        "incident_key": "shop/disk",
        "created_at": "2026-11-25T09:00:00Z",
        "title": "Disk 91 % full on shop-db-3",
        "service": SERVICE,
        "escalation_policy": {"id": "PESC009", "summary": "Shop on call", "type": "escalation_policy_reference"},
        "teams": [{"id": "PTEAM09", "summary": "Shop", "type": "team_reference"}],
        "priority": {"id": "PPRI009", "summary": "P1", "type": "priority_reference"},
        "urgency": "high",
        "resolve_reason": None,
    }
    return {**whole, **changed}


def pagerduty(event_type: str, agent: Any = None, data: Any = None, **changed: Any) -> dict[str, Any]:
    """A post of PagerDuty's v3 webhook."""
    event = {
        "id": "01EVENT9",
        "event_type": event_type,
        "resource_type": event_type.partition(".")[0],
        "occurred_at": "2026-11-25T09:10:00.250Z",
        "agent": agent,
        "client": None,
        "data": incident() if data is None else data,
    }
    return {"event": {**event, **changed}}


def opsgenie(action: str, source: str = "web", **alert: Any) -> dict[str, Any]:
    """A post of Opsgenie's webhook."""
    whole = {
        "alertId": "7f1e-1",
        "message": "Disk 91 % full on shop-db-3",
        "tags": ["team:shop", "env=prod", "disk"],
        "username": "kim.berg@example.org",
        "userId": "u-9",
        "entity": "shop-db-3",
        "alias": "shop/disk",
        "source": "shop-db-3.example.net",
        "priority": "P1",
        "createdAt": 1_795_597_200_000,
        "updatedAt": 1_795_597_800_250_000_000,
        "details": {"alertname": "DiskFull"},
        "teams": ["t-9"],
        "responders": [{"type": "team", "id": "t-9", "name": "Shop"}],
    }
    return {"action": action, "alert": {**whole, **alert}, "source": {"name": "", "type": source}}


def servicenow(state: Any, **changed: Any) -> dict[str, Any]:
    """A record that a ServiceNow business rule posts."""
    whole = {
        "number": "INC0090001",
        "sys_id": "9" * 32,
        "short_description": "Disk 91 % full on shop-db-3",
        "assignment_group": "Shop",
        "category": "hardware",
        "subcategory": "disk",
        "cmdb_ci": "shop-db-3",
        "priority": "1 - Critical",
        "state": state,
        "opened_at": "2026-11-25 09:00:00",
        "sys_updated_on": "2026-11-25 09:10:00",
        "sys_updated_by": "kberg",
        "sys_mod_count": "4",
    }
    return {**whole, **changed}
