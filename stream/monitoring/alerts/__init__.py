"""The alerts: a table. Each has a section in docs/RUNBOOK.md and a test in deploy/prometheus/tests."""

from collections.abc import Sequence

from stream.monitoring.alerts import models, service
from stream.monitoring.queries.drift import RINGING_WINDOWS
from stream.monitoring.rules import Group


def groups(drift_windows: Sequence[str] = RINGING_WINDOWS, quality_window: str = "7d") -> list[Group]:
    """All alerting rules."""
    return [
        Group("noisegate-alerts-service", "30s", service.every()),
        Group("noisegate-alerts-models", "1m", models.of_service()),
        Group("noisegate-alerts-drift", "2m", [alert for each in drift_windows for alert in models.of_drift(each)]),
        Group("noisegate-alerts-quality", "4m", models.of_quality(quality_window)),
    ]
