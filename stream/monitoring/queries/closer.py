"""The PromQL of rules that act: what they decided, how their proofs stand, what came back, what targets took."""

from collections.abc import Sequence

from stream.monitoring.queries.promql import greatest, increase, rate, ratio, raw, total

RULE = ("job", "rule")
DEEDS = 'decision=~"pause|close"'
INTERRUPTION_MINUTES = 5
"""The stated assumption: what one interruption costs a person. The dashboard lets everybody change it."""


def decisions(window: str) -> str:
    """How many alerts each rule decided on, by decision."""
    return increase((*RULE, "decision"), "decisions_total", window)


def deeds(window: str) -> str:
    """How many alerts each rule paused or closed."""
    return increase(RULE, "decisions_total", window, DEEDS)


def near_misses(window: str) -> str:
    """How many alerts were acted on soon after one that the rule suppressed."""
    return increase(RULE, "near_misses_total", window)


def near_miss_share(window: str) -> str:
    """Near-misses by suppressed alert."""
    return ratio(near_misses(window), deeds(window))


def holdout_rate(window: str) -> str:
    """The share acted on of the hours that the rule left alone: what is missed where it is wrong."""
    acted = increase(RULE, "rule_holdout_acted_total", window)
    return ratio(acted, increase(RULE, "rule_holdout_observations_total", window))


def ended(window: str) -> str:
    """How many suppressions ended, by what was done and why."""
    return increase(("job", "decision", "by"), "suppressions_ended_total", window)


def trips(window: str) -> str:
    """How often each rule fell back by itself."""
    return increase(RULE, "rule_trips_total", window)


def of_rule(name: str, *matchers: str) -> str:
    """A figure of each rule that the owner of the ladders shows."""
    return greatest(RULE, raw(name, *matchers))


def decision_quantile(quantile: float, window: str, *matchers: str, by: Sequence[str] = ()) -> str:
    """Seconds from enriched record to published decision."""
    buckets = rate((*by, "le"), "decision_seconds_bucket", window, *matchers)
    return f"histogram_quantile({quantile}, {buckets})"


def target_quantile(quantile: float, window: str, *matchers: str, by: Sequence[str] = ()) -> str:
    """Seconds that each target takes to answer."""
    buckets = rate((*by, "target", "le"), "target_seconds_bucket", window, *matchers)
    return f"histogram_quantile({quantile}, {buckets})"


def suppressed(*matchers: str, by: Sequence[str] = ("job", "decision")) -> str:
    """What is kept from people now, over all workers."""
    return total(by, raw("suppressed", *matchers))
