"""`python -m benchmarks.closer`: decisions by 500 rules in one closer, beside Kafka and Redis on one machine.

Writes `benchmarks/results/closer.json` and the part of RESULTS.md between two marks.
"""

import json
import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from msgspec import Struct
from msgspec.structs import replace

from benchmarks.closer_process import PACED, PARTITIONS, RULES, START_SECONDS, Run, wait_until
from benchmarks.machine import machine
from benchmarks.parts import put_part
from benchmarks.rules import make_alerts
from tests.servers.kafka import ApacheKafka
from tests.servers.redis import RedisServer

_HERE = Path(__file__).parent
BEGIN, END = "<!-- closer: written by python -m benchmarks.closer -->", "<!-- closer: end -->"
BACKLOG, QUICK_BACKLOG = 300_000, 10_000
PACED_SECONDS, QUICK_PACED_SECONDS = 30.0, 4.0
TARGET_RATE, TARGET_SECONDS = 10_000, 0.1

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Backlog(Struct):
    """Alerts that waited when the closer began, and how fast they were decided."""

    alerts: int
    decided: int  # of them, those that a rule matches
    alerts_per_second: float
    cpu_microseconds_per_alert: float


class Paced(Struct):
    """Alerts at an even rate: from an enriched record's timestamp to that of its decision, by Kafka's clock."""

    alerts_per_second: float
    decided: int
    p50_milliseconds: float
    p99_milliseconds: float
    largest_milliseconds: float


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure_backlog(kafka: ApacheKafka, redis: RedisServer, folder: Path, count: int) -> Backlog:
    """Let a closer decide about what waits, once it has judged its rules."""
    run = Run(kafka, redis, folder, "backlog")
    with run.closer():
        run.wait_judged()
    alerts = make_alerts(count)
    run.produce(alerts)
    with run.closer() as process:
        wait_until(lambda: run.positions() > 0, START_SECONDS)
        first, began, used = run.positions(), time.monotonic(), _cpu_seconds(process)
        wait_until(lambda: run.positions() >= count, START_SECONDS)
        seconds, cpu = time.monotonic() - began, _cpu_seconds(process) - used
        decided = int(run.metric("noisegate_decisions_total"))
    return Backlog(count, decided, (count - first) / seconds, 1e6 * cpu / (count - first))


def measure_paced(kafka: ApacheKafka, redis: RedisServer, folder: Path, seconds: float, rate: float) -> Paced:
    """Give a closer alerts at an even rate."""
    run = Run(kafka, redis, folder, f"paced{rate:.0f}")
    with run.closer():
        run.wait_judged()
        warm = make_alerts(int(rate))
        run.produce(warm, rate)
        alerts = [
            replace(one, alert=replace(one.alert, alert_id=f"{PACED}{number}"))
            for number, one in enumerate(make_alerts(int(rate * seconds)))
        ]
        began = time.monotonic()
        run.produce(alerts, rate)
        reached = len(alerts) / (time.monotonic() - began)
        wait_until(lambda: run.positions() >= len(alerts) + len(warm), START_SECONDS)
        wait_until(lambda: run.metric("noisegate_outbox_entries") == 0, START_SECONDS)
    waits = run.waits()
    at = [1e3 * waits[min(int(share * len(waits)), len(waits) - 1)] for share in (0.5, 0.99, 1.0)]
    return Paced(reached, len(waits), *at)


def section(document: dict[str, Any]) -> str:
    """The part of RESULTS.md."""
    on, backlog = document["machine"], document["backlog"]
    lines = [
        "## Closer",
        "",
        f"Written by `{document['command']}` on {document['date'][:10]}, one closer with Kafka, Redis and the producer "
        f"on one machine: {on['processor']}, {on['system']}. {RULES} rules in shadow, {PARTITIONS} partitions, alerts "
        f"as in *Rules*. Before it began, other work on the machine had a load of {document['load']:.1f} on "
        f"{os.cpu_count()} processors.",
        "",
        f"A backlog of {backlog['alerts']:,} alerts: {backlog['alerts_per_second']:,.0f} alerts/s, "
        f"{backlog['cpu_microseconds_per_alert']:.0f} µs of CPU an alert; {backlog['decided']:,} decisions.",
        "",
        "| alerts/s | decisions | p50, ms | p99, ms | largest, ms |",
        "|---:|---:|---:|---:|---:|",
    ]
    for one in document["paced"]:
        lines.append(
            f"| {one['alerts_per_second']:,.0f} | {one['decided']:,} | {one['p50_milliseconds']:.0f} | "
            f"{one['p99_milliseconds']:.0f} | {one['largest_milliseconds']:.0f} |"
        )
    fast = backlog["alerts_per_second"] >= TARGET_RATE
    prompt = [one for one in document["paced"] if one["p99_milliseconds"] <= 1e3 * TARGET_SECONDS]
    highest = max((one["alerts_per_second"] for one in prompt), default=0.0)
    lines += [
        "",
        f"Targets: {TARGET_RATE:,} alerts/s with {RULES} rules: {'reached' if fast else 'not reached'}; a decision "
        f"within {1e3 * TARGET_SECONDS:.0f} ms at p99: "
        + (f"reached up to {highest:,.0f} alerts/s of these." if prompt else "not reached."),
    ]
    return "\n".join(lines)


@app.command()
def main(
    quick: Annotated[bool, typer.Option("--quick", help="A smoke run that writes nothing.")] = False,
    rates: Annotated[
        str, typer.Option(help="Alerts a second at which the time to a decision is measured.")
    ] = "500,1000,2000",
) -> None:
    """Measure how many alerts a closer decides about, and how soon."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name, ApacheKafka() as kafka, RedisServer("redis") as redis:
        folder = Path(name)
        backlog = measure_backlog(kafka, redis, folder, QUICK_BACKLOG if quick else BACKLOG)
        seconds = QUICK_PACED_SECONDS if quick else PACED_SECONDS
        paced = [measure_paced(kafka, redis, folder, seconds, float(rate)) for rate in rates.split(",")]
    document = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": "python -m benchmarks.closer",
        "machine": machine(),
        "load": load,
        "backlog": msgspec.to_builtins(backlog),
        "paced": msgspec.to_builtins(paced),
    }
    if not quick:
        (_HERE / "results" / "closer.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        put_part(_HERE / "RESULTS.md", f"{BEGIN}\n{section(document)}\n{END}\n", BEGIN, END)
    sys.stdout.write(section(document) + "\n")


if __name__ == "__main__":
    app()
