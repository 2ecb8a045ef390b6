"""`python -m benchmarks.swapping`: what a swap of the champion costs, in a real scorer under a steady load of alerts.

The pointer CHAMPION of a store is flipped between two versions while alerts are raised; told are the waits from the
raised record's timestamp to the broker's time of the enriched record, around swaps and apart from them, and how long
after a promotion the first alert came out scored by the new version.
"""

import itertools
import os
import sys
import time
from collections.abc import Iterator
from typing import Annotated

import msgspec
import numpy as np
import typer
from msgspec import Struct
from numpy.typing import NDArray

from benchmarks import load
from benchmarks.contenders import CONTENDERS
from benchmarks.measure import PRIMER_EVENTS, Wrong
from benchmarks.outputs import Place, read_inputs
from benchmarks.servers import Bench, process, servers
from benchmarks.setting import Setting
from benchmarks.topics import Feed, Reader
from benchmarks.versions import copy_version
from benchmarks.watch import Watch
from stream.models.pointers import CHAMPION, Pointer
from stream.models.store import Store

AROUND_SECONDS = 1.0  # before the first record of a new version, and after it: loading and swap lie within
WARM_UP_SECONDS = 10.0
FIRST_TARGET_SECONDS, PAUSE_TARGET_MILLISECONDS = 10.0, 50.0


class Waits(Struct, frozen=True):
    """Milliseconds from the raised record to its enriched one."""

    alerts: int
    p50: float
    p99: float
    largest: float


class Swaps(Struct, frozen=True):
    """What was measured. `first_seconds`: from each promotion to the first alert scored by the new version."""

    alerts_per_second: float
    swaps: int
    around: Waits
    apart: Waits
    first_seconds: list[float]


class _Score(Struct):
    model: str | None


class _Enriched(Struct):
    score: _Score
    offset: str


class _Output(Struct):
    place: Place
    appended: int
    model: str | None


_decode = msgspec.json.Decoder(_Enriched).decode
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    rate: Annotated[int, typer.Option(help="Alerts a second.")] = 5_000,
    seconds: Annotated[float, typer.Option(help="How long the load lasts, ten seconds of warm-up aside.")] = 120.0,
    every: Annotated[float, typer.Option(help="Seconds between promotions.")] = 8.0,
) -> None:
    """Measure, and tell in JSON."""
    os.environ["NOISEGATE_TICK_SECONDS"] = "0"  # the load is of another time: ticks of now would make all of it late
    with servers() as bench:
        measured = swapping(bench, rate, seconds, every)
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(measured), indent=1).decode() + "\n")
    slowest = max(measured.first_seconds)
    sys.stderr.write(
        f"promote to first alert scored: {slowest:.1f} s at most (target {FIRST_TARGET_SECONDS:.0f});"
        f" p99 around swaps {measured.around.p99:.0f} ms (target {PAUSE_TARGET_MILLISECONDS:.0f}),"
        f" apart from them {measured.apart.p99:.0f} ms\n"
    )


def swapping(bench: Bench, rate: int, seconds: float, every: float) -> Swaps:
    """Raise alerts at a steady rate while the champion changes.

    Raises:
        Wrong: an alert was lost, came twice or was not scored, or a promotion never showed.
    """
    store = Store(str(bench.models))
    (first,) = store.versions()
    versions = itertools.cycle([copy_version(bench.models, first, 1), first])
    setting = bench.setting("swapping")
    feed = Feed(setting.kafka, setting.events_topic, paced=True)
    count = PRIMER_EVENTS + int(rate * (WARM_UP_SECONDS + seconds))
    waiting = [event for event in load.events(2 * count + 2_000) if event.raised][:count]
    _tell(f"{count:,} alerts are made")
    reader = Reader(setting.kafka, setting.enriched_topic)
    promoted: list[tuple[float, str]] = []
    with process(CONTENDERS["noisegate"], setting) as running:
        watch = Watch(running, bench.processes, reader)
        for event in waiting[:PRIMER_EVENTS]:
            feed.send(event)
        feed.flush()
        watch.until(PRIMER_EVENTS)
        began = time.time()
        for turn, event in _paced(waiting[PRIMER_EVENTS:], rate, feed):
            feed.send(event)
            due = began + WARM_UP_SECONDS + every * len(promoted)
            if turn % 100 == 0 and due <= time.time() < began + WARM_UP_SECONDS + seconds - every:
                version = next(versions)
                promoted.append((time.time() * 1000, version))
                _tell(f"{version} is promoted")
                store.point(CHAMPION, Pointer(version))
        feed.flush()
        took = time.time() - began
        _tell(f"{len(waiting) - PRIMER_EVENTS:,} alerts were raised in {took:.1f} s")
        watch.until(count)
    reader.close()
    outputs = _outputs(setting, count)
    return _figures((count - PRIMER_EVENTS) / took, outputs, read_inputs(setting), promoted, began)


def _paced(events: list[load.Event], rate: int, feed: Feed) -> Iterator[tuple[int, load.Event]]:
    """Each event when it is due."""
    start, sent = time.perf_counter(), 0
    while sent < len(events):
        now = time.perf_counter()
        for turn in range(sent, min(len(events), int((now - start) * rate) + 1)):
            yield turn, events[turn]
            sent = turn + 1
        feed.poll()
        time.sleep(0.002)


def _outputs(setting: Setting, count: int) -> list[_Output]:
    reader = Reader(setting.kafka, setting.enriched_topic)
    outputs = []
    for message in reader.records():
        record = _decode(message.value() or b"")
        _, partition, offset = record.offset.split("/")
        outputs.append(_Output((int(partition), int(offset)), message.timestamp()[1], record.score.model))
    reader.close()
    if len(outputs) != count or len({output.place for output in outputs}) != count:
        raise Wrong(f"{len(outputs)} records came out of {count} alerts")
    if any(output.model is None for output in outputs):
        raise Wrong("alerts came out without a score")
    return outputs


def _figures(
    rate: float, outputs: list[_Output], inputs: dict[Place, int], promoted: list[tuple[float, str]], began: float
) -> Swaps:
    raised = np.array([inputs[output.place] for output in outputs], dtype=np.float64)
    appended = np.array([output.appended for output in outputs], dtype=np.float64)
    swapped = [_first_of(outputs, at, version) for at, version in promoted]
    warm = raised >= (began + WARM_UP_SECONDS - AROUND_SECONDS) * 1000
    around = np.zeros(len(outputs), dtype=bool)
    for at in swapped:
        around |= np.abs(appended - at) <= AROUND_SECONDS * 1000
    waits = appended - raised
    return Swaps(
        alerts_per_second=rate,
        swaps=len(swapped),
        around=_waits(waits[around]),
        apart=_waits(waits[warm & ~around]),
        first_seconds=[(now - at) / 1000 for now, (at, _) in zip(swapped, promoted, strict=True)],
    )


def _first_of(outputs: list[_Output], at: float, version: str) -> int:
    """When the first alert of a version came out, after it was promoted."""
    found = [output.appended for output in outputs if output.model == version and output.appended >= at]
    if not found:
        raise Wrong(f"{version} was promoted and scored nothing")
    return min(found)


def _waits(waits: NDArray[np.float64]) -> Waits:
    return Waits(len(waits), float(np.percentile(waits, 50)), float(np.percentile(waits, 99)), float(waits.max()))


def _tell(text: str) -> None:
    sys.stderr.write(f"benchmarks: {text}\n")


if __name__ == "__main__":
    app()
