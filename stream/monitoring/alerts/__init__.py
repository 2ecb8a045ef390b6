"""The alerts: a table. Each has a section in docs/RUNBOOK.md and a test in deploy/prometheus/tests."""

from collections.abc import Sequence

from stream.monitoring.alerts import closer, intake, models, relay, service, triage
from stream.monitoring.queries.drift import ALERT_WINDOWS
from stream.monitoring.queries.service import DEFAULT_JOB
from stream.monitoring.rules import Group

LABELS = "noisegate-alerts-labels"
"""The group that looks at weeks of counters, once an hour; it has a file of its own, so that its test is quick."""


def groups(
    job: str = DEFAULT_JOB, drift_windows: Sequence[str] = ALERT_WINDOWS, quality_window: str = "7d"
) -> list[Group]:
    """All alerting rules.

    Args:
        job: the scrape job of the scorers; only alerts about scorers that are not there need its name.
        drift_windows: windows over which drift is alerted on.
        quality_window: the window of the alerts about quality.
    """
    return [
        Group("noisegate-alerts-service", "30s", service.every(job)),
        Group("noisegate-alerts-intake", "30s", intake.every()),
        Group("noisegate-alerts-relay", "30s", relay.every()),
        Group("noisegate-alerts-triage", "30s", triage.every()),
        Group("noisegate-alerts-closer", "30s", closer.every()),
        Group("noisegate-alerts-models", "1m", models.of_service(job)),
        Group("noisegate-alerts-drift", "2m", [alert for each in drift_windows for alert in models.of_drift(each)]),
        Group("noisegate-alerts-quality", "4m", models.of_quality(quality_window)),
        Group(LABELS, "1h", models.of_labels("7d")),
    ]
