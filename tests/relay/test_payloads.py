"""Bodies as they come in real life, through the relay: what is not for it goes on as well."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from stream.relay.forward import Addition, Copy, Rejected, read_labels, read_post, rewrite
from stream.sources.labels import LabelReader
from stream.sources.options import DEFAULTS
from tests.async_waits import until
from tests.relay.records import expected
from tests.relay.rig import Rig, running

NOW = 1_795_608_000.0  # 2026-11-25T12:00:00Z, after all of them
ADDITION = Addition({"noisegate_probability": "0.07", "noisegate_why": "acted on 1 of the last 42 like this"})
REJECTED = {"alertmanager/starts_2099.json": ["future"]}
NAMELESS = {"alertmanager/empty_labels.json": 1}  # alerts with no label that is a text


@pytest.fixture(scope="module")
def payloads(shared_data: Path) -> dict[str, bytes]:
    """Every shared body, by its place."""
    folder = shared_data.parent / "inputs" / "payloads"
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".headers"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def alerts_of(payloads: dict[str, bytes]) -> dict[str, list[Any]]:
    """The alerts of every body of a webhook that has some, and of the one that Prometheus posts, by its place."""
    found = {}
    for name, body in payloads.items():
        if name.partition("/")[0] not in ("alertmanager", "grafana") or not name.endswith(".json"):
            continue
        value = json.loads(body)
        alerts = value if isinstance(value, list) else value.get("alerts")
        if isinstance(alerts, list):
            found[name] = alerts
    return found


def test_every_body_goes_on_byte_for_byte(payloads: dict[str, bytes]) -> None:
    """Whatever is posted, Alertmanager gets the same bytes; what is no list of alerts is a dead letter beside it."""

    async def test() -> Rig:
        async with running() as rig:
            for body in payloads.values():
                assert (await rig.room.forward(body, "127.0.0.1", {})).taken
            await until(lambda: rig.publisher.failed)
            return rig

    rig = asyncio.run(test())
    assert rig.upstream.bodies == list(payloads.values())
    assert len(payloads) > 100
    reasons = {headers["reason"] for headers, _ in rig.publisher.failed}
    assert "no_list" in reasons


def test_the_alerts_of_every_webhook_as_prometheus_posts_them(payloads: dict[str, bytes]) -> None:
    """With nothing to add the bytes stay; with a score each alert is equal as JSON but for the keys added."""
    for name, alerts in alerts_of(payloads).items():
        body = json.dumps(alerts, ensure_ascii=False).encode("utf-8", "surrogatepass")
        post = read_post(body, NOW)
        assert post is not None, name
        assert rewrite(post, [Addition()] * len(alerts)) is body
        additions = [ADDITION if isinstance(one, Copy) else Addition() for one in post.copies]
        after = json.loads(rewrite(post, additions))
        assert after == [expected(one, addition) for one, addition in zip(alerts, additions, strict=True)], name


def test_what_of_them_is_not_followed(payloads: dict[str, bytes]) -> None:
    """A start in 2099, and alerts without a label that is a text; the others become events."""
    reader = LabelReader(DEFAULTS["alertmanager"])
    rejected, nameless = {}, {}
    for name, alerts in alerts_of(payloads).items():
        post = read_post(json.dumps(alerts).encode(), NOW)
        assert post is not None
        if reasons := [one.reason for one in post.copies if isinstance(one, Rejected)]:
            rejected[name] = reasons
        labels = [read_labels(one.labels) or {} for one in post.copies if isinstance(one, Copy)]
        if count := sum(not reader.read(one).whole for one in labels):
            nameless[name] = count
    assert (rejected, nameless) == (REJECTED, NAMELESS)
