"""Bodies and headers at their limits: large, slow, cut, packed, hostile."""

import asyncio
import gzip
import json
from collections.abc import MutableMapping, Sequence
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.intake.bodies import alert, group, incident_event, raised
from tests.intake.rig import Rig, rig

PATHS = (
    *("alertmanager", "grafana", "pagerduty", "servicenow", "jsm", "opsgenie", "cloudevents", "events"),
    *("map/zabbix", "map/cloudwatch"),
)


async def stream(intake: Rig, parts: Sequence[bytes | None], headers: Sequence[tuple[bytes, bytes]] = ()) -> list[Any]:
    """Post a body in parts through ASGI; None is a sender that leaves, the end one that waits for ever."""
    left, sent = list(parts), list[Any]()
    asked = 0

    async def receive() -> MutableMapping[str, Any]:
        nonlocal asked
        asked += 1
        if not left:
            await asyncio.Event().wait()
        part = left.pop(0)
        return (
            {"type": "http.disconnect"} if part is None else {"type": "http.request", "body": part, "more_body": True}
        )

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/alertmanager",
        "root_path": "",
        "headers": [(b"content-type", b"application/json"), *headers],
    }
    await intake.app(scope, receive, send)
    return [*sent, asked]


def test_a_declared_size_over_the_limit_is_413_before_anything_is_read() -> None:
    """The sentence names the setting; the connection is closed, since the body is still on its way."""

    async def test() -> None:
        async with rig(body_bytes=1_000) as intake:
            start, body, asked = await stream(intake, [b"x"], [(b"content-length", b"100000000")])
            assert (start["status"], asked) == (413, 0)
            assert (b"connection", b"close") in start["headers"]
            assert "intake_body_bytes" in json.loads(body["body"])["error"]
            assert intake.value("intake_posts_total", source="alertmanager", status="413") == 1

    asyncio.run(test())


def test_a_body_without_a_size_is_cut_off_at_the_limit() -> None:
    """No more is read than one part beyond it."""

    async def test() -> None:
        async with rig(body_bytes=1_000) as intake:
            start, _, asked = await stream(intake, [b"x" * 400] * 50)
            assert (start["status"], asked) == (413, 3)
            assert intake.handler.budget.bytes == 0

    asyncio.run(test())


def test_a_slow_body_is_408_and_a_sender_that_left_is_forgotten() -> None:
    """Neither holds its share of the budget."""

    async def test() -> None:
        async with rig(read_seconds=0.05) as intake:
            start, _, _ = await stream(intake, [b'{"alerts"'])
            assert start["status"] == 408
            assert await stream(intake, [b'{"alerts"', None]) == [2]
            assert (intake.handler.budget.posts, intake.handler.budget.bytes) == (0, 0)
            assert intake.publisher.outputs == []

    asyncio.run(test())


@pytest.mark.slow
def test_a_gzip_bomb_never_unpacks() -> None:
    """It is 413 at the ratio, whatever it would become; what is packed as usual is taken."""
    bomb = gzip.compress(b" " * 50_000_000)

    async def test() -> None:
        async with rig() as intake:
            answer = await intake.post("alertmanager", bomb, {"content-encoding": "gzip"})
            assert (answer.status_code, len(bomb) < 60_000) == (413, True)
            honest = gzip.compress(json.dumps(group(*(alert(instance=f"h-{n}") for n in range(300)))).encode())
            answer = await intake.post("alertmanager", honest, {"content-encoding": "gzip"})
            assert (answer.status_code, answer.json()["accepted"]) == (202, 300)
            answer = await intake.post("alertmanager", honest[:-20], {"content-encoding": "gzip"})
            assert answer.status_code == 400

    asyncio.run(test())


def test_too_many_headers_are_431() -> None:
    """Their number and their length are bounded."""

    async def test() -> None:
        async with rig() as intake:
            many = {f"x-{number}": "y" for number in range(200)}
            assert (await intake.post("alertmanager", group(alert()), many)).status_code == 431
            assert (await intake.post("alertmanager", group(alert()), {"x-long": "y" * 40_000})).status_code == 431

    asyncio.run(test())


def test_pagerduty_is_answered_in_time_while_kafka_hangs() -> None:
    """The answer comes before PagerDuty gives up; here its time is cut to a fraction."""

    async def test() -> None:
        async with rig() as intake:
            intake.publisher.held = True
            route = next(one for one in intake.app.routes if one.path == "/v1/pagerduty")
            inbox = route.app._inboxes["pagerduty"]
            assert inbox.answer_seconds < 5
            route.app._inboxes["pagerduty"] = msgspec.structs.replace(inbox, answer_seconds=0.05)
            answer = await intake.post("pagerduty", incident_event())
            assert answer.status_code == 503
            assert "could not be taken within 0.05 s" in answer.json()["error"]
            intake.publisher.acknowledge()

    asyncio.run(test())


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/events", 405), ("POST", "/v2/events", 404)])
def test_what_is_not_served_is_said_in_json(method: str, path: str, status: int) -> None:
    """The sentence names what is."""

    async def test() -> None:
        async with rig() as intake:
            answer = await intake.client.request(method, path)
            assert answer.status_code == status
            assert "POST" in answer.json()["error"] or "/v1/alertmanager" in answer.json()["error"]

    asyncio.run(test())


def test_the_handshake_of_cloudevents_is_answered() -> None:
    """The origin is allowed; a callback address is never asked; without an origin it is 400."""

    async def test() -> None:
        async with rig() as intake:
            headers = {"webhook-request-origin": "example.net", "webhook-request-callback": "http://169.254.169.254/"}
            answer = await intake.client.options("/v1/cloudevents", headers=headers)
            assert (answer.status_code, answer.headers["webhook-allowed-origin"]) == (200, "example.net")
            assert (await intake.client.options("/v1/cloudevents")).status_code == 400
            assert (await intake.client.options("/v1/grafana")).status_code == 405

    asyncio.run(test())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
SEEDS: list[dict[str, Any]] = [group(alert(), alert("resolved")), incident_event(), raised()]


@pytest.mark.slow
@given(st.data())
def test_no_body_is_a_500(data: st.DataObject) -> None:
    """Any JSON, any bytes, and sound bodies with a field replaced or cut off: all are answered, none as our fault."""
    path = data.draw(st.sampled_from(PATHS))
    body = data.draw(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()) | mutated())

    async def test() -> None:
        async with rig() as intake:
            answer = await intake.post(path, body)
            assert answer.status_code in (200, 202, 400, 413, 415, 422), answer.text
            assert answer.headers["content-type"] == "application/json"

    asyncio.run(test())


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A sound body with something of it replaced by anything, or cut off."""
    value = json.loads(json.dumps(draw(st.sampled_from(SEEDS))))
    at: Any = value
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not keys:
            break
        key = draw(st.sampled_from(keys))
        if isinstance(at[key], dict | list) and draw(st.booleans()):
            at = at[key]
            continue
        at[key] = draw(json_values)
        break
    text = json.dumps(value).encode()
    return text[: draw(st.integers(0, len(text)))] if draw(st.booleans()) else text


def test_answers_are_json_for_httpx_s_own_types() -> None:
    """A form is refused with its content type named."""

    async def test() -> None:
        async with rig() as intake:
            answer: httpx.Response = await intake.client.post("/v1/alertmanager", data={"payload": "x"})
            assert (answer.status_code, answer.json()["field"]) == (415, "content-type")

    asyncio.run(test())
