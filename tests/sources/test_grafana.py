"""Grafana's webhook of unified alerting."""

from typing import Any

import pytest

from stream.sources.parsed import BadRequest
from tests.sources.sender import Sender, acted, alert, group, raised


def grafana(*alerts: Any) -> dict[str, Any]:
    """A post of a contact point."""
    return {
        **group(*alerts),
        "version": "1",
        "orgId": 1,
        "state": "alerting",
        "title": "[FIRING:1]",
        "message": "**Firing**",
    }


def rule(**labels: Any) -> dict[str, Any]:
    """One alert of a Grafana rule."""
    usual = {"alertname": "HighLatency", "instance": None, "severity": None, "grafana_folder": "Shop", "zone": "eu-1"}
    return alert(labels={**usual, **labels}, values={"B": 1.5}, orgId=1)


def test_an_alert_is_raised_by_its_own_status() -> None:
    """The group's state and status do not count."""
    found = Sender().post("grafana", {**grafana(rule()), "status": "resolved", "state": "ok"})
    (event,) = raised(found)
    assert (event.team, event.rule, event.entity, event.source) == ("payments", "HighLatency", "eu-1", "grafana")
    ended = Sender().post("grafana", grafana({**rule(), "status": "resolved"}))
    assert [act.kind for act in acted(ended)] == ["ended"]


@pytest.mark.parametrize("name", ["DatasourceNoData", "DatasourceError"])
def test_missing_data_and_errors_count_to_their_rule(name: str) -> None:
    """Grafana names such alerts by itself; the label rulename says which rule it is, a label keeps the state."""
    (event,) = raised(Sender().post("grafana", grafana(rule(alertname=name, rulename="HighLatency", ref_id="A"))))
    assert event.rule == "HighLatency"
    assert event.labels["grafana_state_reason"] == name.removeprefix("Datasource")
    assert event.labels["alertname"] == name


def test_the_reason_of_a_state_is_kept_where_the_alert_keeps_its_name() -> None:
    """`grafana_state_reason` is an annotation then; it is no part of the identity."""
    plain = rule()
    broken = {**rule(), "annotations": {"summary": "s", "grafana_state_reason": "Error"}}
    sender = Sender()
    (event,) = raised(sender.post("grafana", grafana(broken)))
    assert event.labels["grafana_state_reason"] == "Error"
    assert raised(sender.post("grafana", grafana(plain))) == []


def test_the_button_test_raises_nothing() -> None:
    """It is known by its two labels, and so never learnt from; a rule of that name with other labels is an alert."""
    button = {**rule(), "labels": {"alertname": "TestAlert", "instance": "Grafana"}}
    found = Sender().post("grafana", grafana(button, rule(alertname="TestAlert")))
    assert found.ignored == ["test"]
    assert [event.rule for event in raised(found)] == ["TestAlert"]


def test_the_folder_names_the_team_where_no_label_does() -> None:
    """The last of the shipped places."""
    (event,) = raised(Sender().post("grafana", grafana(rule(team=None))))
    assert event.team == "Shop"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"evalMatches": [], "ruleId": 21, "state": "ok"}, "legacy alerting"),
        ({"ruleId": 21}, "legacy alerting"),
        ({"event": "alert"}, "take the custom payload out"),
        ({"alerts": None}, "no list `alerts`"),
        ([], "no object with a list `alerts`"),
    ],
)
def test_what_is_not_of_unified_alerting_is_a_422_that_says_what_to_use(body: Any, words: str) -> None:
    """Legacy alerting and custom payloads have no `alerts`."""
    with pytest.raises(BadRequest, match=words) as caught:
        Sender().post("grafana", body)
    assert (caught.value.status, caught.value.field) == (422, "alerts")
