"""The checks of what stands behind the relay: Alertmanagers, their alerts, and their configuration for labels."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

from stream.cli.doctor.finding import Finding
from stream.config import Settings
from stream.metrics.relay import RelayMetrics
from stream.relay.alert_check import check_alerts
from stream.relay.route_check import check_routes
from stream.relay.upstream import POST_PATH, STATUS_PATH, Reply, Upstream

_MEND_DIRECT = "let Prometheus post to relays only (alerting.alertmanagers in prometheus.yml)"
_MEND_SCORES = f"see whether a scorer with a model runs; {_MEND_DIRECT}"


def check_relay(settings: Settings) -> Iterator[Finding]:
    """Each Alertmanager answers; its alerts have their score and are there once; labels have a route.

    Nothing is checked where no relay is set up.
    """
    if not settings.relay.alertmanagers:
        return
    now = datetime.now(UTC)
    for name, alerts, status in asyncio.run(_ask(settings)):
        if not alerts.taken:
            why = alerts.body.decode("utf-8", "replace")[:200] if not alerts.status else f"answered {alerts.status}"
            found = f"Alertmanager {name} can't be used: {why}"
            yield Finding("relay", "wrong", found, "start it, or correct relay_alertmanagers")
            continue
        yield from _check_alerts(name, alerts, now)
        if settings.relay.labels:
            yield from _check_labels(name, status)


async def _ask(settings: Settings) -> list[tuple[str, Reply, Reply]]:
    upstream = Upstream(settings.relay, RelayMetrics())
    answers = [(one.name, await one.get(POST_PATH), await one.get(STATUS_PATH)) for one in upstream.members]
    await upstream.drain(0)
    return answers


def _check_alerts(name: str, alerts: Reply, now: datetime) -> Iterator[Finding]:
    check = check_alerts(alerts.body, now)
    if check is None:
        yield Finding("relay", "wrong", f"{name} does not answer as Alertmanager does", "correct relay_alertmanagers")
        return
    if check.doubled:
        found = f"{check.doubled} alerts are at {name} plain and with the label noisegate"
        yield Finding("relay", "warning", found, _MEND_DIRECT)
    if check.unannotated:
        found = f"{check.unannotated} of {check.firing} alerts that fire at {name} for minutes have no score"
        yield Finding("relay", "warning", found, _MEND_SCORES)
    if not check.doubled and not check.unannotated:
        yield Finding("relay", "ok", f"Alertmanager {name} answers; {check.firing} alerts fire for minutes, all scored")


def _check_labels(name: str, status: Reply) -> Iterator[Finding]:
    check = check_routes(status.body) if status.taken else None
    if check is None:
        found = f"the configuration of {name} can't be read, so no label is set"
        yield Finding("relay labels", "warning", found, "let the relay read /api/v2/status")
    elif check.mend:
        yield Finding("relay labels", "warning", f"{name} is not set up for relay_labels", check.mend)
    else:
        yield Finding(
            "relay labels", "ok", f"{name} has routes for the label noisegate, and no rule that it would mute by"
        )
