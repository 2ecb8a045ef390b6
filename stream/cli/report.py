"""`noisegate report ...`: the dashboards' figures without Grafana, from Prometheus."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli import options
from stream.console import format_time, print_json, stderr_console, stdout_console

if TYPE_CHECKING:
    from stream.monitoring.report import DriftReport, QualityReport
    from stream.triage.teams import Team, TeamFigures

app = typer.Typer(no_args_is_help=True, help="Print drift and quality as recorded by Prometheus, and teams.")
NO_FIGURES = (
    "no scorer that serves a model has been scraped, the rules in deploy/prometheus/rules are not loaded, or have not "
    "run yet (those over 7d run every four minutes)"
)
Since = Annotated[str, typer.Option(help="Length of the window that ends now: 1h, 24h or 7d (quality: 24h or 7d).")]


class TeamForm(StrEnum):
    """How `report team` prints its rules."""

    TABLE = "table"
    CSV = "csv"
    MARKDOWN = "markdown"


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


@app.command()
def team(
    name: Annotated[str, typer.Argument(help="The team that owns the alerts.")],
    since: Annotated[str, typer.Option(help="Count what came since: 12h, 30d, or a time.")] = "30d",
    form: Annotated[TeamForm, typer.Option("--format", help="How the rules are printed.")] = TeamForm.TABLE,
    as_json: options.AsJson = False,
) -> None:
    """Print a team's figures and its rules worth mending: volume times (1 - probability), from the topics."""
    import time

    from stream.core.errors import NoisegateError
    from stream.core.events import parse_past
    from stream.triage.teams import as_csv, as_markdown

    begin = parse_past(since, "--since", time.time())
    found = _read_figures(begin).teams.get(name)
    if found is None:
        raise NoisegateError(f"no alert of team {name!r} came since {format_time(begin)}", "check the name and --since")
    rules = found.worth_mending()
    if as_json:
        print_json(
            {"team": name, "alerts": found.alerts, "decided": found.decided, "acted": found.acted, "rules": rules}
        )
    elif form is TeamForm.CSV:
        typer.echo(as_csv(rules), nl=False)
    elif form is TeamForm.MARKDOWN:
        typer.echo(as_markdown(name, rules), nl=False)
    else:
        _print_team(found)


def _read_figures(begin: float) -> "TeamFigures":
    """The figures of all teams, of what came since `begin`, seconds since 1970."""
    import msgspec

    from stream.core.records import decode_enriched, decode_outcome
    from stream.kafka.reader import Reader
    from stream.triage.teams import TeamFigures

    settings, figures = options.settings(), TeamFigures()
    decoders: dict[str, Callable[[bytes], Any]] = {
        settings.topics.enriched: decode_enriched,
        settings.topics.outcomes: decode_outcome,
    }
    with Reader(settings, list(decoders), since=begin) as reader:
        for message in reader.read_all():
            value = message.value()
            if not value or message.timestamp()[1] < begin * 1_000:
                continue
            with suppress(msgspec.MsgspecError, UnicodeDecodeError):
                figures.take([decoders[message.topic() or ""](value)])
    return figures


def _print_team(found: "Team") -> None:
    from rich.table import Column, Table
    from rich.text import Text

    console = stdout_console()
    share = f", {found.acted / found.decided:.0%} of them acted on" if found.decided else ""
    console.print(Text(f"{found.team}: {found.alerts:,} alerts, {found.decided:,} with an outcome{share}"))
    console.print(f"scores: {found.verdict}")
    table = Table(
        Column("rule worth mending", overflow="fold"), "alerts", "mean probability", "likely noise", "acted on"
    )
    for rule in found.worth_mending():
        mean = "-" if rule.mean is None else f"{rule.mean:.1%}"
        acted = f"{rule.acted:,} of {rule.decided:,}"
        table.add_row(Text(rule.rule), f"{rule.alerts:,}", mean, f"{rule.worth:,.1f}", acted)
    console.print(table)


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
