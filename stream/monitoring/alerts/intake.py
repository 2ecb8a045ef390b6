"""The alerts about the intake: what other systems post and what can't be taken."""

from stream.monitoring.queries.promql import increase, ratio, raw
from stream.monitoring.rules import Alert

REFUSED, UNAVAILABLE, UNPROVEN, FAILED_LOOKS = 0.05, 0.05, 20, 0.5
LEAST = 20
"""With fewer parts or posts in the window a share does not ring."""


def every() -> list[Alert]:
    """All of them."""
    return [*_posts(), *_outside()]


def _posts() -> list[Alert]:
    by = ("job", "source")
    refused = increase(by, "intake_refused_total", "1h")
    events, known = (increase(by, f"intake_{name}_total", "1h") for name in ("events", "duplicates"))
    whole = f"({refused} + ({events} or 0 * {refused}) + ({known} or 0 * {refused}))"
    away = increase(by, "intake_posts_total", "15m", 'status="503"')
    return [
        Alert(
            alert="NoisegateIntakeTooLarge",
            expr=f"{increase(by, 'intake_posts_total', '1h', _status('413'))} > 0",
            held="0m",
            severity="ticket",
            summary="Posts are too large and lost",
            description="Posts of {{ $labels.source }} over a limit in the last hour: {{ $value | humanize }}; no "
            "sender tries them again.",
        ),
        Alert(
            alert="NoisegateIntakeRefuses",
            expr=f"{ratio(refused, whole)} > {REFUSED}\nand on (job, source) {refused} >= {LEAST}",
            held="5m",
            severity="ticket",
            summary="Parts of posts can't be used",
            description="Of what {{ $labels.source }} posted in the last hour {{ $value | humanizePercentage }} went "
            "to alerts.failed.",
        ),
        Alert(
            alert="NoisegateIntakeUnproven",
            expr=f"{increase(by, 'intake_posts_total', '1h', _status('401'))} > {UNPROVEN}",
            held="5m",
            severity="ticket",
            summary="A sender does not prove who it is",
            description="{{ $value | humanize }} posts to {{ $labels.source }} were answered 401 in the last hour.",
        ),
        Alert(
            alert="NoisegateIntakeUnavailable",
            expr=f"{ratio(away, increase(by, 'intake_posts_total', '15m'))} > {UNAVAILABLE}\n"
            f"and on (job, source) {away} >= {LEAST}",
            held="2m",
            severity="page",
            summary="The intake takes not all posts",
            description="{{ $value | humanizePercentage }} of the posts of {{ $labels.source }} were answered 503 in "
            "the last 15 minutes.",
        ),
    ]


def _outside() -> list[Alert]:
    failed = increase(("job",), "intake_watches_total", "15m", 'result="failed"')
    return [
        Alert(
            alert="NoisegateIntakeNoBroker",
            expr=f"min by (job, instance) ({raw('intake_kafka_up')}) == 0",
            held="1m",
            severity="page",
            summary="The intake can't publish",
            description="{{ $labels.instance }} can't reach Kafka or its topics; posts are answered 503.",
        ),
        Alert(
            alert="NoisegateIntakeWithoutMemory",
            expr=f"{increase(('job',), 'intake_fallback_ids_total', '15m')} > 0",
            held="1m",
            severity="ticket",
            summary="Ids are made without memory",
            description="{{ $value | humanize }} ids and owners were decided without Redis in the last 15 minutes.",
        ),
        Alert(
            alert="NoisegateWatchFails",
            expr=f"{ratio(failed, increase(('job',), 'intake_watches_total', '15m'))} > {FAILED_LOOKS}",
            held="5m",
            severity="ticket",
            summary="Alertmanagers can't be read",
            description="{{ $value | humanizePercentage }} of the looks at Alertmanagers failed in 15 minutes.",
        ),
    ]


def _status(status: str) -> str:
    return f'status="{status}"'
