"""`noisegate report ...`: the dashboards' figures without Grafana, from Prometheus."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli import options
from stream.console import format_time, print_json, stderr_console, stdout_console

if TYPE_CHECKING:
    from stream.monitoring.report import DriftReport, QualityReport

app = typer.Typer(no_args_is_help=True, help="Print drift and quality as recorded by Prometheus.")
NO_FIGURES = (
    "no scorer that serves a model has been scraped, the rules in deploy/prometheus/rules are not loaded, or have not "
    "run yet (those over 7d run every four minutes)"
)
Since = Annotated[str, typer.Option(help="Length of the window that ends now: 1h, 24h or 7d (quality: 24h or 7d).")]
Html = Annotated[Path | None, typer.Option(help="Also write the report to this file, as one HTML page.")]


@app.command()
def drift(since: Since = "7d", html: Html = None, as_json: options.AsJson = False) -> None:
    """Print the PSI of every feature and what chance explains, most drifted first."""
    import time

    from stream.monitoring import page, report
    from stream.monitoring.queries.drift import DRIFT_WINDOWS
    from stream.prometheus import Prometheus

    window = report.check_window(since, DRIFT_WINDOWS)
    found = report.drift_report(Prometheus(options.settings().metrics.prometheus_url), window, time.time())
    if html:
        _write(html, page.drift_page(found))
    if as_json:
        print_json(found)
    elif not html:
        _print_drift(found)


@app.command()
def quality(since: Since = "7d", html: Html = None, as_json: options.AsJson = False) -> None:
    """Print how well champion and challenger predicted matured outcomes, and estimates from recent scores."""
    import time

    from stream.monitoring import page, report
    from stream.monitoring.queries.quality import QUALITY_WINDOWS
    from stream.prometheus import Prometheus

    window = report.check_window(since, QUALITY_WINDOWS)
    found = report.quality_report(Prometheus(options.settings().metrics.prometheus_url), window, time.time())
    if html:
        _write(html, page.quality_page(found))
    if as_json:
        print_json(found)
    elif not html:
        _print_quality(found)


def _print_drift(found: "DriftReport") -> None:
    from rich.table import Column, Table
    from rich.text import Text

    from stream.monitoring.report import drift_verdicts

    console = stdout_console()
    if not found.features:
        console.print(f"Prometheus has no drift figures over {found.window}: {NO_FIGURES}")
        return
    for sentence in drift_verdicts(found):
        console.print(Text(sentence))
    several = len({each.model for each in found.features}) > 1
    names = [Column("feature", overflow="fold"), *([Column("model", overflow="fold")] if several else [])]
    table = Table(*names, "PSI", "chance", "n", "missing", "in training", "")
    for each in found.features:
        verdict = "drifted" if each.drifted and each.rings else "moved, shown only" if each.drifted else ""
        verdict = "not tested" if each.untested else verdict
        figures = (_figure(each.psi), _figure(each.threshold), f"{each.observed:,.0f}")
        shares = (_figure(each.missing), _figure(each.missing_reference))
        named = (Text(each.feature), *([Text(each.model)] if several else []))
        table.add_row(*named, *figures, *shares, verdict)
    console.print(table)
    for why, count in Counter(each.untested for each in found.features if each.untested).items():
        console.print(f"not tested: {count} features, {why}")
    if all(each.threshold is None for each in found.features):
        console.print("no worker shows a reference now, so drift can't be judged; is a scorer running?")
    for key, share in found.unseen.items():
        console.print(Text(f"{key}: {share:.1%} of the alerts have a value that training never saw"))
    for name, group in found.groups.items():
        acted = f", {group['acted_on']:.1%} acted on" if "acted_on" in group else ""
        console.print(Text(f"group {name}: {group['alerts']:,.0f} alerts{acted}"))


def _print_quality(found: "QualityReport") -> None:
    from rich.table import Table
    from rich.text import Text

    from stream.monitoring.report import BAND_FIGURES, ESTIMATES, FIGURES, quality_verdicts

    console = stdout_console()
    if not found.models:
        console.print(
            f"Prometheus has no quality figures over {found.window}: no scored alert has matured, {NO_FIGURES}"
        )
        return
    for sentence in quality_verdicts(found):
        console.print(Text(sentence))
    if found.matured_until is not None:
        console.print(f"matured: alerts raised up to {format_time(found.matured_until)}")
    table = Table("", *(f"{each.role} {each.model}" for each in found.models))
    table.add_row("matured alerts", *(f"{each.matured:,.0f}" for each in found.models))
    table.add_row("share matured", *(_figure(each.matured_share) for each in found.models))
    for name, text in {**FIGURES, **BAND_FIGURES, **ESTIMATES}.items():
        table.add_row(text, *(_figure(each.figures.get(name)) for each in found.models))
    console.print(table)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _write(path: Path, page: str) -> None:
    from stream.core.errors import MonitoringError

    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise MonitoringError(f"{str(path)!r} can't be written: {error.strerror}", "name another file") from None
    stderr_console().print(f"written: {path}")
