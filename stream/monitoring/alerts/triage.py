"""The alerts about the triage page: verdicts that do not reach the log, and a page that shows too little."""

from stream.monitoring.queries.promql import increase, raw
from stream.monitoring.rules import Alert

SAMPLED = 0.9
"""The page shows a smaller share of the new alerts than this, and rings."""


def every() -> list[Alert]:
    """All of them."""
    by = ("job",)
    return [
        Alert(
            alert="NoisegateTriageNoBroker",
            expr=f"min by (job, instance) ({raw('triage_kafka_up')}) == 0",
            held="2m",
            severity="page",
            summary="The triage page stands still",
            description="{{ $labels.instance }} can't read Kafka: the page shows no new alerts, and verdicts wait.",
        ),
        Alert(
            alert="NoisegateTriageVerdictsRefused",
            expr=f"{increase(by, 'triage_acts_refused_total', '1h')} > 0",
            held="0m",
            severity="ticket",
            summary="Verdicts are missing from the log",
            description="{{ $value | humanize }} verdicts of the last hour were refused by Kafka.",
        ),
        Alert(
            alert="NoisegateTriageSampled",
            expr=f"min by (job) ({raw('triage_shown_share')}) < {SAMPLED}",
            held="10m",
            severity="ticket",
            summary="The triage page shows a sample",
            description="Alerts come so fast that the page shows {{ $value | humanizePercentage }} of the new ones.",
        ),
    ]
