"""Alertmanager's webhook: groups of alerts that fire or are resolved."""

from typing import Any

import pytest

from stream.core import limits
from stream.core.events import seconds
from stream.sources.parsed import BadRequest
from tests.sources.sender import NOON, Sender, acted, alert, at, duplicates, group, raised

STARTS = "2026-11-24T10:00:00Z"


def one(**changes: Any) -> Any:
    """What a single firing alert becomes."""
    return raised(Sender().post("alertmanager", group(alert(**changes))))[0]


def test_a_firing_alert_is_raised_with_what_its_labels_say() -> None:
    """Team, rule, entity without its port, severity, title, and all labels."""
    found = one()
    assert (found.team, found.rule, found.entity, found.severity) == ("payments", "DiskFull", "db-7", "warning")
    assert (found.source, found.title, seconds(found.at)) == ("alertmanager", "disk full", at(STARTS))
    assert found.labels["instance"] == "db-7:9100"


def test_each_alert_counts_by_its_own_status() -> None:
    """The group says firing, and one of its alerts is resolved: that one has ended, by automation."""
    sender = Sender()
    sender.post("alertmanager", group(alert(), alert(labels={"instance": "db-8"})))
    ended = alert("resolved", endsAt="2026-11-24T11:00:00Z")
    found = sender.post("alertmanager", group(ended, alert(labels={"instance": "db-8"})))
    assert raised(found) == []
    (act,) = acted(found)
    assert (act.kind, act.agent, act.actor, seconds(act.at)) == (
        "ended",
        "automation",
        None,
        at("2026-11-24T11:00:00Z"),
    )
    assert next(one for one in found.decisions if one.event == act).agent_why == (
        "alertmanager line 1: resolved by none is ended, automation"
    )
    assert duplicates(found) == 1


@pytest.mark.parametrize(
    ("ends", "ended"),
    [
        ("0001-01-01T00:00:00Z", NOON),
        ("nonsense", NOON),
        (None, NOON),
        ("2099-01-01T00:00:00Z", NOON),
        ("2026-11-24T09:00:00Z", at(STARTS)),
        ("2026-11-24T10:30:00.123456789+00:00", at("2026-11-24T10:30:00.123456Z")),
    ],
)
def test_an_end_is_never_before_its_start_nor_in_the_future(ends: str | None, ended: float) -> None:
    """Without a usable end it is when the body came; before the start it is the start."""
    (act,) = acted(Sender().post("alertmanager", group(alert("resolved", endsAt=ends))))
    assert seconds(act.at) == pytest.approx(ended, abs=1e-6)


@pytest.mark.parametrize(
    ("changes", "where", "reason"),
    [
        ({"startsAt": "0001-01-01T00:00:00Z"}, "alerts[0].startsAt", "before_floor"),
        ({"startsAt": "2099-01-01T00:00:00Z"}, "alerts[0].startsAt", "future"),
        ({"startsAt": None}, "alerts[0].startsAt", "bad_time"),
        ({"startsAt": 1795511702}, "alerts[0].startsAt", "bad_time"),
        ({"startsAt": "2026-W48-2"}, "alerts[0].startsAt", "bad_time"),
        ({"status": "suppressed"}, "alerts[0].status", "bad_field"),
        ({"labels_": []}, "", ""),
        ({"annotations": ["x"]}, "alerts[0].annotations", "bad_field"),
    ],
)
def test_a_bad_alert_is_refused_by_itself(changes: dict[str, Any], where: str, reason: str) -> None:
    """The one beside it is raised; place and reason are named."""
    bad = {**alert(labels={"instance": "bad"}), **changes}
    found = Sender().post("alertmanager", group(bad, alert()))
    assert "db-7" in [event.entity for event in raised(found)]
    assert [(refused.where, refused.reason) for refused in found.refused] == ([(where, reason)] if where else [])


@pytest.mark.parametrize("labels", [None, [], "x", {}, {"": "x", "env": ""}, {"ports": [80]}])
def test_an_alert_without_labels_is_refused_by_itself(labels: Any) -> None:
    """Nothing would tell it from others."""
    found = Sender().post("alertmanager", group({**alert(), "labels": labels}, alert()))
    assert len(raised(found)) == 1
    assert [refused.where for refused in found.refused] == ["alerts[0].labels"]


def test_what_names_no_team_falls_to_the_default_and_is_counted() -> None:
    """Missing, blank, a template that nothing filled, or too long: the next place, else the default, with why."""
    for team in (None, "", "  ", "<no value>", "{{ $labels.team }}", "${TEAM}", "null", "t" * 300, "a\0b"):
        found = Sender().post("alertmanager", group(alert(labels={"team": team})))
        assert (raised(found)[0].team, found.default_teams) == ("unowned", 1), team
        found = Sender().post("alertmanager", group(alert(labels={"team": team, "owner": "dba"})))
        assert (raised(found)[0].team, found.default_teams) == ("dba", 0), team
        if team:
            assert found.decisions[0].team_why.startswith("label:owner; label:team has")


def test_labels_over_a_limit_are_left_out_and_noted() -> None:
    """Those of the options are kept first; the alert is flagged as cut and its id is made of all labels."""
    many = {f"a_{number:02}": "v" for number in range(70)}
    found = Sender().post("alertmanager", group(alert(labels={**many, "long": "x" * 4_000, "nul": "a\0b"})))
    (event,) = raised(found)
    assert len(event.labels) == limits.LABELS
    assert {"alertname", "instance", "severity", "team"} <= set(event.labels)
    assert not {"long", "nul"} & set(event.labels)
    assert found.decisions[0].cut
    assert "12 labels are left out" in found.notes[0]
    other = Sender().post("alertmanager", group(alert(labels={**many, "long": "y" * 4_000, "nul": "a\0b"})))
    assert raised(other)[0].alert_id != event.alert_id


def test_what_was_cut_says_so_in_the_event() -> None:
    """The event that goes to Kafka carries it; what is whole is published as ever, without a word."""
    long = Sender().post("alertmanager", group(alert(annotations={"summary": "x" * (limits.TITLE_LENGTH + 1)})))
    assert b'"cut":true' in long.decisions[0].value
    assert raised(long)[0].cut is True
    whole = Sender().post("alertmanager", group(alert()))
    assert b"cut" not in whole.decisions[0].value
    assert raised(whole)[0].cut is None


def test_a_title_is_cut_where_people_read_it_only() -> None:
    """Two thousand characters are kept, NUL becomes a blank, and the alert is flagged."""
    found = Sender().post("alertmanager", group(alert(annotations={"summary": "x\0" + "y" * 3_000})))
    assert raised(found)[0].title == "x " + "y" * (limits.TITLE_LENGTH - 2)
    assert found.decisions[0].cut


def test_values_that_are_no_text_become_text_or_are_left_out() -> None:
    """Numbers and true as JSON writes them, null as if it were not there, lists not at all."""
    event = one(labels={"code": 503, "ratio": 0.5, "critical": True, "region": None, "ports": [80]})
    assert (event.labels["code"], event.labels["ratio"], event.labels["critical"]) == ("503", "0.5", "true")
    assert not {"region", "ports"} & set(event.labels)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([], "a list is what Prometheus posts to Alertmanager"),
        ({}, "there is no list `alerts`"),
        ({"alerts": {}}, "there is no list `alerts`"),
        ("x", "there is no list `alerts`"),
        (None, "there is no list `alerts`"),
    ],
)
def test_what_is_no_group_is_a_422_that_says_what_to_send(body: Any, words: str) -> None:
    """One sentence with the field."""
    with pytest.raises(BadRequest, match=words) as caught:
        Sender().post("alertmanager", body)
    assert caught.value.status == 422


def test_alerts_that_were_not_sent_are_noted() -> None:
    """`truncatedAlerts` of the group: their receiver limits them."""
    found = Sender().post("alertmanager", {**group(alert()), "truncatedAlerts": 7})
    assert "7 alerts of the group were not sent" in found.notes[0]
    assert Sender().post("alertmanager", group()).ignored == ["no_alerts"]


def test_more_alerts_than_are_read_is_a_413() -> None:
    """A named limit on everything."""
    with pytest.raises(BadRequest) as caught:
        Sender().post("alertmanager", group(*[None] * (limits.ITEMS + 1)))
    assert caught.value.status == 413


@pytest.mark.slow
def test_ten_thousand_alerts_in_one_post_are_read() -> None:
    """A storm fits one body, and each of its alerts has an id of its own."""
    alerts = [alert(labels={"pod": f"api-{number}"}) for number in range(10_000)]
    found = Sender().post("alertmanager", group(*alerts))
    assert len({event.alert_id for event in raised(found)}) == 10_000
