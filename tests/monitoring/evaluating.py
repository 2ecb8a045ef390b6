"""Recording rules evaluated over the past: what Prometheus would have recorded, from what it answers now."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from stream.monitoring.rules import Group, Recording
from tests.servers.prometheus import Exposed, PrometheusServer, Series

RECORDED = re.compile(r"noisegate:[a-z_0-9]+(?::[a-z0-9]+)?")


class Span(NamedTuple):
    """When rules are evaluated."""

    start: float
    end: float
    step: float


def record(server: PrometheusServer, groups: Iterable[Group], spans: dict[str, Span]) -> None:
    """Evaluate all recording rules of the groups, each group over the first span whose key begins its name.

    What rests on other rules comes after them, as within a group of Prometheus.
    """
    left = [
        (rule, next(span for key, span in spans.items() if group.name.startswith(key)))
        for group in groups
        for rule in group.rules
        if isinstance(rule, Recording)
    ]
    while left:
        waiting = {rule.record for rule, _ in left}
        ready = [(rule, span) for rule, span in left if not waiting & set(RECORDED.findall(rule.expr))]
        assert ready, f"rules that wait for each other: {sorted(waiting)}"
        server.backfill(sorted(_evaluated(server, ready), key=lambda each: each.at))
        left = [pair for pair in left if pair not in ready]


def _evaluated(server: PrometheusServer, rules: Iterable[tuple[Recording, Span]]) -> Iterator[Exposed]:
    for rule, span in rules:
        for series in server.query_range(rule.expr, *span):
            labels = ",".join(f'{k}="{v}"' for k, v in _labels(series, rule).items())
            for at, value in series.samples:
                yield Exposed(at, {}, f"{rule.record}{{{labels}}} {value!r}\n")


def _labels(series: Series, rule: Recording) -> dict[str, str]:
    return {**{name: value for name, value in series.labels.items() if name != "__name__"}, **rule.labels}
