"""What a person sees: the live view while alerts are scored, and the closing summary."""

import os
import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC
from threading import Thread

from msgspec import Struct
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from stream.console import strip_control_characters
from stream.core.records import Enriched
from stream.core.scoring import history_words
from stream.dev.demo.collector import Collector
from stream.dev.demo.live import INTERVAL_SECONDS
from stream.dev.demo.rules import rules_sentence
from stream.dev.demo.summary import Figures, Summary
from stream.lab.judging.baselines import ALWAYS_NOISE_MEANING, title_of
from stream.lab.judging.report_schema import Gate

_BANDS = {"likely_noise": "dim", "unsure": "yellow", "likely_actionable": "bold red", "unscored": "dim italic"}
_MODEL = "noisegate"
_DEMO_ONLY = "The model is used for this demo only: `noisegate models promote` would refuse it without a reason."
_LOOK_SECONDS = 0.15
_LINE_SECONDS = 5.0  # how often progress is told where there is no terminal


class Snapshot(Struct, frozen=True):
    """One look at a part of the log being replayed."""

    title: str
    step: str
    done: int
    of: int
    rate: float
    latency_p50: float | None
    latency_p99: float | None
    noise_share: float | None
    failed: int
    latest: list[Enriched]


def snapshot(title: str, step: str, of: int, collected: Collector) -> Snapshot:
    """Look at what was collected so far; at the end the rate is that of the whole part."""
    scored = sum(count for band, count in collected.bands.items() if band != "unscored")
    return Snapshot(
        title=title,
        step=step,
        done=collected.done_alerts,
        of=of,
        rate=collected.rate() if collected.done_alerts < of else collected.mean_rate(),
        latency_p50=collected.latency_seconds(0.5),
        latency_p99=collected.latency_seconds(0.99),
        noise_share=collected.bands["likely_noise"] / scored if scored else None,
        failed=collected.failed.total(),
        latest=list(collected.latest),
    )


def render(seen: Snapshot) -> RenderableType:
    """The live view."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim")
    facts.add_column()
    facts.add_row("alerts", f"{seen.done:,} of {seen.of:,}")
    facts.add_row("rate", f"{seen.rate:,.0f} alerts/s")
    facts.add_row("latency", f"p50 {_seconds(seen.latency_p50)}, p99 {_seconds(seen.latency_p99)}, event to enriched")
    facts.add_row("likely noise", "no scores yet" if seen.noise_share is None else f"{seen.noise_share:.0%} of alerts")
    facts.add_row("failed", f"{seen.failed:,} records")
    bar = Table.grid(expand=True)  # a bar alone does not end its line
    bar.add_row(ProgressBar(total=max(seen.of, 1), completed=seen.done))
    return Panel(Group(Text(seen.step), bar, facts, _latest(seen.latest)), title=seen.title, title_align="left")


def line(seen: Snapshot) -> str:
    """The same in one line, for what is not a terminal."""
    noise = "" if seen.noise_share is None else f", {seen.noise_share:.0%} likely noise"
    return f"{seen.step}: {seen.done:,} of {seen.of:,} alerts, {seen.rate:,.0f}/s{noise}"


@contextmanager
def watching(console: Console, see: Callable[[], Snapshot]) -> Iterator[Callable[[], None]]:
    """A live view on a terminal, a line now and then elsewhere; what is given is to be called often."""
    shown_at = time.monotonic()
    if not console.is_terminal:

        def tell() -> None:
            nonlocal shown_at
            if time.monotonic() - shown_at > _LINE_SECONDS:
                shown_at = time.monotonic()
                console.print(line(see()), highlight=False, soft_wrap=True)

        yield tell
        console.print(line(see()), highlight=False, soft_wrap=True)
        return
    with Live(render(see()), console=console, auto_refresh=False) as live:

        def show() -> None:
            nonlocal shown_at
            if time.monotonic() - shown_at > _LOOK_SECONDS:
                shown_at = time.monotonic()
                live.update(render(see()), refresh=True)

        yield show
        live.update(render(see()), refresh=True)


def say_summary(console: Console, summary: Summary, question: str) -> None:
    """The closing summary."""
    simulated = " (SIMULATED: alerts, teams and figures are made up)" if summary.simulated else ""
    console.print(f"\n[bold]{escape(question)}[/bold]{simulated}", soft_wrap=True)
    rate = "none" if summary.label_rate is None else f"{summary.label_rate:.1%}"
    title = f"{summary.judged:,} alerts compared with their later outcomes; teams acted on {rate}"
    table = Table("score", title=title, title_justify="left", title_style="")
    for name in ("AUC", "calibration error", "noise suppressed at 95 %"):
        table.add_column(name, justify="right")
    mine = Figures(summary.auc, summary.ece, summary.suppressed_at_95)
    for name, of in {_MODEL: mine, **summary.baselines}.items():
        cells = [_number(of.auc), _number(of.ece), _share(of.suppressed_at_95)]
        table.add_row(title_of(name), *cells, style="bold" if name == _MODEL else None)
    console.print(table)
    rules = [rules_sentence(summary.rules)] if summary.rules else []
    for sentence in (ALWAYS_NOISE_MEANING, gate_sentence(summary.gate), *rules):
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"history: {summary.history_alerts:,} alerts; then scored: {summary.enriched:,} of {summary.alerts:,} alerts, "
        f"{summary.failed:,} records failed; {summary.alerts_per_second:,.0f} alerts/s, "
        f"latency p50 {_seconds(summary.latency_p50_seconds)}, p99 {_seconds(summary.latency_p99_seconds)}"
        f"{', queueing included (the replay runs at full speed)' if summary.speed == 'max' else ''}",
        soft_wrap=True,
    )
    console.print(
        f"not compared: {summary.excluded:,} visibility-only or in a flood, {summary.undecided:,} not decided by the "
        f"end of the log, {summary.unscored:,} without a score; model: {summary.model} ({summary.model_source})",
        soft_wrap=True,
    )


def gate_sentence(gate: Gate | None) -> str:
    """What the gate says of the model: passed, or what failed by how much and what follows from it."""
    if gate is None:
        return f"The gate was not tested: the outcomes are not of both kinds. {_DEMO_ONLY}"
    if gate.passed:
        return f"The gate passed on all of its {len(gate.checks)} conditions."
    verb, passed = ("failed", False) if gate.passed is False else ("was not tested", None)
    faults = "; ".join(f"{check.name} ({check.text})" for check in gate.checks if check.passed is passed)
    return strip_control_characters(f"The gate {verb}: {faults}. {_DEMO_ONLY}")


def say_page(console: Console, url: str, simulated: bool, rules: bool) -> None:
    """Where the page is, and what comes there; with `rules` also where these are."""
    whose = "the SIMULATED organisation's last days" if simulated else "the log's last days"
    console.print(f"\n[bold]The page: {escape(url)}[/bold]  a acted, d dismiss, u undo, ? all keys", soft_wrap=True)
    console.print(
        f"It shows {whose} with the times of now, and every {INTERVAL_SECONDS:.0f} s one more alert. Nobody else acts "
        "on those. Give a verdict: when its undo is over, the next alert of that team and rule comes, with your "
        "verdict in its history. Ctrl-C ends the demo.",
        soft_wrap=True,
    )
    if rules:
        console.print(
            f"Rules are at {escape(url)}rules. All are in shadow: once an alert has an outcome, the page shows what "
            "they would have done with it. Their proof begins with what is raised from now on.",
            soft_wrap=True,
        )


def page_notice(simulated: bool) -> str:
    """The sentence at the head of the page."""
    if simulated:
        return "Simulated: teams, alerts and outcomes are made up."
    return "A replay: the log's last days, as if they were today."


def open_page(url: str) -> None:
    """Open the page in a browser; a machine without one is left alone."""
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return
    is_graphical = type(browser) is not webbrowser.GenericBrowser  # lynx, say, would take the terminal
    if is_graphical or "BROWSER" in os.environ:
        Thread(target=browser.open, args=(url,), daemon=True).start()  # it may wait for the browser


def _latest(records: list[Enriched]) -> Table:
    table = Table(box=None, expand=True, pad_edge=False, header_style="dim")
    table.add_column("raised", no_wrap=True)
    table.add_column("team", no_wrap=True, ratio=2)
    table.add_column("rule", no_wrap=True, ratio=3)
    table.add_column("will act", justify="right", no_wrap=True)
    table.add_column("history", no_wrap=True, ratio=4)
    for record in reversed(records):
        alert, score = record.alert, record.score
        probability = "-" if score.probability is None else f"{score.probability:.0%}"
        raised = f"{alert.at.astimezone(UTC):%m-%d %H:%M}"
        cells = (raised, alert.team, alert.rule, probability, history_words(record.score, record.why))
        table.add_row(*(Text(strip_control_characters(cell)) for cell in cells), style=_BANDS[score.band])
    return table


def _seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value * 1000:.0f} ms" if value < 1.0 else f"{value:.1f} s"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
