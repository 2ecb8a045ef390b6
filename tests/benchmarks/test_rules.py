"""The benchmark of rules measures decisions that are made."""

from benchmarks.rules import make_alerts, measure


def test_decisions_are_measured() -> None:
    """With fifty rules some of a few alerts meet one, and each figure is above zero."""
    cost = measure(50, make_alerts(600))
    assert cost.rules == 50
    assert 0.0 < cost.matched < 0.5
    assert min(cost.find_microseconds, cost.decide_microseconds, cost.decisions_per_second) > 0.0
