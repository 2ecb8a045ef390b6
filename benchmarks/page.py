"""`make bench-page`: the triage page in Chromium, on one machine with its server, fed from memory.

The way of an alert from Alertmanager's webhook to the page is measured apart, on Kafka, Redis, intake and scorer.

Writes `benchmarks/results/page.json` and the part of RESULTS.md between two marks.
"""

import json
import os
import random
import statistics
import sys
import threading
import time
import uuid
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import msgspec
import typer
from msgspec import Struct
from playwright.sync_api import Browser, Page

from benchmarks.machine import machine
from benchmarks.page_load import IN, PARTITIONS, VIEWERS, restart_seconds, taken_per_second, viewer_seconds
from benchmarks.parts import put_part
from tests.servers.kafka import ApacheKafka
from tests.triage.browser.live import LivePage, chromium, served
from tests.triage.browser.records import HABITS, day, enriched
from tests.triage.process import TriageProcess, deployment

_HERE = Path(__file__).parent
BEGIN, END = "<!-- page: written by python -m benchmarks.page -->", "<!-- page: end -->"
ALERTS, RATE = 10_000, 200
VIEWPORT = {"width": 1360, "height": 860}
PAINT_SECONDS, VIEW_BYTES, KEY_MILLISECONDS, FRAMES, SEEN_SECONDS = 1.0, 150_000, 50.0, 60.0, 1.0  # what is aimed at
RESTART_SECONDS = 5.0
RESTARTS, PROBES, TAKING_SECONDS = 5, 40, 5.0

FASTEST = 16.0  # ms; of a quicker key the browser reports nothing

# The browser's own measure (Event Timing): from a key to the frame that shows what it did, in steps of 8 ms. A task
# after the frame would not do: Chromium lets tasks wait while keys come, long after the frame is on the screen.
_WATCH_KEYS = """() => {
  window.keyTimes = [];
  const watch = (list) => window.keyTimes.push(
    ...list.getEntries().filter((one) => one.name === "keydown").map((one) => one.duration));
  new PerformanceObserver(watch).observe({ type: "event", durationThreshold: 16 });
}"""
_COUNT_FRAMES = """(seconds) => new Promise((end) => {
  const times = [];
  const next = (time) => {
    times.push(time);
    if (time - times[0] < 1000 * seconds) requestAnimationFrame(next);
    else end(times);
  };
  requestAnimationFrame(next);
})"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Figures(Struct):
    """What was measured."""

    first_paint_seconds: float  # the median of all visits
    first_view_bytes: int  # with headers
    key_p50_milliseconds: float
    key_p95_milliseconds: float
    frames_per_second: float  # while RATE alerts a second come
    slow_frames: float  # the share of frames that came more than 25 ms after the one before
    seen_seconds: float  # from an alert's enriched record to the page that counts it, the median
    webhook_seconds: float  # from Alertmanager's webhook through Kafka and the scorer to the page, the median
    viewer_seconds: float  # from an alert to the last of VIEWERS viewers while RATE alerts a second come, p95
    taken_per_second: float  # alerts in a second of a processor's time, each with its end and its outcome
    restart_seconds: float  # on topics of PARTITIONS full partitions each, the least of some
    restart_processor_seconds: float  # of the same


@app.command()
def main(
    visits: Annotated[int, typer.Option(help="How often the page is opened.")] = 7,
    presses: Annotated[int, typer.Option(help="How many keys are pressed.")] = 300,
    seconds: Annotated[float, typer.Option(help="How long alerts come.")] = 10.0,
    quick: Annotated[bool, typer.Option("--quick", help="A smoke run that writes nothing.")] = False,
) -> None:
    """Measure first paint, first view, keys, frames and the way of an alert to the page."""
    load = [os.getloadavg()[0]]
    figures = measure(2 if quick else visits, 20 if quick else presses, 1.0 if quick else seconds, quick)
    document = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": "python -m benchmarks.page",
        "machine": machine(),
        "load": [round(one, 1) for one in (*load, os.getloadavg()[0])],
        "figures": msgspec.to_builtins(figures),
    }
    text = markdown(document, figures)
    if not quick:
        (_HERE / "results" / "page.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        put_part(_HERE / "RESULTS.md", text, BEGIN, END)
    sys.stdout.write(text)


def measure(visits: int, presses: int, seconds: float, quick: bool = False) -> Figures:
    """All figures; those of the list on one server that holds ALERTS alerts."""
    with chromium() as browser, served(day(ALERTS, time.time(), every=5.0)) as page:
        opened = [first_view(browser, page) for _ in range(visits)]
        tab = _open(browser, page.url)
        keys = key_times(tab, presses)
        frames = frame_times(tab, page, seconds)
        gaps = [after - before for before, after in pairwise(frames)]
        seen_seconds = [seen(browser, page, at) for at in range(visits)]
        webhook_seconds = webhook_times(browser, visits)
    restart = restart_seconds(1, 500) if quick else restart_seconds(RESTARTS)
    return Figures(
        first_paint_seconds=statistics.median(paint for paint, _ in opened) / 1_000,
        first_view_bytes=max(size for _, size in opened),
        key_p50_milliseconds=statistics.median(keys),
        key_p95_milliseconds=statistics.quantiles(keys, n=20)[-1],
        frames_per_second=1_000 * len(gaps) / sum(gaps),
        slow_frames=sum(gap > 25 for gap in gaps) / len(gaps),
        seen_seconds=statistics.median(seen_seconds),
        webhook_seconds=statistics.median(webhook_seconds),
        viewer_seconds=viewer_seconds(2 if quick else PROBES),
        taken_per_second=taken_per_second(0.2 if quick else TAKING_SECONDS),
        restart_seconds=restart[0],
        restart_processor_seconds=restart[1],
    )


def first_view(browser: Browser, page: LivePage) -> tuple[float, int]:
    """Milliseconds to the first paint with an empty cache, and the bytes of all that came up to the live page."""
    tab = _open(browser, page.url)
    read = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
    sizes = (
        "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
        ".filter((one) => !one.name.includes('/events')).reduce((sum, one) => sum + one.transferSize, 0)"
    )
    found = float(tab.evaluate(read)), int(tab.evaluate(sizes))
    tab.context.close()
    return found


def key_times(tab: Page, presses: int) -> list[float]:
    """Milliseconds from a key to the frame that shows what it did: mostly moves, some selections and verdicts."""
    tab.evaluate(_WATCH_KEYS)
    for at in range(presses):
        tab.keyboard.press("j" if at % 10 < 8 else "xd"[at % 2])
    tab.wait_for_timeout(500)  # the browser reports in the background
    slower = [float(one) for one in tab.evaluate("window.keyTimes")]
    return [FASTEST] * (presses - len(slower)) + slower


def frame_times(tab: Page, page: LivePage, seconds: float) -> list[float]:
    """The times of all frames while RATE alerts a second come, in milliseconds."""
    chance = random.Random(1)
    feeder = threading.Thread(
        target=page.feed_steadily,
        args=(lambda at: enriched(HABITS[at % len(HABITS)], f"R{at}", time.time(), chance), RATE, seconds + 1.0),
    )
    feeder.start()
    try:
        return [float(one) for one in tab.evaluate(_COUNT_FRAMES, seconds)]
    finally:
        feeder.join()


def seen(browser: Browser, page: LivePage, number: int) -> float:
    """Seconds from an alert's record to the page that counts it as new."""
    tab = _open(browser, page.url)
    began = time.monotonic()
    page.feed([enriched(HABITS[0], f"S{number}", time.time(), random.Random(number))])
    tab.wait_for_selector(".pill")
    took = time.monotonic() - began
    tab.context.close()
    return took


def webhook_times(browser: Browser, count: int) -> list[float]:
    """Seconds from an alert posted to the intake to the page that counts it as new; the first is left out."""
    times = []
    with (
        TemporaryDirectory() as folder,
        ApacheKafka() as kafka,
        deployment(kafka, f"bench-{uuid.uuid4().hex[:8]}", Path(folder)) as stack,
        TriageProcess(stack.environment) as page,
    ):
        for number in range(count + 1):
            tab = _open(browser, page.url)
            began = time.monotonic()
            stack.alert(f"bench-{number}:9100")
            tab.wait_for_selector(".pill")
            times.append(time.monotonic() - began)
            tab.context.close()
    return times[1:]


def _open(browser: Browser, url: str) -> Page:
    tab = browser.new_context(viewport=VIEWPORT).new_page()  # type: ignore[arg-type]  # a typed dictionary there
    tab.goto(url)
    tab.wait_for_selector(".dot.on")
    return tab


def markdown(document: dict[str, Any], figures: Figures) -> str:
    """The part of RESULTS.md."""
    on = document["machine"]
    rows = [
        ("first paint, s", figures.first_paint_seconds, "below", PAINT_SECONDS, "{:.2f}"),
        ("first view, bytes", figures.first_view_bytes, "below", VIEW_BYTES, "{:,.0f}"),
        ("key to paint, p95, ms", figures.key_p95_milliseconds, "below", KEY_MILLISECONDS, "{:.0f}"),
        (f"frames/s while {RATE} alerts/s come", figures.frames_per_second, "at least", FRAMES, "{:.0f}"),
        ("an alert's record to the page, s", figures.seen_seconds, "below", SEEN_SECONDS, "{:.2f}"),
        ("webhook to the page, s", figures.webhook_seconds, "below", SEEN_SECONDS, "{:.2f}"),
        (f"an alert to the last of {VIEWERS} viewers, p95, s", figures.viewer_seconds, "below", SEEN_SECONDS, "{:.2f}"),
        ("alerts/s that one core takes in", figures.taken_per_second, "at least", IN, "{:,.0f}"),
        ("restart on full topics, s", figures.restart_seconds, "below", RESTART_SECONDS, "{:.1f}"),
    ]
    lines = [
        BEGIN,
        "## The triage page",
        "",
        f"Written by `{document['command']}` on {document['date'][:10]}, with the server, Chromium and the feeder on"
        f" the same {on['cores']} cores: {on['processor']}, {on['memory_gigabytes']} GB, {on['system']}. The list holds"
        f" {ALERTS:,} alerts; they come from memory, without Kafka. From the webhook it is another list: intake, Kafka,"
        " scorer, Redis and page are processes on the same cores. The restart reads four topics whose"
        f" {PARTITIONS} partitions hold more records of the last day than are read; the fastest of {RESTARTS} counts.",
        "",
        "| | measured | aimed at | |",
        "|---|---:|---:|---|",
    ]
    for name, value, side, aim, form in rows:
        reached = round(value) >= aim if side == "at least" else value < aim
        lines.append(f"| {name} | {form.format(value)} | {side} {form.format(aim)} | {'yes' if reached else 'no'} |")
    lines += [
        "",
        f"The machine's load average was {document['load'][0]} before and {document['load'][1]} after."
        f" The median key takes {figures.key_p50_milliseconds:.0f} ms (Event Timing, in steps of 8 ms);"
        f" {100 * figures.slow_frames:.1f} % of the frames came more than 25 ms after the one before;"
        f" the restart took {figures.restart_processor_seconds:.1f} s of a processor's time.",
        END,
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    app()
