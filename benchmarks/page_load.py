"""What the triage page's server bears: a restart on full topics, many viewers, and more alerts than anybody reads."""

import asyncio
import random
import resource
import statistics
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

import msgspec
from confluent_kafka import Producer
from msgspec.structs import replace

from stream.core.events import Acted, encode_event, moment, seconds
from stream.core.records import Enriched
from stream.kafka.clients import producer_settings
from stream.triage.board import Record
from stream.triage.stream import frame_of
from stream.triage.tail import NEWEST
from tests.chaos.cluster import Cluster
from tests.servers.kafka import ApacheKafka
from tests.servers.redis import RedisServer
from tests.triage.browser.live import LOOPBACK, LivePage, LiveRig, served
from tests.triage.browser.records import HABITS, enriched
from tests.triage.process import TriageProcess
from tests.triage.records import decision, outcome
from tests.waits import until

PARTITIONS, VIEWERS, RATE, IN = 12, 100, 200, 5_000
_DAY = 86_400.0


def restart_seconds(restarts: int, newest: int = NEWEST) -> tuple[float, float]:
    """From a process that starts to one that has read topics of 12 full partitions each: the least of some restarts.

    Returns how long it took, and how much of a processor's time the process used until it had ended.
    """
    with full_topics(newest) as cluster:
        return min(_start_once(cluster) for _ in range(restarts))


@contextmanager
def full_topics(newest: int) -> Iterator[Cluster]:
    """A deployment whose four topics hold so many records of the last day in each of 12 partitions."""
    with ExitStack() as exits:
        folder = Path(exits.enter_context(TemporaryDirectory()))
        kafka = exits.enter_context(ApacheKafka())
        memory = exits.enter_context(RedisServer("redis"))
        cluster = Cluster(kafka, memory, folder, f"bench-{uuid.uuid4().hex[:8]}", PARTITIONS)
        _fill(cluster, newest * PARTITIONS)
        yield cluster


def _fill(cluster: Cluster, count: int) -> None:
    topics, producer = cluster.settings.topics, Producer(producer_settings(cluster.settings))
    for number in range(count):
        record = _past_alert(number, count)
        event, outcome_value, decision_value = _followed_by(record, number)
        values = {
            topics.events: event,
            topics.enriched: msgspec.json.encode(record),
            topics.outcomes: outcome_value,
            topics.decisions: decision_value,
        }
        for topic, value in values.items():
            producer.produce(topic, value, partition=number % PARTITIONS)
        if number % 1_000 == 0:
            producer.flush(60)
    assert producer.flush(60) == 0


def _past_alert(number: int, count: int) -> Enriched:
    at = time.time() - _DAY * (1.0 - number / count) * 0.9
    return enriched(HABITS[number % len(HABITS)], f"P{number}", at, random.Random(number))


def _followed_by(record: Enriched, number: int) -> tuple[bytes, bytes, bytes]:
    """An event about an alert, in turn that it was raised and that it ended; its outcome and a decision about it."""
    alert, encode = record.alert, msgspec.json.encode
    at = moment(seconds(alert.at) + 60.0)
    ended = Acted(at, alert.alert_id, alert.team, f"{number}", "ended", None, "automation")
    of = {"team": alert.team, "rule": alert.rule, "entity": alert.entity, "raised_at": alert.at}
    made = replace(outcome(alert.alert_id), **of), replace(decision(alert.alert_id), **of)
    return encode_event(ended if number % 2 else alert), encode(made[0]), encode(made[1])


def _start_once(cluster: Cluster) -> tuple[float, float]:
    environment = {name: value for name, value in cluster.environment.items() if "METRICS_PORT" not in name}
    used, began = _children_seconds(), time.monotonic()
    with TriageProcess(environment) as page:
        until(lambda: _is_ready(page.metrics_port), 120, "the topics were not read")
        took = time.monotonic() - began
    return took, _children_seconds() - used


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _is_ready(port: int) -> bool:
    try:
        with urlopen(f"http://{LOOPBACK}:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def viewer_seconds(probes: int, viewers: int = VIEWERS) -> float:
    """The 95th percentile of the time from an alert to the last of many viewers, while RATE alerts a second come."""
    with served() as page:
        return asyncio.run(_probe(page, viewers, probes))


async def _probe(page: LivePage, viewers: int, probes: int) -> float:
    streams = [await _follow(page) for _ in range(viewers)]
    feeder = threading.Thread(target=page.feed_steadily, args=(coming("N"), RATE, 0.5 + 0.5 * probes))
    feeder.start()
    times = []
    for number in range(probes):
        began, record = time.monotonic(), coming(f"probe-{number}-")(0)
        page.feed([record])
        await asyncio.gather(*(_read_to(stream, record.alert.alert_id.encode()) for stream, _ in streams))
        times.append(time.monotonic() - began)
        await asyncio.sleep(max(0.0, 0.5 - times[-1]))
    await asyncio.to_thread(feeder.join)
    for _, writer in streams:
        writer.close()
    return statistics.quantiles(times, n=20)[-1] if len(times) > 1 else times[0]


async def _follow(page: LivePage) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(LOOPBACK, page.port, limit=2**24)
    writer.write(f"GET /events HTTP/1.1\r\nHost: {LOOPBACK}:{page.port}\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def _read_to(reader: asyncio.StreamReader, name: bytes) -> None:
    async with asyncio.timeout(60):
        await reader.readuntil(b'"' + name + b'"')


def coming(prefix: str) -> Callable[[int], Enriched]:
    """Makes likely alerts that come now: the sample under load leaves the first of a second in."""
    chance = random.Random(1)
    return lambda at: enriched(HABITS[0], f"{prefix}{at}", time.time(), chance)


def taken_per_second(seconds_long: float) -> float:
    """How many alerts the page takes in, in one second of a processor's time.

    With each comes its end and its outcome, and of each quarter of IN a batch is made for the viewers.
    """
    room, chance, taken, spent = LiveRig().room, random.Random(1), 0, 0.0
    while spent < seconds_long:
        records = list(_lives(taken, IN // 4, chance))
        began = time.thread_time()
        room.take(records)
        batch = room.board.flush(time.time())
        if batch is not None:
            frame_of(batch)
        spent += time.thread_time() - began
        taken += IN // 4
    return taken / spent


def _lives(first: int, count: int, chance: random.Random) -> Iterator[Record]:
    for number in range(first, first + count):
        record = enriched(HABITS[number % len(HABITS)], f"L{number}", time.time(), chance)
        alert = record.alert
        yield alert
        yield record
        yield Acted(alert.at, alert.alert_id, alert.team, f"{number}", "ended", None, "automation")
        yield replace(
            outcome(alert.alert_id), team=alert.team, rule=alert.rule, entity=alert.entity, raised_at=alert.at
        )
