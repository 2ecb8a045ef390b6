"""What `noisegate rules` prints: mistakes and overlaps, an alert explained, the past, plans."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from stream.console import stdout_console
from stream.core.decisions import never
from stream.core.events import Raised, moment, seconds
from stream.core.proof import LEAST_DAYS, PROOF_DAYS
from stream.core.records import Enriched
from stream.core.rule_index import IndexedRule, RuleIndex
from stream.core.rule_overlaps import Overlap
from stream.core.rules import MATCH_FIELDS, Mistake, Placed, Rule
from stream.core.scoring import history_words
from stream.rule_standing import StandingSummary, pace_words, summary_of
from stream.rule_state import Standing

if TYPE_CHECKING:
    from stream.lab.rule_backtest import Backtest, Plan, RuleBacktest

_SHOWN = 20
DECIDES = "decides"
_BLIND = (
    "what rules make of it is shown once its outcome is decided, so that a rule does not make its own labels; "
    "--unblind shows it now, and what you do with the alert then proves nothing about a rule"
)


class Check(Struct):
    """What was found in files of rules; `unmatched` is None where no log was given."""

    rules: int
    mistakes: list[Mistake]
    overlaps: list[Overlap]
    expired: list[Placed]
    unmatched: list[Placed] | None = None

    def as_json(self) -> dict[str, Any]:
        """The same for machines."""
        return {
            "rules": self.rules,
            "mistakes": [
                {"file": one.file, "line": one.line, "problem": one.fault.problem, "mend": one.fault.mend}
                for one in self.mistakes
            ],
            "overlaps": [
                {"first": one.first.rule.name, "second": one.second.rule.name, "hidden": one.hidden}
                for one in self.overlaps
            ],
            "expired": [one.rule.name for one in self.expired],
            "unmatched": None if self.unmatched is None else [one.rule.name for one in self.unmatched],
        }


class Considered(Struct, frozen=True):
    """One rule and an alert: what comes of it, in words."""

    rule: str
    owner: str
    place: str
    result: str


class Explained(Struct, frozen=True):
    """Which rules an alert meets; `decides` is the first that matches. While `blind` neither is shown."""

    alert: Raised
    probability: float | None
    model: str | None
    evidence: str
    why: str
    flags: list[str]
    decides: str | None
    rules: list[Considered]
    blind: bool = False


def explain_alert(index: RuleIndex, enriched: Enriched, standings: Mapping[str, Standing] | None = None) -> Explained:
    """Each rule's result for an alert; those that match or nearly match first, in the order in which they are tried.

    Where the closer left a standing of the rule that decides, the result says what the rule may do now.
    """
    alert, score = enriched.alert, enriched.score
    decides: IndexedRule | None = None
    near: list[Considered] = []
    far: list[Considered] = []
    for one in index.rules:
        missed = _misfits(one.rule, alert)
        if missed:
            result = "does not match: " + ", ".join(missed)
        elif score.probability is None:
            result = "matches, but the alert is not scored"
        elif score.probability > one.rule.max_probability:
            result = f"matches, but {score.probability:.3f} is above its max_probability {one.rule.max_probability:g}"
        elif decides is not None:
            result = f"matches, but {decides.rule.name} comes first"
        else:
            decides = one
            result = _deciding(one, enriched, (standings or {}).get(one.rule.name))
        where = f"{one.placed.file}:{one.placed.line}"
        (far if missed else near).append(Considered(one.rule.name, one.rule.owner, where, result))
    why = history_words(score, enriched.why)
    name = decides.rule.name if decides else None
    flags = list[str](enriched.flags)
    return Explained(alert, score.probability, score.model, score.evidence, why, flags, name, near + far)


def blind_alert(enriched: Enriched) -> Explained:
    """The alert without a word of any rule, the same whether one matches or not."""
    score = enriched.score
    why = history_words(score, enriched.why)
    flags = [str(flag) for flag in enriched.flags if flag != "held_out"]
    return Explained(enriched.alert, score.probability, score.model, score.evidence, why, flags, None, [], blind=True)


def _deciding(one: IndexedRule, enriched: Enriched, standing: Standing | None) -> str:
    """What the rule that decides may do to the alert: by its standing, and without one whatever its proof is."""
    at = seconds(enriched.alert.at)
    why = never(enriched, one)
    if why is None and one.ends_at is not None and at >= one.ends_at:
        why = f"the rule expired on {moment(one.ends_at):%F}"
    if why is None and one.hours is not None and not one.hours.cover(at):
        why = "it was raised outside the rule's active hours"
    if why is not None:
        return f"{DECIDES}, and never acts on this alert: {why}"
    if one.rule.mode in ("score", "shadow"):
        return f"{DECIDES}; with mode = {one.rule.mode!r} it does nothing"
    if standing is not None and standing.verdict.version == one.rule.version:
        return f"{DECIDES}: it {summary_of(one.rule.name, standing).acts} ({standing.verdict.why})"
    return f"{DECIDES}: once proven and armed it may {one.rule.mode} this alert"


def _misfits(rule: Rule, alert: Raised) -> list[str]:
    """The fields in which a rule's match does not fit, with what the alert has and the rule wants."""
    found = []
    for field, patterns in rule.match.patterns().items():
        value = getattr(alert, field) if field in MATCH_FIELDS else alert.labels.get(field.removeprefix("labels."))
        if value is None or not any(fnmatchcase(value, pattern) for pattern in patterns):
            has = "it has none" if value is None else f"it is {value}"
            found.append(f"{field} must be {' or '.join(patterns)}, {has}")
    return found


def print_check(found: Check) -> None:
    """Print mistakes first, then warnings, then how many rules can be used."""
    console = stdout_console()

    def line(text: str) -> None:
        console.print(text, markup=False)

    for mistake in found.mistakes:
        line(str(mistake))
    for one in found.overlaps:
        first, second = one.first, one.second
        where = f"{second.file}:{second.line}: warning: "
        if one.hidden:
            line(
                f"{where}{second.rule.name} never decides: {first.rule.name} ({first.file}:{first.line}) comes first "
                "and matches all that it does; give it a higher priority, or drop it"
            )
        else:
            line(f"{where}{second.rule.name} overlaps {first.rule.name} ({first.file}:{first.line}), which comes first")
    for placed in found.expired:
        line(f"{placed.file}:{placed.line}: warning: {placed.rule.name} expired; give a later date, or drop it")
    for placed in found.unmatched or ():
        line(
            f"{placed.file}:{placed.line}: warning: {placed.rule.name} matches no alert of the log; look for a typing "
            "error in its match"
        )
    rules, mistakes = len_words(found.rules, "rule"), len_words(len(found.mistakes), "mistake")
    line(f"{rules} can be used, {mistakes}")


def len_words(count: int, what: str) -> str:
    """A count with its noun.

    >>> len_words(1, "rule"), len_words(1200, "rule")
    ('1 rule', '1,200 rules')
    """
    return f"{count:,} {what}{'s' * (count != 1)}"


def print_explained(found: Explained) -> None:
    """Print the alert, its score, and what comes of each rule."""
    console, alert = stdout_console(), found.alert
    probability = "not scored" if found.probability is None else f"probability {found.probability:.3f}"
    labels = ", ".join(f"{name}={value}" for name, value in alert.labels.items())
    lines = [
        f"{alert.alert_id}: {alert.team} / {alert.rule} / {alert.entity}, severity {alert.severity or '-'}, "
        f"source {alert.source or '-'}, raised {alert.at:%F %H:%M:%S} UTC",
        f"{probability} by model {found.model or '-'}, evidence {found.evidence}: {found.why}",
    ]
    lines += [f"labels: {labels}"] * bool(labels) + [f"flags: {', '.join(found.flags)}"] * bool(found.flags)
    lines += [f"{one.rule} ({one.place}, of {one.owner}) {one.result}" for one in found.rules[:_SHOWN]]
    if len(found.rules) > _SHOWN:
        lines.append(f"and {len(found.rules) - _SHOWN:,} rules that do not match")
    if found.blind:
        lines.append(_BLIND)
    elif found.decides is None:
        lines.append("no rule decides: the alert goes its way")
    console.print("\n".join(lines), markup=False)


def print_backtest(found: "Backtest", note: str) -> None:
    """Print a paragraph and two tables for each rule."""
    console = stdout_console()
    if found.first is None or found.last is None:
        console.print(f"no alert with an outcome ({note})", markup=False)
        return
    console.print(
        f"{found.alerts:,} alerts with an outcome, {found.first:%F} to {found.last:%F} UTC ({note}); "
        f"{found.unmatched:,} met no rule, {found.unscored:,} had no score",
        markup=False,
    )
    for rule in found.rules:
        _print_rule(rule)
    console.print(f"\n{found.warning}", markup=False)


def _print_rule(rule: "RuleBacktest") -> None:
    console = stdout_console()
    share = f"{rule.acted / rule.judged:.1%}".replace("%", " %") if rule.judged else "-"
    console.print(f"\n[bold]{escape(rule.name)}[/bold] of {escape(rule.owner)}, version {rule.version}")
    console.print(
        f"matched {rule.matched:,} alerts, would have acted on {rule.would_act:,}; people acted on {rule.acted:,} of "
        f"the {rule.judged:,} of these with an outcome ({share})\nas a proof, these would be {rule.words}",
        markup=False,
    )
    for why, count in rule.blocked.items():
        console.print(f"kept from acting on {count:,}: {why}", markup=False)
    if rule.weeks:
        table = Table("week from", box=SIMPLE)
        for name in ("would act", "with outcome", "acted on", "share"):
            table.add_column(name, justify="right")
        for week in rule.weeks:
            share = f"{week.acted / week.judged:.1%}" if week.judged else "-"
            table.add_row(f"{week.start:%F}", f"{week.would_act:,}", f"{week.judged:,}", f"{week.acted:,}", share)
        console.print(table)
    if rule.acted_on:
        shown = rule.acted_on[:_SHOWN]
        console.print(f"people acted on (the first {len(shown):,} of {rule.acted:,}):")
        for one in shown:
            console.print(
                f"  {one.raised_at:%F %H:%M} {one.alert_id} {one.team} / {one.rule} / {one.entity} "
                f"at {one.probability:.3f}",
                markup=False,
            )


def print_plans(plans: "list[Plan]", note: str, now: Mapping[str, StandingSummary]) -> None:
    """Print a few lines for each rule, with its standing where the closer left one."""
    console = stdout_console()
    console.print(
        f"At the volume of the past ({note}). An observation is a team's hour in which the rule matched; a proof takes "
        f"{LEAST_DAYS} days at least, and holds {PROOF_DAYS:.0f}.",
        markup=False,
    )
    for plan in plans:
        if plan.past_share is None:
            console.print(f"\n{plan.name}: matched nothing that was observed, so nothing can be planned", markup=False)
            _print_now(now.get(plan.name))
            continue
        notice = ", ".join(f"{_days(days)} at {share}" for share, days in plan.notice_days.items())
        lines = [
            f"\n{plan.name}: {plan.observations_per_day:.1f} observations a day, {100 * plan.past_share:.1f} % acted "
            f"on, limit {100 * plan.limit:g} %",
            f"  days to proof in shadow: {_days(plan.proof_days)} if nothing is acted on, "
            f"{_days(plan.median_days)} at the past share",
            f"  days to the second proof, from half of the hours: {_days(plan.second_days)} at the past share",
            f"  days to notice ten times the limit, by hold-out: {notice.replace('%', ' %')}",
        ]
        console.print("\n".join(lines), markup=False)
        _print_now(now.get(plan.name))


def _print_now(now: StandingSummary | None) -> None:
    if now is None:
        return
    left = f"; to go: {pace_words(now)}" if now.to_proof else ""
    stdout_console().print(f"  now: {now.why}{left}", markup=False)


def _days(days: float | None) -> str:
    if days is None:
        return "never"
    words = f"{days:.1f}" if days < 10 else f"{days:,.0f}"
    return f"{words} (too long)" if days > PROOF_DAYS else words
