"""Bodies that tests post, made after the public structure of their sources."""

from typing import Any

LABELS = {"alertname": "DiskFull", "instance": "db-7:9100", "team": "payments", "severity": "high"}


def alert(status: str = "firing", start: str = "2026-11-25T09:00:00Z", **labels: str) -> dict[str, Any]:
    """One alert of a group."""
    ended = "2026-11-25T09:30:00Z" if status == "resolved" else "0001-01-01T00:00:00Z"
    return {
        "status": status,
        "labels": {**LABELS, **labels},
        "annotations": {"summary": "Disk 91% full"},
        "startsAt": start,
        "endsAt": ended,
    }


def group(*alerts: dict[str, Any]) -> dict[str, Any]:
    """A notification of Alertmanager's webhook."""
    return {"version": "4", "status": "firing", "receiver": "noisegate", "alerts": list(alerts)}


def raised(alert_id: str = "INC1", **fields: Any) -> dict[str, Any]:
    """A raised event in our own form."""
    return {
        "type": "raised",
        "at": "2026-11-25T09:00:00Z",
        "alert_id": alert_id,
        "team": "payments",
        "rule": "disk_full",
        "entity": "db-7",
        **fields,
    }


def acted(alert_id: str = "INC1", **fields: Any) -> dict[str, Any]:
    """An acted event in our own form."""
    return {
        "type": "acted",
        "at": "2026-11-25T09:05:00Z",
        "alert_id": alert_id,
        "team": "payments",
        "action_id": f"{alert_id}-1",
        "kind": "worked",
        "agent": "person",
        **fields,
    }


def incident_event(event_type: str = "incident.triggered", event_id: str = "EV1", **data: Any) -> dict[str, Any]:
    """An event of a PagerDuty webhook."""
    return {
        "event": {
            "id": event_id,
            "event_type": event_type,
            "occurred_at": "2026-11-25T09:10:00Z",
            "agent": {"id": "PUSER01", "type": "user_reference", "summary": "Kim Berg"},
            "data": {
                "id": "Q0INC01",
                "type": "incident",
                "title": "Disk 91% on db-7",
                "created_at": "2026-11-25T09:00:00Z",
                "urgency": "high",
                "service": {"id": "PSVC01", "summary": "shop-db", "type": "service_reference"},
                "teams": [{"id": "PTEAM1", "summary": "Payments", "type": "team_reference"}],
                **data,
            },
        }
    }
