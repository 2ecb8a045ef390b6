"""Bodies that nobody means well with: whatever comes, a reader reads it or raises BadRequest, and nothing else."""

import copy
import gc
import json
import random
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.core import limits
from stream.core.events import decode_event
from stream.sources.parsed import BadRequest
from tests.imports import area, imports_of, sources
from tests.sources.sender import NOON, Sender, alert, group
from tests.sources.test_events import ACTED, RAISED, cloudevent
from tests.sources.test_mapping import AZURE, NAGIOS, sns

LINES = {"content-type": "application/x-ndjson"}
BATCH = {"content-type": "application/cloudevents-batch+json"}
STRUCTURED = {"content-type": "application/cloudevents+json"}
ZABBIX = {"eventid": "1", "name": "CPU", "status": "PROBLEM", "date": "2026.11.24", "time": "10:00:00", "tags": "[]"}
DATADOG = {"alert_id": "1", "cycle": "2", "date": "1795511702000", "transition": "Triggered", "tags": "team:dba"}
SENTRY = {
    "action": "critical",
    "data": {"metric_alert": {"id": "4", "date_detected": "2026-11-24T09:15:02Z", "projects": ["shop"]}},
}
GCP = {"incident": {"incident_id": "1", "scoping_project_id": "p", "started_at": 1795511702, "state": "open"}}
BODIES: list[tuple[str, Any, dict[str, str]]] = [
    ("alertmanager", group(alert(), alert("resolved", endsAt="2026-11-24T11:00:00Z")), {}),
    ("grafana", {**group(alert(values={"B": 1.5})), "state": "alerting"}, {}),
    ("events", RAISED, {}),
    ("events", ACTED, {}),
    ("events", [RAISED, ACTED], {}),
    ("cloudevents", cloudevent(), STRUCTURED),
    ("cloudevents", [cloudevent(), cloudevent(data=None, data_base64="e30=")], BATCH),
    ("map/zabbix", ZABBIX, {}),
    ("map/datadog", DATADOG, {}),
    ("map/sentry", SENTRY, {}),
    ("map/cloudwatch", sns("ALARM", "2026-11-24T10:00:00Z"), {}),
    ("map/azure", AZURE, {}),
    ("map/gcp", GCP, {}),
    ("map/nagios", [NAGIOS, {**NAGIOS, "notification_type": "ACKNOWLEDGEMENT"}], {}),
]
HOSTILE: list[Any] = [
    None, True, False, 0, -1, 2**63, 2**70, -(2**64), 1e308, -1e-320, "", " ", "\0", "a\0b", "null", "{{ x }}",
    "\u202egpj.exe", "\u200b", "é", "x" * 257, "y" * 5_000, "z" * 300_000, "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999-23:59", "2026-11-24T10:00:00", "1e400", "٣", "²", "😀" * 100,
    [], {}, [[]], [{}], {"": ""}, {"a": {"b": []}}, list(range(100)),
    {str(number): number for number in range(2_000)}, "closed_by_rule", "tick", "acted",
    "resolved", "RESOLVED", "SubscriptionConfirmation", "a@person",
]  # fmt: skip
SENDER = Sender()


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value, itself included."""
    found = [path]
    if isinstance(value, dict | list):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            found += places(child, (*path, key))
    return found


def changed(body: Any, path: tuple[Any, ...], new: Any, *, drop: bool = False) -> Any:
    """The body with something else at a place, or with nothing there."""
    if not path:
        return new
    body = copy.deepcopy(body)
    inner = body
    for key in path[:-1]:
        inner = inner[key]
    if drop:
        del inner[path[-1]]
    else:
        inner[path[-1]] = new
    return body


def post(source: str, raw: bytes, headers: dict[str, str]) -> None:
    """Send bytes; only BadRequest may come, and only events that a scorer reads."""
    try:
        found = SENDER.post(source, raw, headers)
    except BadRequest as error:
        if str(error) and 400 <= error.status < 500:
            return
        raise
    for decision in found.decisions:
        assert decode_event(decision.value).at.timestamp() <= NOON + limits.SKEW_SECONDS
        assert decision.event.team
    for refused in found.refused:
        assert refused.reason
        assert refused.detail
    assert len(found.notes) <= limits.NOTES + 5


@pytest.mark.slow
@pytest.mark.parametrize(("source", "body", "headers"), BODIES, ids=[f"{one[0]}-{n}" for n, one in enumerate(BODIES)])
def test_every_field_wrong_missing_huge_or_hostile(source: str, body: Any, headers: dict[str, str]) -> None:
    """Each place of a good body is taken out once, and set to each of many values that break such products."""
    for path in places(body):
        if path:
            post(source, json.dumps(changed(body, path, None, drop=True)).encode(), headers)
        for value in HOSTILE:
            post(source, json.dumps(changed(body, path, value)).encode(), headers)


@pytest.mark.parametrize(("source", "body", "headers"), BODIES, ids=[f"{one[0]}-{n}" for n, one in enumerate(BODIES)])
def test_bodies_that_are_cut_or_damaged(source: str, body: Any, headers: dict[str, str]) -> None:
    """Ended after any byte, and with bytes of chance within."""
    raw = json.dumps(body, ensure_ascii=False).encode()
    for end in range(len(raw)):
        post(source, raw[:end], headers)
    chance = random.Random(7)
    for _ in range(300):
        damaged = bytearray(raw)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        post(source, bytes(damaged), headers)
        post(source, bytes(damaged), LINES)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=30,
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(ANYTHING, st.sampled_from([one[0] for one in BODIES]), st.sampled_from([{}, LINES, BATCH, STRUCTURED]))
def test_any_json_to_any_source(value: Any, source: str, headers: dict[str, str]) -> None:
    """Values that have nothing of an alert, also in the places of one, and half of surrogate pairs."""
    for body in (value, [value], {"alerts": [value], "incident": value, "data": value, "Message": json.dumps(value)}):
        post(source, json.dumps(body).encode(), headers)
    post(
        "alertmanager", json.dumps(group(alert(labels=value if isinstance(value, dict) else {"a": value}))).encode(), {}
    )


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from([one[0] for one in BODIES]), st.sampled_from([{}, LINES, BATCH]))
def test_any_bytes_to_any_source(raw: bytes, source: str, headers: dict[str, str]) -> None:
    """What is no JSON at all, packed or not."""
    post(source, raw, headers)
    post(source, raw, {**headers, "content-encoding": "gzip"})


def labels(count: int, text: str = "v") -> bytes:
    """A group of one alert with so many labels."""
    return msgspec.json.encode(group(alert(labels={f"l{number}": text for number in range(count)})))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "make"),
    [
        ("alertmanager", lambda size: labels(size)),
        ("alertmanager", lambda size: labels(10, "{{" * size)),
        ("alertmanager", lambda size: msgspec.json.encode(group(*[7] * size))),
        ("alertmanager", lambda size: msgspec.json.encode(group(alert(labels={"team": "${" * size})))),
        ("alertmanager", lambda size: b'{"alerts":["' + rb"\ud83d" * size + b'"]}'),
        ("alertmanager", lambda size: b'{"a":' * 60 + b"[" + b"[],{}," * size + b"1]" + b"}" * 60),
        ("alertmanager", lambda size: b'{"alerts":[{"status":"' + b"\\" * 2 * size + b'"}]}'),
        ("events", lambda size: b"\n" * size + b"[\n" * size),
        ("events", lambda size: msgspec.json.encode([{**RAISED, "labels": {"a" * size: ""}}] * 10)),
        ("map/datadog", lambda size: msgspec.json.encode({**DATADOG, "tags": "tea:," * size})),
        ("map/zabbix", lambda size: msgspec.json.encode({**ZABBIX, "tags": json.dumps([{"tag": "x"}] * size)})),
        ("map/cloudwatch", lambda size: msgspec.json.encode({"Message": "{" * size})),
    ],
)
def test_time_grows_no_faster_than_the_body(source: str, make: Any) -> None:
    """Eight times the size takes about eight times as long, where a quadratic step would take 64 times."""

    def seconds_for(size: int) -> float:
        raw = make(size)
        best = 1e9
        for _ in range(3):
            began = time.process_time()
            post(source, raw, LINES if source == "events" and raw.startswith(b"\n") else {})
            best = min(best, time.process_time() - began)
        return best

    gc.collect()
    gc.disable()  # its passes over what other tests left behind would be counted here
    try:
        small, large = seconds_for(5_000), seconds_for(40_000)
    finally:
        gc.enable()
    assert large < 32.0 * max(small, 0.004)


def test_nothing_that_reads_a_body_can_open_a_connection() -> None:
    """An address in a body, such as SNS's SubscribeURL or a callback, is never asked: no reader imports a client."""
    clients = ("http", "httpx", "requests", "socket", "urllib.request", "urllib3", "ssl", "aiohttp")
    asking = set()
    for module, path in sources():
        if area(module) in ("sources", "intake"):
            targets = {one.target for one in imports_of(module, path.read_text(encoding="utf-8"))}
            if any(target == client or target.startswith(f"{client}.") for target in targets for client in clients):
                asking.add(module)
    assert asking == {"stream.sources.alertmanager_api"}
