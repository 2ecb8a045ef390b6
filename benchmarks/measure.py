"""The measurements: a backlog worked off, and a steady rate."""

import time
import urllib.request
from collections.abc import Iterator

import numpy as np
import psutil
from prometheus_client.parser import text_string_to_metric_families

from benchmarks import load
from benchmarks.contenders import Contender
from benchmarks.figures import Latency, Throughput
from benchmarks.outputs import Outputs, count_records, read_inputs, read_outputs
from benchmarks.servers import Bench, process
from benchmarks.setting import Setting
from benchmarks.topics import Feed, Reader
from benchmarks.watch import EVERY_SECONDS, Sample, Watch

RATE = 1_000  # events a second of the steady load
WARM_UP_SHARE = 10  # one in so many outputs
PRIMER_EVENTS = 2_000  # worked off before the steady load begins
PACED_WARM_UP_SECONDS = 5.0
_MEGABYTE = 1e6


class Wrong(RuntimeError):
    """A contender lost, repeated or did not score something."""


def throughput(bench: Bench, contender: Contender, events: int) -> Throughput:
    """Let a contender work off `events` that wait.

    Raises:
        Wrong: what came out is not what went in.
    """
    setting = bench.setting(contender.name)
    raised = Feed(setting.kafka, setting.events_topic, paced=False).send_all(load.events(events))
    wanted = events if contender.passes_all else raised
    reader = Reader(setting.kafka, setting.enriched_topic)
    with process(contender, setting) as running:
        watch = Watch(running, bench.processes, reader)
        watch.until(wanted)
        outcomes = _outcomes(setting, events - raised) if contender.exact else None
        stages = _stages(setting.metrics_port, events) if contender.exact else {}
    reader.close()
    outputs = read_outputs(contender, setting)
    _check(contender, outputs, wanted)
    span = _after_warm_up(watch.samples, wanted)
    cpu = _cpu(*span, events / wanted)
    cpu.pop("benchmark")
    return Throughput(
        events_per_second=_rate(outputs, events / wanted),
        events=events,
        raised=raised,
        enriched=outputs.records,
        outcomes=outcomes,
        cpu_microseconds_per_event=cpu.pop("contender"),
        servers_cpu_microseconds_per_event=cpu,
        stage_microseconds_per_event=stages,
        peak_memory_megabytes=watch.peak_resident / _MEGABYTE,
        others_share=_others_share(*span),
    )


def latency(bench: Bench, contender: Contender, seconds: float) -> Latency:
    """Give a contender that has nothing else to do `RATE` events a second; the first five seconds are warm-up."""
    setting = bench.setting(f"{contender.name}.paced")
    paced = int(RATE * seconds)
    feed = Feed(setting.kafka, setting.events_topic, paced=True)
    waiting = load.events(PRIMER_EVENTS + paced)
    reader = Reader(setting.kafka, setting.enriched_topic)
    with process(contender, setting) as running:
        watch = Watch(running, bench.processes, reader)
        primed = _send(feed, waiting, PRIMER_EVENTS, contender)
        watch.until(primed)
        began = watch.sample()
        began_at = time.time()
        sent = primed + _send_paced(feed, waiting, paced, contender, watch)
        ended = watch.samples[-1]
        watch.until(sent)
    reader.close()
    outputs = read_outputs(contender, setting)
    _check(contender, outputs, sent)
    waits = _waits(outputs, read_inputs(setting), (began_at + min(PACED_WARM_UP_SECONDS, seconds / 2)) * 1000)
    used = ended.cpu["contender"] - began.cpu["contender"]
    return Latency(
        p50_milliseconds=float(np.percentile(waits, 50)),
        p99_milliseconds=float(np.percentile(waits, 99)),
        max_milliseconds=float(waits.max()),
        alerts=len(waits),
        events_per_second=RATE,
        cpu_microseconds_per_event=used / paced * 1e6,
        peak_memory_megabytes=watch.peak_resident / _MEGABYTE,
        others_share=_others_share(began, ended),
    )


def _send(feed: Feed, waiting: Iterator[load.Event], count: int, contender: Contender) -> int:
    """Send `count` events; returns how many outputs they must give."""
    wanted = 0
    for _ in range(count):
        event = next(waiting)
        feed.send(event)
        wanted += event.raised or contender.passes_all
    feed.flush()
    return wanted


def _send_paced(feed: Feed, waiting: Iterator[load.Event], count: int, contender: Contender, watch: Watch) -> int:
    """Send `count` events, each when it is due, and look at the contender now and then."""
    start = looked = time.perf_counter()
    sent = wanted = 0
    while sent < count:
        now = time.perf_counter()
        while sent < min(count, int((now - start) * RATE) + 1):
            event = next(waiting)
            feed.send(event)
            wanted += event.raised or contender.passes_all
            sent += 1
        feed.poll()
        if now - looked > EVERY_SECONDS:
            watch.sample()
            looked = now
        time.sleep(0.5 / RATE)
    feed.flush()
    watch.sample()
    return wanted


def _check(contender: Contender, outputs: Outputs, wanted: int) -> None:
    if len(outputs.places) != wanted:
        raise Wrong(f"{contender.name}: {len(outputs.places)} of {wanted} alerts came out")
    if contender.exact and outputs.records != wanted:
        raise Wrong(f"{contender.name}: {outputs.records - wanted} alerts came out twice, and nothing had failed")
    if outputs.unscored:
        raise Wrong(f"{contender.name}: {outputs.unscored} alerts came out without a score")


def _rate(outputs: Outputs, events_per_output: float) -> float:
    """Events a second from the end of the warm-up to the last output, by the broker's clock."""
    appended = np.sort(outputs.appended)
    warm = len(appended) // WARM_UP_SHARE
    seconds = float(appended[-1] - appended[warm]) / 1000.0
    return (len(appended) - warm) * events_per_output / max(seconds, 0.001)


def _after_warm_up(samples: list[Sample], wanted: int) -> tuple[Sample, Sample]:
    """The samples between which rate and CPU are told."""
    return next(sample for sample in samples if sample.outputs >= wanted // WARM_UP_SHARE), samples[-1]


def _cpu(first: Sample, last: Sample, events_per_output: float) -> dict[str, float]:
    """CPU µs an event of every process."""
    events = max((last.outputs - first.outputs) * events_per_output, 1.0)
    return {name: (used - first.cpu[name]) / events * 1e6 for name, used in last.cpu.items()}


def _others_share(first: Sample, last: Sample) -> float:
    """Share of the machine's CPU that went to something else."""
    seconds = max(last.at - first.at, 0.001) * (psutil.cpu_count() or 1)
    return max(last.others - first.others, 0.0) / seconds


def _waits(
    outputs: Outputs, inputs: dict[tuple[int, int], int], since: float
) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Milliseconds from input to output of what was produced since then."""
    pairs = zip(outputs.places, outputs.appended.tolist(), strict=True)
    waits = [appended - inputs[place] for place, appended in pairs if inputs[place] >= since]
    return np.array(waits, dtype=np.float64)


def _outcomes(setting: Setting, wanted: int) -> int:
    """Wait for the last outcomes, which come after the last enriched record."""
    deadline = time.monotonic() + 10.0
    while (count := count_records(setting, setting.outcomes_topic)) < wanted and time.monotonic() < deadline:
        time.sleep(EVERY_SECONDS)
    if count != wanted:
        raise Wrong(f"{count} outcomes came out of {wanted} actions that decide")
    return count


def _stages(port: int, events: int) -> dict[str, float]:
    """Wall µs an event in each of the lane's stages, by the scorer's own metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        text = response.read().decode()
    return {
        sample.labels["stage"]: sample.value / events * 1e6
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "noisegate_stage_seconds_sum"
    }
