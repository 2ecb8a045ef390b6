"""A closer as it would expose itself: the real catalogue, with two rules that decide, of which one is armed."""

from collections.abc import Iterable, Iterator

from prometheus_client import generate_latest

from stream.metrics.closer import CloserMetrics
from tests.servers.prometheus import Exposed

CLOSER_JOB = "noisegate-closer"
_GAUGES = {
    "rule_bound": 0.041,
    "rule_limit": 0.05,
    "rule_observations": 260.0,
    "rule_observations_to_proof": 0.0,
    "rule_holdout_share": 0.1,
}


def pages(moments: Iterable[float]) -> Iterator[Exposed]:
    """What one closer said at each moment, seconds since 1970: all counters begin at zero, and nothing is wrong."""
    metrics = CloserMetrics()
    metrics.keep_rules(["night-disks", "mails"])
    for count, at in enumerate(moments):
        for rule, decision in (("night-disks", "pause"), ("mails", "would_close")):
            _decide(metrics, rule, decision, float(count > 0))
        metrics.suppressions_ended.labels("pause", "ended").inc(count > 0)
        metrics.suppressed.labels("pause").set(2)
        metrics.rules_loaded.set(2)
        metrics.rule_files_valid.set(1)
        metrics.lane.progress_timestamp.set(at)
        metrics.lane.kafka_up.set(1)
        metrics.lane.history_up.set(1)
        yield Exposed(at, {"job": CLOSER_JOB, "instance": "closer-0:9108"}, generate_latest(metrics.registry).decode())


def _decide(metrics: CloserMetrics, rule: str, decision: str, amount: float) -> None:
    metrics.decisions.labels(rule, decision).inc(amount)
    metrics.decision_seconds.observe(0.03)
    metrics.rule_holdout_observations.labels(rule).inc(amount)
    metrics.rule_holdout_acted.labels(rule).inc(0.01 * amount)
    metrics.near_misses.labels(rule).inc(0.0)
    metrics.rule_trips.labels(rule).inc(0.0)
    for name, value in _GAUGES.items():
        getattr(metrics, name).labels(rule).set(value)
    for state in ("proven", "failed", "inconclusive"):
        metrics.rule_state.labels(rule, state).set(state == "proven")
    for mode in ("score", "shadow", "pause", "close"):
        metrics.rule_mode.labels(rule, mode).set(mode == ("pause" if decision == "pause" else "shadow"))
    for result in ("done", "again", "refused", "held_back"):
        metrics.deeds.labels("webhook", result).inc(amount if result == "done" else 0.0)
    metrics.target_seconds.labels("webhook").observe(0.02)
