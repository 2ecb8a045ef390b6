"""`python -m benchmarks`: measure, and write RESULTS.md, the JSON and the plot."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import load
from benchmarks.contenders import CONTENDERS, Contender
from benchmarks.figures import Figures, Latency, Load, Throughput
from benchmarks.job import own_cost
from benchmarks.machine import machine, versions
from benchmarks.measure import RATE, latency, throughput
from benchmarks.model import TREES
from benchmarks.profiling import profile
from benchmarks.report import markdown, write
from benchmarks.servers import Bench, servers
from benchmarks.setting import PARTITIONS

# Events that wait for each contender, so that it is busy for 20 to 60 s; the peers do event by event.
BACKLOG = {"noisegate": 1_000_000, "quixstreams": 20_000, "faust": 20_000, "confluent_kafka": 1_000_000}
QUICK = {"noisegate": 4_000, "quixstreams": 1_000, "faust": 1_000, "confluent_kafka": 4_000}
PACED_SECONDS, QUICK_PACED_SECONDS = 30.0, 3.0
PROFILED_EVENTS = 200_000
JOB_EVENTS = 5_000
_KEEPS_UP = 1.25  # times the steady rate that a contender must manage for its latency to be measured
_HERE = Path(__file__).parent

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    quick: Annotated[bool, typer.Option("--quick", help="A smoke run: small loads; the figures mean nothing.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="A contender; may be given more than once.")] = None,
    events: Annotated[int, typer.Option(help="Events that wait for noisegate and the ceiling; 0 = as usual.")] = 0,
    folder: Annotated[Path | None, typer.Option(help="Where to write; a whole run writes to benchmarks/.")] = None,
    profiled: Annotated[
        bool, typer.Option("--profile", help="Only show where the scorer's lane spends its time.")
    ] = False,
) -> None:
    """Measure noisegate beside its peers; a partial run writes nothing unless --folder is given."""
    chosen = _chosen(only)
    if profiled:
        with servers() as bench:
            sys.stdout.write(profile(bench, events or PROFILED_EVENTS))
        return
    sizes = {**(QUICK if quick else BACKLOG)}
    for name in ("noisegate", "confluent_kafka") if events else ():
        sizes[name] = events
    command = " ".join(["python -m benchmarks", *_told(quick, only or [], events)])
    figures = measure(command, chosen, sizes, QUICK_PACED_SECONDS if quick else PACED_SECONDS)
    if folder or figures.whole:
        write(figures, folder or _HERE)
    sys.stdout.write(markdown(figures))


def measure(command: str, chosen: list[Contender], sizes: dict[str, int], paced_seconds: float) -> Figures:
    """All measurements, one after another, on the same servers."""
    rates: dict[str, Throughput] = {}
    waits: dict[str, Latency] = {}
    _tell("starting Apache Kafka and Redis, training the model")
    with servers() as bench:
        for contender in chosen:
            _measure_one(bench, contender, sizes[contender.name], paced_seconds, rates, waits)
        job = own_cost(bench.setting("job"), JOB_EVENTS)
    return Figures(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        whole=sizes == BACKLOG and len(chosen) == len(CONTENDERS),
        machine=machine(),
        versions=versions(),
        load=Load(load.TEAMS, load.RULES, load.ENTITIES, 4, PARTITIONS, TREES, load.SEED),
        throughput=rates,
        latency=waits,
        job_cpu_microseconds_per_event=job,
    )


def _measure_one(
    bench: Bench,
    contender: Contender,
    events: int,
    paced_seconds: float,
    rates: dict[str, Throughput],
    waits: dict[str, Latency],
) -> None:
    name = contender.name
    _tell(f"{name}: {events:,} events wait")
    rates[name] = throughput(bench, contender, events)
    _tell(f"{name}: {rates[name].events_per_second:,.0f} events/s")
    if rates[name].events_per_second >= _KEEPS_UP * RATE:
        _tell(f"{name}: {RATE:,} events/s for {paced_seconds:.0f} s")
        waits[name] = latency(bench, contender, paced_seconds)


def _told(quick: bool, only: list[str], events: int) -> list[str]:
    """The options that change what is measured."""
    return ["--quick"] * quick + [f"--only {name}" for name in only] + [f"--events {events}"] * bool(events)


def _chosen(only: list[str] | None) -> list[Contender]:
    unknown = [name for name in only or () if name not in CONTENDERS]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(CONTENDERS)}")
    return [contender for name, contender in CONTENDERS.items() if not only or name in only]


def _tell(text: str) -> None:
    sys.stderr.write(f"benchmarks: {text}\n")


if __name__ == "__main__":
    app()
