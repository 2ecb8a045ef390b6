"""The intake as a process, on real Kafka and Redis: what it publishes, and what it does while they are away."""

import asyncio
import gzip
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from stream.config import make_settings
from stream.core.events import Acted, Event, Raised
from stream.dev.process import LOOPBACK, free_port
from stream.intake.auth import AuthOptions
from stream.kafka.reader import Reader
from tests.intake.bodies import LABELS, alert, group, incident_event
from tests.intake.expectations import INPUTS, postings
from tests.intake.process import PAGERDUTY_SECRET, IntakeProcess, decoded
from tests.intake.rig import rig
from tests.servers.alertmanager import AlertmanagerServer
from tests.servers.kafka import ApacheKafka
from tests.servers.redis import RedisServer
from tests.waits import until

pytestmark = [pytest.mark.slow]
MEGABYTES = 1_000_000


def make_topics(kafka: ApacheKafka, name: str) -> None:
    """The two topics of a deployment."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    for future in admin.create_topics([NewTopic(f"{name}.{role}", 3, 1) for role in ("events", "failed")]).values():
        future.result(60)


def read_topic(kafka: ApacheKafka, topic: str) -> list[bytes | None]:
    """All values of a topic, partition by partition."""
    with Reader(make_settings(kafka_bootstrap_servers=kafka.bootstrap_servers), [topic]) as reader:
        return [message.value() for message in reader.read_all()]


def events_of(kafka: ApacheKafka, name: str) -> list[Event]:
    """What a deployment published."""
    return decoded(read_topic(kafka, f"{name}.events"))


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """One Redis for all tests of the module: each has a deployment of its own."""
    with RedisServer("redis") as server:
        yield server


@pytest.fixture
def intake(kafka: ApacheKafka, redis: RedisServer, unique_name: str, tmp_path: Path) -> Iterator[IntakeProcess]:
    """A running intake."""
    make_topics(kafka, unique_name)
    with IntakeProcess(kafka.bootstrap_servers, redis.url, unique_name, tmp_path / "key") as process:
        yield process


def test_every_shared_body_is_published_as_in_memory(
    kafka: ApacheKafka, redis: RedisServer, unique_name: str, tmp_path: Path, shared_data: Path
) -> None:
    """In the list's order, each is answered as the list expects; events and dead letters are those of memory."""
    folder = shared_data.parent / INPUTS
    make_topics(kafka, unique_name)
    auth = tmp_path / "auth.toml"
    auth.write_text(f'[pagerduty]\nsecrets = ["{PAGERDUTY_SECRET}"]\n')
    settings = {"INTAKE_AUTH": str(auth)}
    answers = []
    with IntakeProcess(kafka.bootstrap_servers, redis.url, unique_name, tmp_path / "key", settings) as intake:
        for posting in postings(folder):
            body, headers = posting.read(folder)
            answer = httpx.post(f"{intake.url}/v1/{posting.route}", content=body, headers=headers, timeout=60)
            answers.append((posting.file, posting.route, answer.status_code))
            allowed = posting.statuses | ({401} if posting.is_unsigned else set())
            assert answer.status_code in allowed, (posting, answer.text)
    expected, letters = in_memory(folder, answers)
    assert sorted(map(identity, events_of(kafka, unique_name))) == sorted(map(identity, expected))
    assert len(read_topic(kafka, f"{unique_name}.failed")) == letters


def in_memory(folder: Path, answers: list[tuple[str, str, int]]) -> tuple[list[Event], int]:
    """What an intake in this process publishes of the same bodies, and how many dead letters; it answers the same."""

    async def run() -> tuple[list[Event], int]:
        async with rig(auth={"pagerduty": AuthOptions(secrets=(PAGERDUTY_SECRET,))}, clock=None) as memory:
            for posting, (_, _, status) in zip(postings(folder), answers, strict=True):
                body, headers = posting.read(folder)
                assert (await memory.post(posting.route, body, headers)).status_code == status, posting
            return memory.publisher.events, len(memory.publisher.failed)

    return asyncio.run(run())


def identity(event: Event) -> tuple[str, ...]:
    """What an event is about; times of receipt and pseudonyms are another's."""
    if isinstance(event, Raised):
        return ("raised", event.team, event.alert_id, event.rule, event.entity, event.severity or "")
    assert isinstance(event, Acted)
    return ("acted", event.team, event.alert_id, event.kind, event.agent or "", "actor" if event.actor else "")


def test_what_is_answered_202_is_in_kafka_though_it_is_killed(
    fresh_kafka: ApacheKafka, redis: RedisServer, unique_name: str, tmp_path: Path
) -> None:
    """Senders post on while Kafka is killed and comes back: 503 in time, and every alert that was taken is there."""
    make_topics(fresh_kafka, unique_name)
    taken: list[str] = []
    refused = threading.Event()
    stop = threading.Event()

    def send(number: int) -> None:
        with httpx.Client(timeout=60) as client:
            for sent in range(100_000):
                if stop.is_set():
                    return
                name = f"h-{number}-{sent}"
                begun = time.monotonic()
                answer = client.post(f"{running.url}/v1/alertmanager", json=group(alert(instance=name)))
                assert time.monotonic() - begun < 30
                assert answer.status_code in (202, 503), answer.text
                if answer.status_code == 202:
                    taken.append(name)
                else:
                    assert int(answer.headers["retry-after"]) > 0
                    refused.set()

    with (
        IntakeProcess(fresh_kafka.bootstrap_servers, redis.url, unique_name, tmp_path / "key") as running,
        ThreadPoolExecutor(4) as pool,
    ):
        sending = [pool.submit(send, number) for number in range(4)]
        until(lambda: len(taken) > 50, 60, "nothing was taken")
        fresh_kafka.kill()
        until(refused.is_set, 60, "nothing was refused")
        until(lambda: "can't be reached" in running.health("/readyz").text, 60, "/readyz did not notice")
        fresh_kafka.start()
        before = len(taken)
        until(lambda: len(taken) > before + 50, 60, "nothing was taken after Kafka came back")
        until(lambda: running.health("/readyz").status_code == 200, 60, "/readyz did not notice")
        stop.set()
        for each in sending:
            each.result(60)
    entities = {event.entity for event in events_of(fresh_kafka, unique_name) if isinstance(event, Raised)}
    assert set(taken) <= entities


def test_memory_stays_flat_while_kafka_is_frozen(
    fresh_kafka: ApacheKafka, redis: RedisServer, unique_name: str, tmp_path: Path
) -> None:
    """Posts are 503 and PagerDuty is answered within 5 s; what piles up is bounded, and afterwards all goes on."""
    make_topics(fresh_kafka, unique_name)
    body = json.dumps(group(*(alert(instance=f"h-{number}") for number in range(200)))).encode()
    settings = {"INTAKE_WAITING_RECORDS": "2000", "INTAKE_PUBLISH_SECONDS": "1"}
    with IntakeProcess(fresh_kafka.bootstrap_servers, redis.url, unique_name, tmp_path / "key", settings) as intake:
        until(lambda: intake.health("/readyz").status_code == 200, 60)
        with fresh_kafka.frozen(), ThreadPoolExecutor(32) as pool:

            def post(number: int) -> int:
                again = body.replace(b"h-", f"h-{number}-".encode())
                return httpx.post(f"{intake.url}/v1/alertmanager", content=again, timeout=60).status_code

            assert set(pool.map(post, range(64))) == {503}
            first = intake.resident_bytes()
            assert set(pool.map(post, range(64, 160))) == {503}
            assert intake.resident_bytes() < first + 60 * MEGABYTES
            assert intake.metric("intake_records_waiting") <= 2_000
            begun = time.monotonic()
            answer = httpx.post(f"{intake.url}/v1/pagerduty", json=incident_event(), timeout=60)
            assert (answer.status_code, time.monotonic() - begun < 5) == (503, True)
        until(lambda: post(401) == 202, 60, "nothing was taken after the thaw")


def test_without_redis_alerts_go_on(
    kafka: ApacheKafka, fresh_redis: RedisServer, unique_name: str, tmp_path: Path
) -> None:
    """202 with ids of fingerprint and start, counted and named on a ready /readyz; back by itself, the same ids."""
    make_topics(kafka, unique_name)
    with IntakeProcess(kafka.bootstrap_servers, fresh_redis.url, unique_name, tmp_path / "key") as intake:
        until(lambda: intake.health("/readyz").status_code == 200, 60)
        fresh_redis.kill()
        assert post(intake, group(alert())).status_code == 202
        assert intake.metric("intake_fallback_ids_total") == 1
        ready = intake.health("/readyz")
        assert ready.status_code == 200
        assert "without memory" in ready.text
        fresh_redis.start()
        until(lambda: post(intake, group(alert())).status_code == 200, 60, "Redis was not noticed")
        assert intake.health("/readyz").text == "ok\n"
    assert len({event.alert_id for event in events_of(kafka, unique_name) if isinstance(event, Raised)}) == 1


def post(intake: IntakeProcess, body: object) -> httpx.Response:
    """One post to the route of Alertmanager."""
    return httpx.post(f"{intake.url}/v1/alertmanager", json=body, timeout=60)


def test_two_intakes_agree_on_ids(kafka: ApacheKafka, redis_url: str, unique_name: str, tmp_path: Path) -> None:
    """Two halves of an Alertmanager cluster post the same firings with other starts to two intakes: one id each."""
    make_topics(kafka, unique_name)
    key = tmp_path / "key"
    with (
        IntakeProcess(kafka.bootstrap_servers, redis_url, unique_name, key) as one,
        IntakeProcess(kafka.bootstrap_servers, redis_url, unique_name, key) as other,
        ThreadPoolExecutor(8) as pool,
    ):
        sent = []
        for number in range(40):
            for intake, second in ((one, "00"), (other, "07")):
                alerts = [
                    alert(start=f"2026-11-25T09:00:{second}Z", instance=f"h-{number}-{each}") for each in range(5)
                ]
                sent.append(pool.submit(post, intake, group(*alerts)))
        assert {answer.result(60).status_code for answer in sent} <= {200, 202}
        fallbacks = sum(intake.metric("intake_fallback_ids_total") for intake in (one, other))
    ids: dict[str, set[str]] = {}
    for event in events_of(kafka, unique_name):
        assert isinstance(event, Raised)
        ids.setdefault(event.entity, set()).add(event.alert_id)
    assert len(ids) == 200
    assert sum(len(each) - 1 for each in ids.values()) <= fallbacks  # none, unless Redis was too slow to be asked


def test_very_many_alerts_in_one_post(intake: IntakeProcess, kafka: ApacheKafka, unique_name: str) -> None:
    """20,000 are taken within the limit, 100,000 refused by their size at once; memory stays within bounds."""
    small = {"status": "firing", "startsAt": "2026-11-25T09:00:00Z"}

    def body(count: int) -> bytes:
        labels = ({"alertname": "DiskFull", "team": "payments", "instance": f"h-{number}"} for number in range(count))
        return json.dumps({"version": "4", "alerts": [{**small, "labels": each} for each in labels]}).encode()

    answer = httpx.post(f"{intake.url}/v1/alertmanager", content=body(20_000), timeout=60)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 20_000)
    huge = body(200_000)
    assert len(huge) > 16 * 1024 * 1024
    begun = time.monotonic()
    status = declared(intake, huge)
    assert (status, time.monotonic() - begun < 5) == (413, True)
    packed = httpx.post(
        f"{intake.url}/v1/alertmanager", content=gzip.compress(huge), headers={"content-encoding": "gzip"}, timeout=60
    )
    assert packed.status_code == 413
    assert intake.resident_bytes() < 400 * MEGABYTES
    assert len(events_of(kafka, unique_name)) == 20_000


def declared(intake: IntakeProcess, body: bytes) -> int:
    """The status of a body of which only the size is sent before the answer comes."""
    connection = http.client.HTTPConnection(LOOPBACK, intake.port, timeout=60)
    connection.putrequest("POST", "/v1/alertmanager")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


def test_slow_and_cut_connections_hold_nothing(intake: IntakeProcess) -> None:
    """Half a body and half of the headers are given up, while others are served; the counts come back to zero."""
    head = b"POST /v1/alertmanager HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n"
    cut = [socket.create_connection((LOOPBACK, intake.port)) for _ in range(50)]
    for each in cut:
        each.sendall(head + b'{"alerts"')
    slow = [socket.create_connection((LOOPBACK, intake.port)) for _ in range(50)]
    for each in slow:
        each.sendall(head[:40])
    until(lambda: intake.metric("intake_posts_waiting") == 50, 60)
    assert post(intake, group(alert())).status_code == 202
    for each in cut:
        each.close()
    until(lambda: intake.metric("intake_posts_waiting") == 0, 60)
    assert intake.metric("intake_bytes_waiting") == 0
    for each in slow:
        each.settimeout(60)
        assert each.recv(100) == b""  # closed by the intake once its headers did not come
        each.close()


def test_a_signal_lets_it_finish_what_it_began(intake: IntakeProcess, kafka: ApacheKafka, unique_name: str) -> None:
    """A post that is on its way at SIGTERM is answered, its alert is in Kafka, and the process ends in order."""
    body = json.dumps(group(alert())).encode()
    with socket.create_connection((LOOPBACK, intake.port)) as connection:
        connection.sendall(
            b"POST /v1/alertmanager HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            + f"content-length: {len(body)}\r\n\r\n".encode()
            + body[:50]
        )
        until(lambda: intake.metric("intake_posts_waiting") == 1, 60)
        ending = threading.Thread(target=intake.stop, args=(60.0,))
        ending.start()
        until(lambda: "stopping" in intake.log.read_text(), 60)
        connection.sendall(body[50:])
        connection.settimeout(60)
        assert connection.recv(1_000).startswith(b"HTTP/1.1 202")
    ending.join()
    assert len(events_of(kafka, unique_name)) == 1


def test_a_real_alertmanager_posts_and_its_silence_is_read_back(
    kafka: ApacheKafka, redis: RedisServer, unique_name: str, tmp_path: Path
) -> None:
    """It notifies an intake; somebody silences the alert: one of two intakes publishes `acknowledged`, once."""
    make_topics(kafka, unique_name)
    port = free_port()
    config = (
        "route: {receiver: intake, group_wait: 0s, group_interval: 1s}\n"
        "receivers:\n  - name: intake\n    webhook_configs:\n"
        f"      - {{url: 'http://{LOOPBACK}:{port}/v1/alertmanager', send_resolved: true}}\n"
    )
    key = tmp_path / "key"
    with AlertmanagerServer(config) as alertmanager:
        watching = {
            "INTAKE_ALERTMANAGERS": json.dumps([alertmanager.url]),
            "INTAKE_WATCH_SECONDS": "0.5",
        }
        servers = kafka.bootstrap_servers, redis.url, unique_name, key
        with (
            IntakeProcess(*servers, watching, port) as one,
            IntakeProcess(*servers, watching) as other,
        ):
            started = alertmanager.fire(LABELS)
            until(lambda: one.metric('intake_events_total{source="alertmanager",type="raised"}') == 1, 60)
            silence = alertmanager.silence([{"name": "alertname", "value": "DiskFull"}], "kim", 30)
            line = 'intake_watched_acts_total{kind="acknowledged"}'
            until(lambda: one.metric(line) + other.metric(line) == 1, 60)
            assert one.metric("intake_watching") + other.metric("intake_watching") == 1
            alertmanager.expire(silence)  # while it lasts not even the end is notified
            alertmanager.resolve(LABELS, started)
            resolved = 'intake_events_total{source="alertmanager",type="acted"}'
            until(lambda: one.metric(resolved) + other.metric(resolved) >= 2, 60)
    raised, *acts = sorted(events_of(kafka, unique_name), key=lambda event: event.at)
    assert isinstance(raised, Raised)
    assert {(act.kind, act.agent, act.alert_id) for act in acts if isinstance(act, Acted)} == {
        ("acknowledged", "person", raised.alert_id),
        ("ended", "automation", raised.alert_id),
    }
    assert len(acts) == 2
