"""Any JSON by a mapping file."""

import json
from pathlib import Path
from typing import Any

import pytest

from stream.core.errors import SettingsError
from stream.core.events import seconds
from stream.sources.expressions import Expression
from stream.sources.mapping_rules import parse_mapping
from stream.sources.options import Sources, load_sources
from stream.sources.parsed import BadRequest
from tests.sources.sender import ROOT, SHIPPED, Sender, acted, at, raised

HOME = """
source = "home"
items = "alarms"
json = ["extra"]
[time]
format = "%d.%m.%Y %H:%M"
zone = "Europe/Berlin"
[alert]
id = "home-{nr}"
at = "since"
team = ["extra.team", "header:X-Team"]
rule = "what"
entity = "where[0].name"
severity = "=high"
title = "text"
labels = { env = "extra.env" }
labels_from = "tags"
[[rule]]
when = { state = ["NEW", "OPEN"] }
do = "raise"
[[rule]]
when = { state = "DONE" }
do = "act"
kind_from = "how"
kinds = { fixed = "worked", ignored = "dismissed" }
agent = "person"
actor = "who"
reason = "text"
at = "until"
[[rule]]
when = { state = "" }
do = "ignore"
name = "heartbeat"
sentence = "alarm {nr} says nothing of its state"
"""
ALARM = {
    "nr": 7,
    "state": "NEW",
    "since": "24.11.2026 11:00",
    "what": "pump",
    "where": [{"name": "cellar:80"}],
    "text": "{{ the }} pump stands still",
    "extra": '{"team": "water", "env": "prod"}',
    "tags": {"floor": -1, "note": None},
}


def sources(tmp_path: Path, mapping: str, options: str = "") -> Sources:
    """The sources with a mapping `home`."""
    (tmp_path / "home.toml").write_text(mapping, encoding="utf-8")
    file = tmp_path / "sources.toml"
    file.write_text(f'[map.home]\nmapping = "home.toml"\n{options}', encoding="utf-8")
    return load_sources(file)


def sender(tmp_path: Path, mapping: str = HOME, options: str = "") -> Sender:
    """A sender to the mapping `home`."""
    return Sender(sources(tmp_path, mapping, options))


def test_a_body_of_ones_own_is_read(tmp_path: Path) -> None:
    """A list within the body, JSON within a text, a zone, constants, headers, and labels from an object."""
    found = sender(tmp_path).post(
        "map/home", {"alarms": [ALARM, {**ALARM, "nr": 8, "extra": "none"}]}, {"X-Team": "night"}
    )
    one, other = raised(found)
    assert (one.alert_id, one.team, one.rule, one.entity, one.severity) == ("home-7", "water", "pump", "cellar", "high")
    assert (seconds(one.at), one.title) == (at("2026-11-24T10:00:00Z"), "{{ the }} pump stands still")
    assert one.labels == {"floor": "-1", "env": "prod"}
    assert (other.team, other.labels) == ("night", {"floor": "-1"})


def test_an_act_has_its_kind_by_value_and_its_own_time(tmp_path: Path) -> None:
    """Its alert is raised first where it is not known; a value that the mapping does not know is counted."""
    here = sender(tmp_path)
    done = {**ALARM, "state": "DONE", "how": "fixed", "who": "anna", "until": "24.11.2026 11:30"}
    found = here.post("map/home", {"alarms": [done, {**done, "nr": 8, "how": "dreamt"}, {**ALARM, "state": ""}]})
    (act,) = acted(found)
    assert (act.kind, act.agent, act.actor, act.reason) == ("worked", "person", "p-4", "{{ the }} pump stands still")
    assert seconds(act.at) == at("2026-11-24T10:30:00Z")
    assert [event.alert_id for event in raised(found)] == ["home-7"]
    assert found.ignored == ["unknown_kind", "heartbeat"]
    assert found.notes == ["alarm 7 says nothing of its state"]


def test_the_owner_is_remembered_by_the_id(tmp_path: Path) -> None:
    """An act that names another team is of the team of the first event."""
    here = sender(tmp_path)
    here.post("map/home", {"alarms": [ALARM]})
    done = {**ALARM, "state": "DONE", "how": "fixed", "until": "24.11.2026 11:30", "extra": '{"team": "fire"}'}
    found = here.post("map/home", {"alarms": [done]})
    assert [(act.team, act.alert_id) for act in acted(found)] == [("water", "home-7")]
    assert raised(found) == []


@pytest.mark.parametrize(
    ("changes", "where", "reason"),
    [
        ({"nr": None}, "alarms[0].home-{nr}", "bad_field"),
        ({"nr": "x" * 300}, "alarms[0].home-{nr}", "bad_field"),
        ({"since": None}, "alarms[0].since", "bad_time"),
        ({"since": "soon"}, "alarms[0].since", "bad_time"),
        ({"since": "24.11.2099 11:00"}, "alarms[0].since", "future"),
        ({"since": "01.01.1970 11:00"}, "alarms[0].since", "before_floor"),
        ({"state": "LOST"}, "alarms[0]", "no_rule"),
    ],
)
def test_what_can_not_be_used_is_refused_by_itself(
    tmp_path: Path, changes: dict[str, Any], where: str, reason: str
) -> None:
    """The place is the mapping's own expression."""
    found = sender(tmp_path).post("map/home", {"alarms": [{**ALARM, **changes}, ALARM]})
    assert [(refused.where, refused.reason) for refused in found.refused] == [(where, reason)]
    assert len(raised(found)) == 1


def test_a_body_without_the_list_is_a_422(tmp_path: Path) -> None:
    """The mapping says where the alerts are."""
    with pytest.raises(BadRequest, match="there is no list `alarms`"):
        sender(tmp_path).post("map/home", {"alarm": ALARM})


MINIMAL = 'source = "s"\n[alert]\nid = "id"\nat = "at"\n[[rule]]\ndo = "raise"\n'


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('id = "id"', "", "needs either id or identity"),
        ('id = "id"', 'id = "id"\nidentity = { a = "b" }', "needs either id or identity"),
        ('at = "at"', "", "missing required field `at`"),
        ('at = "at"', 'at = "a[b"', "'a[b' is no path"),
        ('at = "at"', 'at = "{a}}"', "is no path"),
        ("[alert]", '[time]\nformat = "soon"\n[alert]', "time.format = 'soon' is not known"),
        ("[alert]", '[time]\nzone = "Mars"\n[alert]', "time.zone = 'Mars' is no time zone"),
        ('do = "raise"', 'do = "act"', "needs either kind or kind_from"),
        ('do = "raise"', 'do = "refuse"', "needs a sentence"),
        ('do = "raise"', 'do = "act"\nkind = "closed_by_rule"', "kind 'closed_by_rule' can't be used"),
        ('do = "raise"', 'do = "act"\nkind = "worked@person"', "can't be used"),
        ('do = "raise"', 'do = "raise"\nset = { id = "x" }', "set.id can't be set"),
        ('do = "raise"', 'do = "raise"\nwhen = { "a[" = "x" }', "'a[' is no path"),
        ('do = "raise"', 'do = "wave"', "Invalid enum value 'wave'"),
        ("[alert]", "colour = 1\n[alert]", "unknown field `colour`"),
        ("[alert]", "[alert", "is not TOML"),
    ],
)
def test_a_mistake_in_a_mapping_is_named(old: str, new: str, words: str) -> None:
    """One sentence with the file and the key."""
    assert parse_mapping(MINIMAL).source == "s"
    with pytest.raises(SettingsError) as caught:
        parse_mapping(MINIMAL.replace(old, new, 1), "home.toml")
    assert words in str(caught.value)
    assert str(caught.value).startswith("home.toml")


@pytest.mark.parametrize(
    ("text", "item", "found"),
    [
        ("a.b", {"a": {"b": 1}}, "1"),
        ('a."b.c"', {"a": {"b.c": True}}, "true"),
        ("a[1]", {"a": ["x", "y"]}, "y"),
        ("a[9]", {"a": ["x"]}, None),
        ("a[n=2].v", {"a": [{"n": 1, "v": "x"}, {"n": 2, "v": "y"}, 7]}, "y"),
        ("t[team:]", {"t": "env:prod, team:a, team:b"}, "a"),
        ("t[team:]", {"t": ["team:a"]}, None),
        ("{a}-{b}", {"a": 1, "b": 2}, "1-2"),
        ("{a}-{b}", {"a": 1}, None),
        ("=a.b", {"a": {"b": 1}}, "a.b"),
        ("header:X-A", {}, "h"),
        ("a.b", {"a": "text"}, None),
        ("a.b", [], None),
        ("a", {"a": {"b": 1}}, None),
    ],
)
def test_expressions(text: str, item: Any, found: str | None) -> None:
    """What is not there, or no text, number or truth value, is nothing; it is never an error."""
    assert Expression(text).read(item, {"x-a": "h"}) == found


# The shipped mappings, on what each system sends for a firing and its end, after their documentation.
AZURE = {
    "schemaId": "azureMonitorCommonAlertSchema",
    "data": {
        "essentials": {
            "alertId": "/subscriptions/0/providers/Microsoft.AlertsManagement/alerts/1",
            "originAlertId": "0_1_2",
            "alertRule": "disk",
            "severity": "Sev2",
            "signalType": "Metric",
            "monitorCondition": "Fired",
            "monitoringService": "Platform",
            "targetResourceGroup": "shop",
            "configurationItems": ["db-7"],
            "firedDateTime": "2026-11-24T10:00:00.1234567Z",
            "description": "disk over 90 %",
        },
        "alertContext": {},
        "customProperties": {"team": "payments"},
    },
}
NAGIOS = {
    "notification_type": "PROBLEM",
    "host": "db-7",
    "service": "disk /var",
    "state": "CRITICAL",
    "output": "DISK CRITICAL",
    "timet": "1795514400",
    "author": "",
    "comment": "",
    "team": "dba",
}
ALARM_ARN = "arn:aws:cloudwatch:eu-west-1:000000000000:alarm:disk"


def sns(state: str, changed: str) -> dict[str, Any]:
    """A CloudWatch alarm through SNS."""
    message = {
        "AlarmName": "disk",
        "AlarmArn": ALARM_ARN,
        "NewStateValue": state,
        "StateChangeTime": changed,
        "Trigger": {"Dimensions": [{"name": "InstanceId", "value": "i-1"}]},
    }
    return {"Type": "Notification", "TopicArn": "arn:aws:sns:x", "Subject": "s", "Message": json.dumps(message)}


def test_azure_raises_and_ends() -> None:
    """The common alert schema; a resolve carries when the alert fired, so it is the same alert."""
    here = Sender()
    (event,) = raised(here.post("map/azure", AZURE))
    assert (event.team, event.rule, event.entity, event.severity) == ("payments", "disk", "db-7", "Sev2")
    essentials = {
        **AZURE["data"]["essentials"],  # type: ignore[index]
        "monitorCondition": "Resolved",
        "resolvedDateTime": "2026-11-24T10:30:00Z",
    }
    found = here.post("map/azure", {**AZURE, "data": {"essentials": essentials}})
    assert [(act.kind, act.alert_id, act.team) for act in acted(found)] == [("ended", event.alert_id, "payments")]


def test_nagios_raises_acknowledges_mutes_and_ends_one_problem() -> None:
    """Notified again with another time it is the same alert; who acknowledges is a person."""
    here = Sender()
    (event,) = raised(here.post("map/nagios", NAGIOS))
    assert (event.team, event.rule, event.entity, event.severity) == ("dba", "disk /var", "db-7", "CRITICAL")
    again = {**NAGIOS, "timet": "1795518000"}
    assert raised(here.post("map/nagios", again)) == []
    kinds = []
    for kind in ("ACKNOWLEDGEMENT", "FLAPPINGSTART", "DOWNTIMESTART", "CUSTOM", "RECOVERY"):
        found = here.post("map/nagios", {**again, "notification_type": kind, "author": "anna"})
        kinds += [(act.kind, act.agent, act.alert_id == event.alert_id) for act in acted(found)]
    assert kinds == [("acknowledged", "person", True), ("muted", "automation", True), ("ended", "automation", True)]


def test_an_sns_alarm_ends_what_it_raised() -> None:
    """An alarm has no id for each firing: its ARN and the time of ALARM make one; OK ends the open one."""
    here = Sender()
    (event,) = raised(here.post("map/cloudwatch", sns("ALARM", "2026-11-24T10:00:00.236+0000")))
    assert here.post("map/cloudwatch", sns("INSUFFICIENT_DATA", "2026-11-24T10:10:00Z")).ignored == [
        "insufficient_data"
    ]
    (act,) = acted(here.post("map/cloudwatch", sns("OK", "2026-11-24T10:20:00.236+0000")))
    assert (act.alert_id, act.kind) == (event.alert_id, "ended")
    (second,) = raised(here.post("map/cloudwatch", sns("ALARM", "2026-11-24T10:25:00.236+0000")))
    assert second.alert_id != event.alert_id
    unknown = Sender().post("map/cloudwatch", sns("OK", "2026-11-24T10:20:00.236+0000"))
    assert [refused.reason for refused in unknown.refused] == ["unknown_alert"]


def test_zabbix_updates_are_acts_of_a_person() -> None:
    """An update carries the problem's event id; a recovery ends it at its own time."""
    here = Sender()
    problem = {"eventid": "1", "id": "2", "name": "CPU", "status": "PROBLEM", "severity": "4", "host_name": "db-7"}
    problem |= {
        "date": "2026.11.24",
        "time": "10:00:00",
        "update_status": "0",
        "tags": '[{"tag":"team","value":"dba"}]',
    }
    assert [event.team for event in raised(here.post("map/zabbix", problem))] == ["dba"]
    update = {**problem, "update_status": "1", "update_action": "acknowledged", "update_user": "anna"}
    update |= {"update_date": "2026.11.24", "update_time": "10:05:00"}
    (act,) = acted(here.post("map/zabbix", update))
    assert (act.kind, act.agent, seconds(act.at)) == ("acknowledged", "person", at("2026-11-24T10:05:00Z"))
    recovery = {**problem, "status": "RESOLVED", "recovery_date": "2026.11.24", "recovery_time": "10:30:00"}
    (act,) = acted(here.post("map/zabbix", recovery))
    assert (act.kind, act.agent, seconds(act.at)) == ("ended", "automation", at("2026-11-24T10:30:00Z"))


def test_every_shipped_mapping_is_in_the_shipped_file() -> None:
    """What lies in deploy/mappings can be used by its name at once."""
    shipped = load_sources(SHIPPED)
    files = {path.stem for path in (ROOT / "deploy" / "mappings").glob("*.toml")}
    assert {name.removeprefix("map/") for name in shipped.mappings} == files
    assert len(files) == 7
