"""The alerts about the relay: what does not pass, and what is missing from scores and log."""

from stream.monitoring.queries.promql import increase, ratio, raw
from stream.monitoring.rules import Alert

FAILED, NOT_FOLLOWED, LEAST = 0.01, 0.05, 20
"""Shares that ring; with fewer alerts or posts in the window none does."""


def every() -> list[Alert]:
    """All of them."""
    return [*_passing(), *_following()]


def _passing() -> list[Alert]:
    by = ("job",)
    posts = increase(by, "relay_posts_total", "5m")
    failed = increase(by, "relay_posts_total", "5m", 'status=~"5.."')
    return [
        Alert(
            alert="NoisegateRelayFails",
            expr=f"{ratio(failed, posts)} > {FAILED}",
            held="1m",
            severity="page",
            summary="Alerts do not pass the relay",
            description="{{ $value | humanizePercentage }} of the posts of 5 minutes got to no Alertmanager.",
        ),
        Alert(
            alert="NoisegateRelayUpstreamAway",
            expr=f"min by (job, alertmanager) ({raw('relay_upstream_up')}) == 0",
            held="2m",
            severity="page",
            summary="An Alertmanager gets no alerts",
            description="{{ $labels.alertmanager }} does not answer a relay; alerts pass by the others only.",
        ),
    ]


def _following() -> list[Alert]:
    by = ("job",)
    alerts = increase(by, "relay_alerts_total", "1h")
    left = increase(by, "relay_not_followed_total", "1h")
    return [
        Alert(
            alert="NoisegateRelayNoBroker",
            expr=f"min by (job, instance) ({raw('relay_kafka_up')}) == 0",
            held="2m",
            severity="page",
            summary="The relay can't publish",
            description="Alerts pass {{ $labels.instance }}, but no new one gets a score until Kafka is back.",
        ),
        Alert(
            alert="NoisegateRelayLost",
            expr=f"{increase(by, 'relay_lost_total', '1h')} > 0",
            held="0m",
            severity="ticket",
            summary="Firings are missing from the log",
            description="{{ $value | humanize }} firings of the last hour passed and are not in alerts.events.",
        ),
        Alert(
            alert="NoisegateRelayWithoutMemory",
            expr=f"min by (job, instance) ({raw('relay_memory_up')}) == 0",
            held="2m",
            severity="ticket",
            summary="The relay makes ids without memory",
            description="{{ $labels.instance }} can't reach Redis: a restarted Prometheus makes second alerts.",
        ),
        Alert(
            alert="NoisegateRelayNotFollowed",
            expr=f"{ratio(left, alerts)} > {NOT_FOLLOWED}\nand on (job) {left} >= {LEAST}",
            held="5m",
            severity="ticket",
            summary="Alerts pass without being followed",
            description="{{ $value | humanizePercentage }} of the last hour's alerts passed and can get no score.",
        ),
        Alert(
            alert="NoisegateRelayInhibitRules",
            expr=f"max by (job) ({raw('relay_inhibit_rules')}) > 0",
            held="10m",
            severity="ticket",
            summary="A paused alert would mute others",
            description="{{ $value | humanize }} inhibit rules have alerts with the label noisegate as their source.",
        ),
    ]
