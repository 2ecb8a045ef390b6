"""`python -m benchmarks.intake`: what the intake takes, beside Kafka, Redis and the sender on one machine.

Writes `benchmarks/results/intake.json` and the part of RESULTS.md between two marks.
"""

import asyncio
import json
import resource
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from confluent_kafka.admin import AdminClient, NewTopic
from msgspec import Struct

from benchmarks.machine import machine
from benchmarks.parts import put_part
from stream.dev.process import LOOPBACK
from tests.intake.process import IntakeProcess
from tests.servers.kafka import ApacheKafka
from tests.servers.redis import RedisServer

_HERE = Path(__file__).parent
BEGIN, END = "<!-- intake: written by python -m benchmarks.intake -->", "<!-- intake: end -->"
TARGET = 1_000
CONNECTIONS = 32
WARM_UP = 0.2  # of the time

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Row(Struct):
    """One measurement."""

    what: str
    posts_per_second: float
    alerts_per_second: float
    cpu_milliseconds_per_post: float
    p50_milliseconds: float
    p99_milliseconds: float
    statuses: dict[str, int]
    memory_megabytes: float


@app.command()
def main(
    seconds: Annotated[float, typer.Option(help="How long each load is posted.")] = 20.0,
    quick: Annotated[bool, typer.Option("--quick", help="A smoke run that writes nothing.")] = False,
) -> None:
    """Measure posts of one alert, of ten and of a hundred, repeats, and memory while Kafka is away."""
    seconds = 2.0 if quick else seconds
    rows = measure(seconds)
    document = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": "python -m benchmarks.intake",
        "machine": machine(),
        "seconds": seconds,
        "rows": msgspec.to_builtins(rows),
    }
    text = markdown(document, rows)
    if not quick:
        (_HERE / "results" / "intake.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        put_part(_HERE / "RESULTS.md", text, BEGIN, END)
    sys.stdout.write(text)


def measure(seconds: float) -> list[Row]:
    """All measurements, one after another, on the same servers."""
    rows = []
    with tempfile.TemporaryDirectory() as folder, ApacheKafka() as kafka, RedisServer("redis") as redis:
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
        topics = [NewTopic(f"bench.{name}", 4, 1) for name in ("events", "failed")]
        for future in admin.create_topics(topics).values():
            future.result(30)
        with IntakeProcess(kafka.bootstrap_servers, redis.url, "bench", Path(folder) / "key") as intake:
            for alerts in (1, 10, 100):
                rows.append(_load(intake, f"{alerts} new alert{'s' * (alerts > 1)} a post", alerts, seconds, True))
            rows.append(_load(intake, "1 known alert a post", 1, seconds, False))
            with kafka.frozen():
                rows.append(_load(intake, "100 new alerts a post, Kafka frozen", 100, seconds, True, connections=512))
    return rows


def _load(
    intake: IntakeProcess, what: str, alerts: int, seconds: float, new: bool, connections: int = CONNECTIONS
) -> Row:
    """Post for so long from a process of its own."""
    context = get_context("spawn")
    with context.Pool(1) as pool:
        before, begun = _cpu(intake.pid), time.monotonic()
        sending = pool.apply_async(_send, (intake.port, alerts, seconds, new, connections))
        peak = 0
        while not sending.ready():
            peak = max(peak, intake.resident_bytes())
            sending.wait(0.1)
        posts, waits, statuses = sending.get()
        spent, took = _cpu(intake.pid) - before, time.monotonic() - begun
    del took
    waits.sort()
    rate = posts / seconds
    return Row(
        what,
        rate,
        rate * alerts,
        1000 * spent / max(1, sum(statuses.values())),
        1000 * _quantile(waits, 0.5),
        1000 * _quantile(waits, 0.99),
        statuses,
        peak / 1e6,
    )


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def _cpu(pid: int) -> float:
    """User and system seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100.0


def _send(
    port: int, alerts: int, seconds: float, new: bool, connections: int
) -> tuple[int, list[float], dict[str, int]]:
    """The sender: posts answered 2xx after the warm-up, their times, and all statuses."""
    return asyncio.run(_senders(port, alerts, seconds, new, connections))


async def _senders(
    port: int, alerts: int, seconds: float, new: bool, connections: int
) -> tuple[int, list[float], dict[str, int]]:
    loop, begun = asyncio.get_running_loop(), time.monotonic()
    until = begun + seconds * (1 + WARM_UP)
    senders = [_Sender(port, number, alerts, new, begun + seconds * WARM_UP, until) for number in range(connections)]
    for each in senders:
        await loop.create_connection(partial(_same, each), LOOPBACK, port)
    await asyncio.gather(*(each.done for each in senders))
    statuses: Counter[str] = Counter()
    for each in senders:
        statuses.update(each.statuses)
    waits = [wait for each in senders for wait in each.waits]
    return len(waits), waits, dict(statuses)


def _same(sender: "_Sender") -> "_Sender":
    return sender


class _Sender(asyncio.Protocol):
    """One connection that posts again as soon as it is answered; no streams, which cost half as much as the intake."""

    def __init__(self, port: int, number: int, alerts: int, new: bool, count_from: float, until: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._port, self._number, self._alerts, self._new = port, number, alerts, new
        self._row = f"{count_from:.0f}"
        self._count_from, self._until = count_from, until
        self._sent, self._at, self._answer = 0, 0.0, b""
        self.done: asyncio.Future[None] = self._loop.create_future()
        self.waits: list[float] = []
        self.statuses: Counter[str] = Counter()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to post."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._post()

    def data_received(self, data: bytes) -> None:
        """Take an answer, and post again once it is whole."""
        self._answer += data
        head, found, rest = self._answer.partition(b"\r\n\r\n")
        if not found or len(rest) < int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]):
            return
        now, status, self._answer = time.monotonic(), head[9:12].decode(), b""
        self.statuses[status] += 1
        if self._at >= self._count_from and status in ("200", "202"):
            self.waits.append(now - self._at)
        if b"connection: close" not in head:
            self._post()

    def connection_lost(self, error: Exception | None) -> None:
        """Connect again: a 503 closes."""
        if time.monotonic() < self._until:
            self._loop.create_task(self._loop.create_connection(partial(_same, self), LOOPBACK, self._port))
        elif not self.done.done():
            self.done.set_result(None)

    def _post(self) -> None:
        self._at = time.monotonic()
        if self._at >= self._until:
            self._transport.close()
            return
        body = _body(self._number, self._sent if self._new else 0, self._alerts, self._row)
        self._sent += 1
        self._transport.write(_HEAD % len(body) + body)


_HEAD = (
    b"POST /v1/alertmanager HTTP/1.1\r\nhost: intake\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
)


def _body(connection: int, sent: int, alerts: int, row: str = "") -> bytes:
    """A group as Alertmanager posts it, about 600 bytes an alert; no two rows post the same."""
    started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:00.123456789Z")
    parts = [_ALERT % (connection % 20, f"h{row}-{connection}-{sent}-{number}", started) for number in range(alerts)]
    return ('{"version":"4","status":"firing","receiver":"noisegate","alerts":[' + ",".join(parts) + "]}").encode()


_ALERT = (
    '{"status":"firing","labels":{"alertname":"DiskAlmostFull","team":"team-%d","instance":"%s:9100","job":"node",'
    '"severity":"warning","env":"prod","device":"/dev/sda1","mountpoint":"/var","prometheus":"eu-1"},"annotations":'
    '{"summary":"Disk 91%% full","description":"The disk has been filling for an hour and will be full in two.",'
    '"runbook_url":"https://runbooks.example.net/disk"},"startsAt":"%s","endsAt":"0001-01-01T00:00:00Z",'
    '"generatorURL":"http://prometheus.example.net/graph?g0.expr=disk","fingerprint":"a3e47941a7671fef"}'
)


def markdown(document: dict[str, Any], rows: list[Row]) -> str:
    """The part of RESULTS.md."""
    on = document["machine"]
    lines = [
        BEGIN,
        "## Intake",
        "",
        f"Written by `{document['command']}` on {document['date'][:10]}, {document['seconds']:g} s a row, with Apache"
        f" Kafka, Redis and the sender on the same {on['cores']} cores: {on['processor']}, {on['memory_gigabytes']} GB,"
        f" {on['system']}. One intake process; {CONNECTIONS} connections post to /v1/alertmanager, 600 bytes"
        " an alert.",
        "A post is answered once Kafka has acknowledged its events and Redis remembers them.",
        "",
        "| | posts/s | alerts/s | CPU ms/post | p50, ms | p99, ms | peak memory, MB | answers |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    lines += [
        f"| {row.what} | {row.posts_per_second:,.0f} | {row.alerts_per_second:,.0f} "
        f"| {row.cpu_milliseconds_per_post:.2f} "
        f"| {row.p50_milliseconds:.0f} | {row.p99_milliseconds:.0f} | {row.memory_megabytes:.0f} "
        f"| {', '.join(f'{count:,} x {status}' for status, count in sorted(row.statuses.items()))} |"
        for row in rows
    ]
    reached = "yes" if rows[0].posts_per_second >= TARGET else "no"
    lines += ["", f"Target: at least {TARGET:,} posts/s of one new alert: {reached}.", END, ""]
    return "\n".join(lines)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (4_096, 4_096))
    app()
