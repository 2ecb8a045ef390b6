"""Verdicts that are not published yet, in Redis for the next process."""

import asyncio
from collections.abc import Sequence

import pytest

from stream.core.events import Acted
from stream.redis_keys import KEPT_ACTS
from stream.triage.kept import KeptActs, keep_open, publish_kept, publish_last
from tests.triage.records import NOW, acted, at, enriched
from tests.triage.rig import Rig


@pytest.mark.expects_errors
def test_at_the_end_what_nobody_takes_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """With Kafka and Redis away for good, the log names each verdict that is lost."""
    rig = Rig()
    rig.is_away = True
    rig.take(enriched())
    rig.post("/v1/verdicts", {"id": "request1", "action": "acted", "keys": ["episode-A1"]})

    async def publish(acts: Sequence[Acted]) -> Sequence[Acted]:
        return acts

    asyncio.run(publish_last(KeptActs("redis://127.0.0.1:1/0", "d", 0.2), publish, rig.room.close()))
    assert "a verdict is lost" in caplog.text


@pytest.mark.redis
def test_what_kafka_does_not_take_is_for_the_next_process(redis_url: str) -> None:
    """Verdicts left in Redis are published once by the next page, as they were, and then forgotten."""
    kept, published = KeptActs(redis_url, "d", 10.0), list[Acted]()
    acts = [acted("A1", reason="fixed"), acted("A2", "snoozed", until=at(3_600))]
    tries = iter((acts, acts[:1], []))

    async def publish(some: Sequence[Acted]) -> Sequence[Acted]:
        left = next(tries)
        published.extend(act for act in some if act not in left)
        return left

    asyncio.run(publish_last(kept, publish, acts))
    assert published == []
    asyncio.run(publish_kept(kept, publish, 8.0, retry_seconds=0.0))
    assert sorted(act.alert_id for act in published) == ["A1", "A2"]
    assert {act.alert_id: act for act in published} == {act.alert_id: act for act in acts}
    assert kept.read() == []
    assert KEPT_ACTS.matches(KEPT_ACTS.name(deployment="d"))
    kept.close()


@pytest.mark.redis
def test_a_verdict_is_in_redis_until_it_is_undone_or_published(redis_url: str) -> None:
    """What is given can be read by another process at once, and no longer once it is undone or in Kafka."""
    kept, other, rig = KeptActs(redis_url, "d", 10.0), KeptActs(redis_url, "d", 10.0), Rig()
    rig.take(enriched("A1"), enriched("A2"))

    def give(name: str, alert_id: str) -> None:
        rig.post("/v1/verdicts", {"id": name, "action": "acted", "keys": [f"episode-{alert_id}"]})

    def kept_alerts() -> list[str]:
        assert rig.room.changed.is_set()
        rig.room.changed.clear()
        assert kept.sync(rig.room.open_acts())
        return sorted(act.alert_id for act in other.read() or [])

    give("request1", "A1")
    give("request2", "A2")
    assert kept_alerts() == ["A1", "A2"]
    rig.post("/v1/undo", {"id": "request2"})
    assert kept_alerts() == ["A1"]
    rig.is_away = True
    rig.tick(8.1)
    assert kept_alerts() == ["A1"]
    rig.is_away = False
    rig.tick(0.3)
    assert kept_alerts() == []
    for one in (kept, other):
        one.close()


@pytest.mark.redis
def test_what_changes_is_kept_without_being_asked_for(redis_url: str) -> None:
    """Each change of what is open is in Redis a moment later."""
    kept, other = KeptActs(redis_url, "d", 10.0), KeptActs(redis_url, "d", 10.0)
    acts = [acted("A1")]

    async def scenario() -> None:
        changed = asyncio.Event()
        keeping = asyncio.create_task(keep_open(kept, lambda: acts, changed))
        async with asyncio.timeout(60.0):
            for expected in ([acted("A1")], [acted("A2")], []):
                acts[:] = expected
                changed.set()
                while await asyncio.to_thread(other.read) != expected:  # noqa: ASYNC110 - Redis does not say when
                    await asyncio.sleep(0.001)
        keeping.cancel()

    asyncio.run(scenario())
    for one in (kept, other):
        one.close()


def test_without_redis_nothing_is_kept() -> None:
    """While Redis is away keeping fails, and what is to be forgotten is remembered for when it is back."""
    kept = KeptActs("redis://127.0.0.1:1/0", "d", 0.2)
    assert kept.sync([])
    assert not kept.sync([acted()])
    assert not kept.sync([])
    assert kept.read() is None
    kept.close()


@pytest.mark.redis
def test_what_a_killed_process_left_is_published_after_its_undo(redis_url: str) -> None:
    """The next page waits until nobody could have undone it, and leaves to a living process what that undoes."""
    before, after = KeptActs(redis_url, "d", 10.0), KeptActs(redis_url, "d", 10.0)
    undone, killed = acted("A1", seconds=0.0), acted("A2", seconds=1.0)
    published: list[tuple[float, list[Acted]]] = []
    times: list[float] = []

    async def publish(some: Sequence[Acted]) -> Sequence[Acted]:
        published.append((times[-1], list(some)))
        return []

    def clock() -> float:
        assert before.sync([killed])  # the other one is undone once it was read
        times.append(NOW + 8.0 + len(times))
        return times[-1]

    assert before.sync([undone, killed])
    asyncio.run(publish_kept(after, publish, 8.0, clock, 0.0))
    assert published == [(NOW + 11.0, [killed])]
    assert after.read() == []
    for one in (before, after):
        one.close()
