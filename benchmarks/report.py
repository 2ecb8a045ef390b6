"""The figures as files: JSON, a table in Markdown and a plot. Nothing in them is written by hand."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.contenders import CONTENDERS
from benchmarks.figures import Figures
from benchmarks.parts import parts_of

TARGET_RATE, TARGET_P99, TARGET_MEMORY, MILLION = 15_000, 50.0, 300.0, 1_000_000
QUIET_SHARE = 0.05
TIMES = {"quixstreams": 7, "faust": 20}
_COLOURS = {"noisegate": "#1b7f5c", "quixstreams": "#8a8f98", "faust": "#8a8f98", "confluent_kafka": "#c9ccd1"}

_HEAD = """\
# Benchmark

Written by `{figures.command}` on {day}; don't edit. All figures are of one run on one machine, with Apache Kafka, Redis
and the load's producer on the same {machine[cores]} cores: {machine[processor]}, {machine[memory_gigabytes]} GB,
{machine[system]}."""

_HOW = """\
## How it is measured

- The load: {load.teams} teams × {load.rules} rules × {load.entities} entities drawn evenly (seed {load.seed}), so that
  nearly every alert's team, rule and entity are new together; an action for every alert, 200 to 800 events after it;
  half a second of event time from event to event; keyed by team with murmur2 into {load.partitions} partitions,
  uncompressed.
- The job: an alert is decoded, the states of its {load.levels} levels are read from Redis, features computed, the same
  ONNX model run ({load.trees} trees, learnt from the load), the enriched record published and the states updated; an
  action is judged and updates the states. noisegate runs its command with every setting at its default: beside this it
  publishes outcomes, keeps track of what is due, fences, counts. The peers call noisegate's own fold, features and
  model event by event, and keep states and ledger in Redis: MGET before, MSET after, and a GET for an action's alert.
  Mind that these pieces are made for batches: on one row numpy's cost a call dominates, and it is a large part of the
  peers' CPU, so the ratios tell of working event by event as much as of the frameworks.
- Rate: from the end of the warm-up (the first tenth of the outputs) to the last output, by the times at which the
  broker took them. CPU: user and system time of the process over the same span.
- Latency: from the raised record's timestamp, set by its producer, to the time at which the broker took the enriched
  record (LogAppendTime), one clock; after 2,000 events and five seconds of warm-up.
- Memory: the resident set's peak, looked at four times a second.
- Checked in the same run: every alert came out with a score; noisegate's exactly once, and one outcome an action."""


def write(figures: Figures, folder: Path) -> None:
    """Write `RESULTS.md`, with other benchmarks' parts kept, and the JSON files and the plot in `results/`."""
    results = folder / "results"
    results.mkdir(parents=True, exist_ok=True)
    encoded = msgspec.json.format(msgspec.json.encode(figures), indent=2) + b"\n"
    for name in (figures.date[:10], "latest"):
        (results / f"{name}.json").write_bytes(encoded)
    plot(figures, results / "throughput.png")
    page = folder / "RESULTS.md"
    others = parts_of(page.read_text(encoding="utf-8")) if page.exists() else ""
    page.write_text(markdown(figures) + others, encoding="utf-8")


def markdown(figures: Figures) -> str:
    """The page."""
    return (
        "\n".join([*_head(figures), *_throughput(figures), *_latency(figures), *_targets(figures), *_how(figures)])
        + "\n"
    )


def _head(figures: Figures) -> Iterator[str]:
    yield from _HEAD.format(figures=figures, day=figures.date[:10], machine=figures.machine).splitlines()
    yield ""
    if not figures.whole:
        yield "**A partial or smoke run: what it is compared with may be missing, and short loads are no measure.**"
        yield ""
    if figures.others_share > QUIET_SHARE:
        share = f"{figures.others_share:.0%}"
        yield f"**Disturbed: something else took up to {share} of the machine during a measurement.**"
        yield ""


def _throughput(figures: Figures) -> Iterator[str]:
    yield "## Throughput: a backlog worked off"
    yield ""
    yield "![events per second](results/throughput.png)"
    yield ""
    yield "| | events/s | noisegate is | CPU µs/event | Kafka's | Redis' | events | peak memory, MB |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    for name, one in figures.throughput.items():
        times = figures.times(name)
        servers = one.servers_cpu_microseconds_per_event
        told = f"{times:.2g}×" if times and name != "noisegate" else ""
        yield (
            f"| {name}: {CONTENDERS[name].what} | {one.events_per_second:,.0f} | {told} "
            f"| {one.cpu_microseconds_per_event:.0f} | {servers['kafka']:.0f} | {servers['redis']:.0f} "
            f"| {one.events:,} | {one.peak_memory_megabytes:.0f} |"
        )
    yield ""
    stages = figures.throughput["noisegate"].stage_microseconds_per_event if "noisegate" in figures.throughput else {}
    if stages:
        yield "noisegate by stage, wall µs/event (stages of one batch overlap the broker's work on the batch before):"
        yield ", ".join(f"{stage} {spent:.1f}" for stage, spent in stages.items()) + "."
        yield ""


def _latency(figures: Figures) -> Iterator[str]:
    if not figures.latency:
        return
    yield "## Latency: 1,000 events/s"
    yield ""
    yield "| | p50, ms | p99, ms | largest, ms | alerts | CPU µs/event | peak memory, MB |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for name, one in figures.latency.items():
        yield (
            f"| {name} | {one.p50_milliseconds:.0f} | {one.p99_milliseconds:.0f} | {one.max_milliseconds:.0f} "
            f"| {one.alerts:,} | {one.cpu_microseconds_per_event:.0f} | {one.peak_memory_megabytes:.0f} |"
        )
    behind = [name for name in figures.throughput if name not in figures.latency]
    if behind:
        yield ""
        yield f"Not measured, as it can't keep up with this rate: {', '.join(behind)}."
    yield ""


def _targets(figures: Figures) -> Iterator[str]:
    rows = list(_target_rows(figures)) if figures.whole else []
    if rows:
        yield "## What it must reach"
        yield ""
        yield "| | target | measured | reached |"
        yield "|---|---:|---:|---|"
        for what, target, measured, reached in rows:
            yield f"| {what} | {target} | {measured} | {'yes' if reached else '**no**'} |"
        yield ""


def _target_rows(figures: Figures) -> Iterator[tuple[str, str, str, bool]]:
    ours, steady = figures.throughput.get("noisegate"), figures.latency.get("noisegate")
    if ours:
        rate = ours.events_per_second
        yield "events/s of one scorer process", f"≥ {TARGET_RATE:,}", f"{rate:,.0f}", rate >= TARGET_RATE
    for peer, least in TIMES.items():
        times = figures.times(peer)
        if times is not None:
            yield f"times {peer}", f"≥ {least}", f"{times:.1f}", times >= least
    if steady:
        p99 = steady.p99_milliseconds
        yield "p99 at 1,000 events/s, ms", f"< {TARGET_P99:.0f}", f"{p99:.0f}", p99 < TARGET_P99
    if ours and ours.events >= MILLION:
        peak = ours.peak_memory_megabytes
        yield (
            f"memory with {ours.events:,} events waiting, MB",
            f"< {TARGET_MEMORY:.0f}",
            f"{peak:.0f}",
            peak < TARGET_MEMORY,
        )


def _how(figures: Figures) -> Iterator[str]:
    yield from _HOW.format(load=figures.load).splitlines()
    if figures.job_cpu_microseconds_per_event is not None:
        spent = figures.job_cpu_microseconds_per_event
        yield f"- The job alone, called event by event without Kafka, Redis or framework: {spent:.0f} CPU µs/event."
    yield ""
    yield "Versions: " + ", ".join(f"{name} {found}" for name, found in figures.versions.items()) + "."


def plot(figures: Figures, path: Path) -> None:
    """Events per second as points: on a logarithmic axis the length of a bar would mean nothing."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    names = list(figures.throughput)[::-1]
    rates = [figures.throughput[name].events_per_second for name in names]
    figure, axes = pyplot.subplots(figsize=(8, 0.6 * len(names) + 1.2))
    axes.scatter(rates, names, s=90, color=[_COLOURS[name] for name in names], zorder=2)
    for name, rate in zip(names, rates, strict=True):
        axes.annotate(f"{rate:,.0f}", (rate, name), xytext=(10, 0), textcoords="offset points", va="center")
    axes.grid(axis="x", color="#e4e6e9", zorder=1)
    axes.margins(y=0.2)
    axes.set_xscale("log")
    axes.set_xlim(min(rates) / 2, max(rates) * 4)
    axes.set_xlabel("events per second, one process, logarithmic")
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=120, metadata={"Software": None})
    pyplot.close(figure)
