"""Bodies of the clients of Alertmanager's API as each writes them: followed, scored, ended; the same behind it."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from stream.config import make_settings
from stream.metrics.relay import RelayMetrics
from stream.relay.upstream import Reply, Upstream
from tests.async_waits import until
from tests.relay.processes import rfc3339
from tests.relay.records import enriched
from tests.relay.rig import MemoryUpstream, running
from tests.servers.alertmanager import AlertmanagerServer
from tests.servers.availability import unavailable

# Field order, spelling of times and extra fields are each client's own; `starts` and `ends` are filled in.
CLIENTS = {
    # go-swagger's model: annotations and times, then the embedded alert; times in milliseconds.
    "prometheus": '[{"annotations":{"summary":"Disk of db-7 is full"},"endsAt":"{ends:ms}","startsAt":"{starts:ms}",'
    '"generatorURL":"http://prometheus-0:9090/graph?g0.expr=disk_used+%3E+0.9\\u0026g0.tab=1",'
    '"labels":{"alertname":"DiskFull","instance":"db-7:9100","team":"payments"}}]',
    # Written by a template: a blank after some colons and commas, nanoseconds.
    "vmalert": '[{"startsAt":"{starts:ns}","generatorURL": "http://vmalert:8880/vmalert/alert?group_id=1&alert_id=2",'
    '"endsAt":"{ends:ns}","labels": {"alertgroup":"disks", "alertname":"DiskFull", "instance":"db-7:9100", '
    '"team":"payments"},"annotations": {"summary":"Disk of db-7 is full"}}]',
    # The same template where no end is known, and no address is configured.
    "vmalert without an end": '[{"startsAt":"{starts:ns}","generatorURL": "","labels": {"alertname":"DiskFull", '
    '"instance":"db-7:9100", "team":"payments"},"annotations": {}}]',
    # Thanos' ruler: Prometheus' model with its own replica among the labels, unless it is told to drop it.
    "thanos": '[{"annotations":{"summary":"Disk of db-7 is full"},"endsAt":"{ends:ms}","startsAt":"{starts:ms}",'
    '"generatorURL":"http://thanos-query.example/graph?g0.expr=disk_used","labels":{"alertname":"DiskFull",'
    '"cluster":"eu-1","instance":"db-7:9100","replica":"thanos-rule-0","team":"payments"}}]',
    # Mimir's ruler, with the tenant in a header.
    "mimir": '[{"annotations":{"summary":"Disk of db-7 is full"},"endsAt":"{ends:ms}","startsAt":"{starts:ms}",'
    '"generatorURL":"/graph?g0.expr=disk_used\\u0026g0.tab=1","labels":{"alertname":"DiskFull",'
    '"instance":"db-7:9100","team":"payments"}}]',
    # Grafana to an external Alertmanager: names made valid, values in annotations.
    "grafana": '[{"annotations":{"__orgId__":"1","__value_string__":"[ var=\'A\' labels={instance=db-7} value=0.95 ]",'
    '"__values__":"{\\"A\\":0.95}","summary":"Disk of db-7 is full"},"endsAt":"{ends:ms}","startsAt":"{starts:ms}",'
    '"generatorURL":"http://grafana.example/alerting/grafana/cdw1/view?orgId=1","labels":{"__alert_rule_uid__":"cdw1",'
    '"alertname":"DiskFull","grafana_folder":"Disks","instance":"db-7:9100","team":"payments"}}]',
    # amtool alert add: Go's zero time for what is not given.
    "amtool": '[{"endsAt":"0001-01-01T00:00:00.000Z","startsAt":"{starts:ms}","generatorURL":"",'
    '"labels":{"alertname":"DiskFull","instance":"db-7:9100","team":"payments"}}]\n',
    # ElastAlert: Python's blanks and offset; it gives no start.
    "elastalert": '[{"annotations": {"summary": "Disk of db-7 is full", "description": "a\\nb"}, "labels": '
    '{"alertname": "DiskFull", "instance": "db-7:9100", "team": "payments", "elastalert_rule": '
    '"disk"}, "endsAt": "{ends:offset}"}]',
    # A script that mirrors one Alertmanager to another: all fields that its API shows.
    "mirror": '[{"annotations":{"summary":"Disk of db-7 is full"},"endsAt":"{ends:ms}","fingerprint":'
    '"a3e47941a7671fef","receivers":[{"name":"people"}],"startsAt":"{starts:ms}","status":{"inhibitedBy":[],"silencedBy":[],"state":'
    '"active"},"updatedAt":"{starts:ms}","generatorURL":"http://prometheus-0:9090/graph","labels":{"alertname":'
    '"DiskFull","instance":"db-7:9100","team":"payments"}}]',
    # By hand: the least that Alertmanager takes.
    "curl": '[ { "labels": { "alertname": "DiskFull", "instance": "db-7:9100", "team": "payments" } } ]\r\n',
}
# What Alertmanager refuses or mends itself; each is the same with a relay before it.
QUIRKS = {
    "an empty list": "[]",
    "null": "null",
    "no list": "{}",
    "no JSON": "[{",
    "no labels": '[{"annotations":{"a":"b"}}]',
    "empty labels": '[{"labels":{}}]',
    "an empty value": '[{"labels":{"alertname":"Quirk","a":""}}]',
    "only an empty value": '[{"labels":{"a":""}}]',
    "a name that is none": '[{"labels":{"alertname":"Quirk","a b":"c"}}]',
    "an end before the start": '[{"labels":{"alertname":"Quirk"},"startsAt":"{ends:ms}","endsAt":"{starts:ms}"}]',
    "a number as a value": '[{"labels":{"alertname":"Quirk","n":7}}]',
    "a good one beside a bad one": '[{"labels":{"alertname":"Good"}},{"labels":{}}]',
    "a time that is none": '[{"labels":{"alertname":"Quirk"},"startsAt":"soon"}]',
    "annotations that are none": '[{"labels":{"alertname":"Quirk"},"annotations":null}]',
    "a start far ahead": '[{"labels":{"alertname":"Ahead"},"startsAt":"2099-01-01T00:00:00Z"}]',
}


def body_of(template: str, starts: float, ends: float) -> bytes:
    """A client's body with these times, in its own spelling."""
    text = template
    for name, at in (("starts", starts), ("ends", ends)):
        nanoseconds = rfc3339(at)
        spellings = {"ns": nanoseconds, "ms": nanoseconds[:23] + "Z", "offset": nanoseconds[:26] + "+00:00"}
        for spelling, time_ in spellings.items():
            text = text.replace(f"{{{name}:{spelling}}}", time_)
    return text.encode()


def end_of(template: str, starts: float, ends: float) -> bytes:
    """The client's body when the alert is resolved; who knows no end gives one then."""
    if "{ends:" not in template:
        template = template.replace("0001-01-01T00:00:00.000Z", "{ends:ms}")
    if "{ends:" not in template:
        template = template.replace('"labels"', '"endsAt":"{ends:ms}","labels"')
    return body_of(template, starts, ends)


@pytest.mark.parametrize("client", CLIENTS)
def test_it_is_followed_scored_and_ended(client: str) -> None:
    """The body goes on byte for byte, its score comes to an equal alert, and one raised and one ended are published."""

    async def test() -> None:
        async with running() as rig:
            now = rig.clock()
            body = body_of(CLIENTS[client], now - 30, now + 240)
            headers = {"X-Scope-OrgID": "tenant-1"} if client == "mimir" else {}
            assert (await rig.room.forward(body, "10.0.0.9", headers)).taken
            await until(lambda: rig.publisher.raised)
            (raised,) = rig.publisher.raised
            assert (raised.team, raised.rule, raised.source) == ("payments", "DiskFull", "alertmanager")
            await rig.room.take([enriched(raised.alert_id)])
            await until(lambda: len(rig.upstream.bodies) == 2)
            (again,), (original,) = json.loads(rig.upstream.bodies[1]), json.loads(body)
            added = {name for name in again["annotations"] if name.startswith("noisegate_")}
            assert added == {"noisegate_probability", "noisegate_why"}
            assert rig.upstream.bodies[0] == body
            assert rig.upstream.headers == [headers, headers]
            assert {**again, "annotations": {k: v for k, v in again["annotations"].items() if k not in added}} == {
                **original,
                "annotations": original.get("annotations") or {},
            }
            await rig.room.forward(end_of(CLIENTS[client], now - 30, rig.clock()), "10.0.0.9", headers)
            await until(lambda: rig.publisher.ended)
            assert rig.publisher.ended[0].alert_id == raised.alert_id

    asyncio.run(test())


class RealUpstream(MemoryUpstream):
    """A real Alertmanager, whose posts are remembered."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._real = Upstream(make_settings(relay_alertmanagers=[url]).relay, RelayMetrics())

    async def post(self, body: bytes, headers: Any = None) -> Reply:
        """Post it."""
        await super().post(body, headers)
        return await self._real.post(body, headers)

    async def close(self) -> None:
        """End its connections."""
        await self._real.drain(1.0)


@pytest.fixture
def two_alertmanagers() -> Iterator[tuple[AlertmanagerServer, AlertmanagerServer]]:
    """One behind a relay, one without."""
    try:
        first, second = AlertmanagerServer(), AlertmanagerServer()
    except FileNotFoundError as error:
        unavailable(str(error))
    with first, second:
        yield first, second


def shown(server: AlertmanagerServer) -> list[dict[str, Any]]:
    """What an Alertmanager shows, without our annotations and the times, some of which it chose itself."""
    fields = ("labels", "fingerprint", "generatorURL", "status", "receivers")
    found = []
    for alert in server.alerts():
        annotations = {key: text for key, text in alert["annotations"].items() if not key.startswith("noisegate_")}
        found.append({**{key: alert.get(key) for key in fields}, "annotations": annotations})
    return found


@pytest.mark.slow
def test_alertmanager_has_the_same_alerts_and_gives_the_same_answers(
    two_alertmanagers: tuple[AlertmanagerServer, AlertmanagerServer],
) -> None:
    """Each client's body and each quirk, behind the relay and without it: status, sentence and alerts are equal."""
    relayed, direct = two_alertmanagers

    async def test() -> None:
        behind, without = RealUpstream(relayed.url), RealUpstream(direct.url)
        async with running(upstream=behind) as rig:
            now = rig.clock()
            for name, template in (CLIENTS | QUIRKS).items():
                body = body_of(template, now - 30, now + 240)
                one, other = await rig.room.forward(body, "10.0.0.9", {}), await without.post(body)
                assert (name, one.status, one.body) == (name, other.status, other.body)
            await until(lambda: rig.registrar.waiting == 0 and len(rig.publisher.raised) > 1)
            posts = len(behind.bodies)
            await rig.room.take([enriched(event.alert_id) for event in rig.publisher.raised])
            await until(lambda: len(behind.bodies) > posts)
            await until(lambda: any("noisegate_why" in alert["annotations"] for alert in relayed.alerts()))
        await behind.close()
        await without.close()

    asyncio.run(test())
    assert shown(relayed) == shown(direct)
    assert len(shown(direct)) >= 6
