"""`noisegate lab audit`: what a log holds, and what in it would fool a model."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stream.config import load_problem
from stream.console import print_json, stage_bars
from stream.lab.cli import options
from stream.lab.cli.output import table_console

if TYPE_CHECKING:
    from stream.lab.auditing.exclusions import Written
    from stream.lab.auditing.result import Audit, FloodDay, Rate

_TOP = 8
_WEEKS = 30


def audit_command(
    problem: options.ProblemFile,
    events: options.Events = None,
    simulated: options.Simulated = False,
    skip_bad: options.SkipBad = False,
    sort: options.Sort = False,
    split: Annotated[float, typer.Option(help="Share of the alerts to train on, by raise time.")] = 0.6,
    write: Annotated[bool, typer.Option("--write", help="Write the proposed exclusions to the problem file.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Examine a log before training: volumes, rates, floods, re-fires, delays, trivial targets."""
    from stream.extras import AUDITING, require_lab
    from stream.lab.auditing.audit import audit

    require_lab("the audit needs", *AUDITING)
    from stream.lab.auditing.exclusions import write_exclusions
    from stream.lab.auditing.floods import unflagged

    definition = load_problem(problem)
    with options.chosen_log(events, simulated, skip_bad, sort) as log, stage_bars() as report_progress:
        found = audit(log, definition, split, report_progress)
    written = write_exclusions(problem, found.proposals, unflagged(found.floods)) if write else None
    if as_json:
        print_json({"audit": found, "written": written})
        return
    _say(table_console(), found, written)


def _say(console: Console, found: "Audit", written: "Written | None") -> None:
    console.print(f"[bold]Audit[/bold]  {escape(found.problem)}{' (SIMULATED)' if found.simulated else ''}")
    _say_rates(console, f"weeks, the last {_WEEKS}", "week", found.weeks[-_WEEKS:])
    _say_rates(console, f"teams, {_TOP} of {len(found.teams):,}", "team", found.teams[:_TOP])
    _say_rates(console, f"rules, {_TOP} of {len(found.rules):,}", "rule", found.rules[:_TOP])
    if found.floods.days:
        _say_floods(console, found.floods.days)
    if found.tests is not None:
        _say_baselines(console, found)
    if found.delays.maturity:
        maturity = ", ".join(f"{of.share:.1%} by {of.hours:.3g} h" for of in found.delays.maturity)
        console.print(f"decided: {maturity}\n")
    for finding in found.findings:
        console.print(f"{'[bold]![/bold]' if finding.warns else '-'} {escape(finding.text)}", highlight=False)
    _say_proposals(console, found, written)


def _say_rates(console: Console, title: str, of: str, rates: "list[Rate]") -> None:
    table = Table(title=title, title_justify="left", box=SIMPLE)
    table.add_column(of, no_wrap=True)
    for name in ("alerts", "labelled", "acted on"):
        table.add_column(name, justify="right")
    for rate in rates:
        share = "-" if rate.rate is None else f"{rate.rate:.1%}"
        table.add_row(escape(rate.name), f"{rate.alerts:,}", f"{rate.labelled:,}", share)
    console.print(table)


def _say_floods(console: Console, days: "list[FloodDay]") -> None:
    table = Table(title=f"flood days, {min(_TOP, len(days))} of {len(days):,}", title_justify="left", box=SIMPLE)
    for name in ("day", "team", "rule"):
        table.add_column(name)
    for name in ("alerts", "usual", "robust z", "flagged by the fold"):
        table.add_column(name, justify="right")
    for day in days[:_TOP]:
        figures = (f"{day.count:,}", f"{day.usual:g}", f"{day.z:.0f}", f"{day.flagged:,}")
        table.add_row(str(day.day), escape(day.team), escape(day.rule), *figures)
    console.print(table)


def _say_baselines(console: Console, found: "Audit") -> None:
    from stream.lab.judging.baselines import title_of

    if found.tests is None:
        return
    table = Table(title=f"baselines on {found.tests.judged:,} alerts", title_justify="left", box=SIMPLE)
    table.add_column("score")
    for name in ("AUC", f"suppressed at {found.tests.target_detection:.0%}"):
        table.add_column(name, justify="right")
    for score in found.tests.baselines:
        name = title_of(score.name)
        table.add_row(name, *("-" if of is None else f"{of:.3f}" for of in (score.auc, score.suppressed)))
    console.print(table)


def _say_proposals(console: Console, found: "Audit", written: "Written | None") -> None:
    from stream.lab.auditing.floods import toml_of_day, unflagged

    lists = {
        "visibility_only": [proposal.toml for proposal in found.proposals],
        "flood_days": [toml_of_day(day) for day in unflagged(found.floods)],
    }
    if written is None and any(lists.values()):
        console.print("\nFor the problem file (--write puts them there):\n\\[exclude]")
        for name, lines in lists.items():
            if lines:
                listed = "".join(f"    {escape(line)},\n" for line in lines)
                console.print(f"{name} = \\[\n{listed}]", highlight=False, soft_wrap=True)
    elif written is not None and (written.added or written.flood_days):
        console.print(
            f"\nExclusions written: {written.added} rules, {written.flood_days} flood days; {written.before} became "
            f"{written.after}, which changes the meaning of the history: rebuild it (noisegate history rebuild) and "
            "train the models again.",
            highlight=False,
        )
    elif written is not None:
        console.print("\nNothing to write: the problem file already excludes everything that is proposed.")
