"""What Alertmanager's own alerts say of the way they came."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stream.relay.alert_check import AlertCheck, check_alerts

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)


def alert(name: str, minutes: float = 10.0, scored: bool = True, **labels: str) -> dict[str, Any]:
    """An alert as Alertmanager shows it."""
    annotations = {"noisegate_why": "acted on 1 of the last 42 like this"} if scored else {}
    starts = (NOW - timedelta(minutes=minutes)).isoformat()
    return {"labels": {"alertname": name, **labels}, "annotations": annotations, "startsAt": starts, "status": {}}


def check(*alerts: dict[str, Any]) -> AlertCheck | None:
    """What these alerts say."""
    return check_alerts(json.dumps(alerts).encode(), NOW)


def test_what_fires_for_minutes_without_a_score_is_counted() -> None:
    """Its score may be on the way at first; after two minutes it did not come, or was overwritten by a direct copy."""
    assert check(alert("A"), alert("B", scored=False), alert("C", 1.0, scored=False)) == AlertCheck(2, 1, 0)


def test_what_is_there_plain_and_labelled_is_counted() -> None:
    """A paused alert that is there plain as well came past the relay; another label makes another alert."""
    found = check(alert("A"), alert("A", noisegate="paused"), alert("B", noisegate="closed"), alert("B", host="x"))
    assert found == AlertCheck(4, 0, 1)


@pytest.mark.parametrize("body", [b"", b"{}", b"[{}]", b"<html>", b"\xff"])
def test_another_server_s_answer_is_none(body: bytes) -> None:
    """What is no list of alerts says nothing."""
    assert check_alerts(body, NOW) is None
