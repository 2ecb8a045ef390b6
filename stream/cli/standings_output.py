"""What `noisegate rules proof`, `arm`, `log` and `pause` print: standings and changes of rules."""

from collections.abc import Sequence

from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from stream.console import format_time, stdout_console
from stream.core.events import moment, words_for
from stream.rule_brakes import RuleBrakes
from stream.rule_standing import CLOSER_AWAY, STALE_SECONDS, StandingSummary, days_words, pace_words
from stream.rule_state import Change, PauseAll

_WIDEST = 10_000
_BOUNDS = 14  # days shown


def print_line(text: str) -> None:
    """Print one line, or several, as they are."""
    stdout_console().print(text, markup=False)


def pause_words(order: PauseAll, now: float) -> str:
    """An order that no rule acts, in one sentence."""
    ago = "" if now - order.at < 1.0 else f", {words_for(now - order.at)} ago"
    return f"no rule acts: paused by {order.by}{ago}" + (f": {order.why}" if order.why else "")


def print_brakes(found: Sequence[StandingSummary], paused: PauseAll | None, brakes: RuleBrakes, now: float) -> None:
    """Print what keeps all rules from acting, and that files can't be used, a line each; nothing where nothing does."""
    if paused is not None:
        print_line(pause_words(paused, now))
    if found and now - max(one.at for one in found) > STALE_SECONDS:
        print_line(f"{CLOSER_AWAY}: the closer wrote this {words_for(now - max(one.at for one in found))} ago")
    for sentence in brakes.sentences:
        print_line(sentence)


def print_standings(found: Sequence[StandingSummary]) -> None:
    """Print all rules in a table, or in lines where it has no room; then what brakes some, and takes others further."""
    console = stdout_console()
    if not found:
        print_line("the closer has left no standing of any rule")
        return
    table = Table("rule", "owner", "may", "proof", box=SIMPLE)
    for name in ("observations", "acted on", "bound", "limit", "missing", "days to proof", "left alone"):
        table.add_column(name, justify="right")
    for one in found:
        table.add_row(
            escape(one.name),
            escape(one.owner),
            one.mode if one.loaded else "-",
            one.state,
            f"{one.observations:,}",
            f"{one.acted:.1f}",
            "-" if one.bound is None else _percent(one.bound),
            f"{100 * one.limit:g} %",
            "-" if one.to_proof is None else f"{one.to_proof:,}",
            _days(one),
            f"{100 * one.share:.0f} %",
        )
    unbound = console.options.update(max_width=_WIDEST)
    if console.measure(table, options=unbound).maximum <= console.width:
        console.print(table)
    else:
        for one in found:
            print_line(f"{one.name} of {one.owner} {one.acts}\n  {one.why}")
    for one in found:
        for why in one.brakes:
            print_line(f"{one.name} does not act: {why}")
        if one.next:
            print_line(f"{one.name} is proven: {one.next}")


def print_standing(one: StandingSummary) -> None:
    """Print one rule in sentences."""
    print_line(f"{one.name} of {one.owner}, version {one.version}, {one.acts}")
    for why in one.brakes:
        print_line(f"it does not act: {why}")
    if one.blocked:
        print_line(f"alerts that it left alone in the last hour: {one.blocked}")
    print_line(one.why)
    if one.state == "inconclusive" and one.to_proof:
        print_line(f"to proof if nothing more is acted on: {pace_words(one)}")
    if one.models:
        print_line(f"models that may act by it: {', '.join(one.models)}")
    if one.near_misses:
        print_line(f"near-misses since it was armed: {one.near_misses}")
    days = [bound for bound in one.bounds if bound.bound is not None][-_BOUNDS:]
    if days:
        table = Table("day", box=SIMPLE)
        for name in ("observations", "acted on", "bound", "limit"):
            table.add_column(name, justify="right")
        for day in days:
            table.add_row(
                f"{moment(day.day * 86_400.0):%F}",
                f"{day.observations:,}",
                f"{day.acted:.1f}",
                _percent(day.bound or 0.0),
                f"{100 * day.limit:g} %",
            )
        stdout_console().print(table)
    if one.next:
        print_line(f"next: {one.next}")


def print_log(found: Sequence[Change]) -> None:
    """Print changes, a line each."""
    if not found:
        print_line("nothing has changed so far")
    for one in found:
        rule = f" {one.rule}" if one.rule else ""
        print_line(f"{format_time(one.at)} {one.what}{rule} by {one.by or 'itself'}: {one.sentence}")


def _days(one: StandingSummary) -> str:
    if one.to_proof == 0:
        return "-"
    return days_words(one.days) if one.daily or one.to_proof is None else "not known"


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")
