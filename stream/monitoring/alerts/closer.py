"""The alerts about the closer: rules that can't be judged or fell back, what is not done, and what may be wrong."""

from stream.monitoring.queries import closer
from stream.monitoring.queries.promql import increase, raw
from stream.monitoring.rules import Alert

OUTBOX_SECONDS = 120
"""Older than a target's slowest answer, and than several tries."""
NEAR_MISSES, NEAR_FACTOR = 5, 2
"""Fewer near-misses than these do not ring, nor do those within so many times the rate to compare with."""
BRAKE_HOURS = 3
AWAY_DAYS = 2
"""A closer that was there within these is missed."""
ACTING, REFUSED = 'mode=~"pause|close"', 'result="refused"'


def every() -> list[Alert]:
    """All of them."""
    return [*_judging(), *_doing(), *_wrong()]


def _judging() -> list[Alert]:
    loaded = raw("rules_loaded")
    return [
        Alert(
            alert="NoisegateNoCloser",
            expr=f"max by (job) (max_over_time({loaded}[{AWAY_DAYS}d])) > 0\nunless on (job) max by (job) ({loaded})",
            held="5m",
            severity="page",
            summary="No closer runs",
            description="Rules do nothing, and what is suppressed comes back only where its target ends it by itself.",
        ),
        Alert(
            alert="NoisegateRuleFilesBroken",
            expr=f"min by (job) ({raw('rule_files_valid')}) == 0",
            held="5m",
            severity="ticket",
            summary="The files of rules can't be used",
            description="Closers go on with the rules that they read last; what was changed since has no effect.",
        ),
        Alert(
            alert="NoisegateClosersDiffer",
            expr=f"max by (job) ({raw('closers_differ')}) == 1",
            held="10m",
            severity="ticket",
            summary="Closers act by different rules",
            description="Which rules act, and which hours are left alone, depends on the partition of a team.",
        ),
        Alert(
            alert="NoisegateRulesHeldBack",
            expr=f"max by (job, brake) ({raw('rules_brake')}) == 1\n"
            f"and on (job) max by (job) (max_over_time({raw('rule_mode', ACTING)}[1d])) == 1",
            held=f"{BRAKE_HOURS}h",
            severity="ticket",
            summary="No rule has acted for hours",
            description=f"The brake {{{{ $labels.brake }}}} has kept rules from acting for {BRAKE_HOURS} hours.",
        ),
    ]


def _doing() -> list[Alert]:
    return [
        Alert(
            alert="NoisegateDecisionsNotDone",
            expr=f"max by (job, instance) ({raw('outbox_oldest_seconds')}) > {OUTBOX_SECONDS}",
            held="1m",
            severity="page",
            summary="Decisions are not carried out",
            description="The oldest decision of {{ $labels.instance }} waits for {{ $value | humanizeDuration }}.",
        ),
        Alert(
            alert="NoisegateTargetRefuses",
            expr=f"{increase(('job', 'target'), 'deeds_total', '1h', REFUSED)} > 0",
            held="0m",
            severity="ticket",
            summary="A target refuses what rules ask",
            description="{{ $labels.target }} refused {{ $value | humanize }} requests of the last hour for good.",
        ),
    ]


def _wrong() -> list[Alert]:
    failed, acting = raw("rule_state", 'state="failed"'), raw("rule_mode", ACTING)
    near = closer.near_misses("1d")
    rate = closer.holdout_rate("7d")
    limit = closer.of_rule("rule_limit")
    return [
        Alert(
            alert="NoisegateRuleTripped",
            expr=f"max by (job, rule) ({failed}) == 1\nand on (job, rule) "
            f"max by (job, rule) (max_over_time({acting}[1d])) == 1",
            held="0m",
            severity="ticket",
            summary="A rule that acted fell back to shadow",
            description="{{ $labels.rule }} is no longer within its limit, and acts no more until a person arms it.",
        ),
        Alert(
            alert="NoisegateNearMisses",
            expr=f"{closer.near_miss_share('1d')}\n> {NEAR_FACTOR} * ({rate} > {limit} or {limit})\n"
            f"and {near} >= {NEAR_MISSES}",
            held="0m",
            severity="ticket",
            summary="People act soon after a rule suppressed something",
            description="{{ $value | humanizePercentage }} of a day's alerts that {{ $labels.rule }} suppressed were "
            "followed within 2 h by one on the same entity that people acted on.",
        ),
    ]
