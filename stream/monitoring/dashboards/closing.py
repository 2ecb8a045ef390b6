"""What would rules do? Decisions, proofs, what came back, and what other systems took of it."""

from collections.abc import Sequence

from grafana_foundation_sdk.builders.dashboard import Dashboard, TextBoxVariable

from stream.monitoring.dashboards.panels import (
    COUNT,
    JOB,
    RATE,
    SECONDS,
    SHARE,
    bad_above,
    lines,
    number,
    page,
    row,
    rows,
    words,
)
from stream.monitoring.queries import closer
from stream.monitoring.queries.closer import INTERRUPTION_MINUTES
from stream.monitoring.queries.promql import increase, raw, recorded, total

TEXT = (
    "A rule climbs `score -> shadow -> pause -> close`, one step at a time, when it is proven and a person arms it. In "
    "shadow it **would** pause or close. A proof is below its limit when `bound / limit` is under 1. *Not interrupted* "
    "counts the alerts that ended while they were suppressed, each as so many minutes of a person's time as the "
    "variable at the head of the page says: an assumption, not a measurement."
)
WEEK, ACTING = "7d", 'mode=~"pause|close"'
BY_RULE: Sequence[str] = ("rule",)


def dashboard() -> Dashboard:
    """The page."""
    built = page("noisegate-closing", "What rules decided, how they are proven, what came back.", "7d", "rules_loaded")
    minutes = TextBoxVariable("minutes").label("Minutes of an interruption").default_value(str(INTERRUPTION_MINUTES))
    built.with_variable(minutes)
    _now(built)
    _decided(built)
    _proven(built)
    _done(built)
    return built


def _now(built: Dashboard) -> None:
    built.with_row(row("Now"))
    built.with_panel(words("About this page", TEXT))
    for name in ("pause", "close"):
        query = closer.suppressed(JOB, f'decision="{name}"', by=())
        built.with_panel(number(f"{name.capitalize()}d now", f"Alerts that are {name}d now.", query, COUNT))
    acting = f"sum(max by (rule) ({raw('rule_mode', JOB, ACTING)}))"
    built.with_panel(number("Rules that act", "Rules that may pause or close now.", acting, COUNT))
    brakes = f"sum(max by (brake) ({raw('rules_brake', JOB)}))"
    built.with_panel(number("Brakes on", "Reasons for which no rule acts.", brakes, COUNT, bad_above((1, "orange"))))
    waits = f"max({raw('outbox_oldest_seconds', JOB)})"
    why = "Age of the oldest decision that is not done everywhere."
    built.with_panel(number("Waiting", why, waits, SECONDS, bad_above((30, "orange"), (120, "red"))))
    ended = recorded("suppressions_ended", WEEK, JOB, 'by="ended"')
    why = "Seven days: alerts that ended while they were suppressed, times the minutes of an interruption."
    built.with_panel(number("Not interrupted", why, f"sum({ended}) * $minutes * 60", SECONDS))


def _decided(built: Dashboard) -> None:
    built.with_row(row("Decisions"))
    by_kind = increase(("decision",), "decisions_total", RATE, JOB)
    built.with_panel(lines("By decision", "Alerts that a rule matched.", {"{{decision}}": by_kind}, COUNT, wide=12))
    would = increase(BY_RULE, "decisions_total", RATE, JOB, 'decision=~"would_.*"')
    why = "What rules in shadow would have paused or closed."
    built.with_panel(lines("Would have acted", why, {"{{rule}}": would}, COUNT, wide=12))
    acted = increase(BY_RULE, "decisions_total", RATE, JOB, closer.DEEDS)
    built.with_panel(lines("Acted", "What rules paused or closed.", {"{{rule}}": acted}, COUNT, wide=12))
    back = increase(("by",), "suppressions_ended_total", RATE, JOB)
    why = "Suppressions that ended, by why: their time, a higher severity, a flood, the alert's end, an undo."
    built.with_panel(lines("Came back", why, {"{{by}}": back}, COUNT, wide=12))


def _proven(built: Dashboard) -> None:
    built.with_row(row("Proof"))

    def now(name: str, *matchers: str) -> str:
        return f"max by (rule) ({raw(name, JOB, *matchers)})"

    def week(name: str, *matchers: str) -> str:
        return total(BY_RULE, recorded(name, WEEK, JOB, *matchers))

    columns = {
        "proven": now("rule_state", 'state="proven"'),
        "observations": now("rule_observations"),
        "missing to proof": now("rule_observations_to_proof"),
        "bound": now("rule_bound"),
        "limit": now("rule_limit"),
        "left alone": now("rule_holdout_share"),
        "would have acted": week("rule_decisions", 'decision=~"would_.*"'),
        "acted": week("rule_decisions", closer.DEEDS),
        "left alone, acted on": week("rule_holdout_rate"),
        "near-misses": week("rule_near_misses"),
        "near-misses by deed": week("rule_near_miss_share"),
        "fell back": week("rule_trips"),
    }
    shares = ("bound", "limit", "left alone", "left alone, acted on", "near-misses by deed")
    units = {**dict.fromkeys(columns, COUNT), **dict.fromkeys(shares, SHARE)}
    why = "Each rule's proof now, and what it did in seven days. No rule acts that is not proven."
    built.with_panel(rows("By rule", why, columns, "rule", units))
    bound = {"{{rule}}": f"{now('rule_bound')} / {now('rule_limit')}"}
    why = "The upper bound of the share acted on, by the limit of the rule's file: proven below 1."
    built.with_panel(lines("Bound by limit", why, bound, COUNT, [(1, "orange")], wide=12))
    why = "Share acted on in the hours that each rule left alone, over seven days."
    rate = {"{{rule}}": week("rule_holdout_rate")}
    built.with_panel(lines("Acted on where left alone", why, rate, SHARE, wide=12))


def _done(built: Dashboard) -> None:
    built.with_row(row("Doing it"))
    quantiles = {f"p{round(100 * q)}": closer.decision_quantile(q, RATE, JOB) for q in (0.5, 0.99)}
    why = "From the enriched record's timestamp to the decision published."
    built.with_panel(lines("Time to a decision", why, quantiles, SECONDS, [(0.1, "orange")]))
    deeds = increase(("target", "result"), "deeds_total", RATE, JOB)
    why = "Requests to other systems: done, to be tried again, refused for good."
    built.with_panel(lines("Requests to targets", why, {"{{target}} {{result}}": deeds}, COUNT))
    slow = {"{{target}}": closer.target_quantile(0.99, RATE, JOB)}
    built.with_panel(lines("Time of a target's answer", "At the 99th percentile.", slow, SECONDS))
