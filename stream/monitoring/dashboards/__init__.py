"""The dashboards: five questions, each one file of panels; `every` builds them all."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from stream.monitoring.dashboards import closing, drift, quality, service, team


def every() -> list[Dashboard]:
    """All dashboards, in the order in which they link to each other."""
    return [page.dashboard().build() for page in (service, quality, drift, closing, team)]
