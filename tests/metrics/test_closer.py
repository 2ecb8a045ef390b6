"""The closer's metrics: which rules have series of their own."""

from prometheus_client import generate_latest

from stream.metrics.closer import OTHER, RULE_NAMES, CloserMetrics


def test_only_the_first_names_are_shown() -> None:
    """Of more rules than are shown the rest share one label; a decision of no rule has none."""
    metrics = CloserMetrics()
    metrics.keep_rules(f"rule-{number}" for number in range(RULE_NAMES + 1))
    last = RULE_NAMES - 1
    assert [metrics.rule_label(name) for name in ("rule-0", f"rule-{last}", f"rule-{last + 1}", None)] == [
        "rule-0",
        f"rule-{last}",
        OTHER,
        "",
    ]


def test_gauges_of_rules_that_are_gone_are_gone() -> None:
    """A rule that no file holds any more keeps its counters, and no gauge."""
    metrics = CloserMetrics()
    metrics.keep_rules(["night", "day"])
    for name in ("night", "day"):
        metrics.rule_bound.labels(name).set(0.04)
        metrics.rule_state.labels(name, "proven").set(1)
        metrics.rule_trips.labels(name).inc()
    metrics.keep_rules(["day"])
    page = generate_latest(metrics.registry).decode()
    assert 'rule_bound{rule="day"}' in page
    assert 'rule_state{rule="day",state="proven"}' in page
    assert 'rule_trips_total{rule="night"} 1.0' in page
    kept = {line.partition("{")[0] for line in page.splitlines() if 'rule="night"' in line}
    assert all(name.endswith("_total") for name in kept)
