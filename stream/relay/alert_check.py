"""What Alertmanager's alerts say of the way they came: with or without their score, once or twice; no server."""

from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from stream.relay.annotate import WHY
from stream.sources.fingerprint import OUR_LABEL

GRACE = timedelta(minutes=2)  # by then a score has come


class _Alert(Struct):
    labels: dict[str, str]
    startsAt: datetime
    annotations: dict[str, str] = {}


_read_alerts = msgspec.json.Decoder(list[_Alert]).decode


class AlertCheck(Struct, frozen=True):
    """What fires at one Alertmanager.

    Attributes:
        firing: alerts that fire for some minutes.
        unannotated: those without a score.
        doubled: firings that are there plain and with our label: one of both came past the relay.
    """

    firing: int
    unannotated: int
    doubled: int


def check_alerts(alerts: bytes, now: datetime) -> AlertCheck | None:
    """What Alertmanager's answer to `GET /api/v2/alerts` says; None where it can't be read."""
    try:
        found = _read_alerts(alerts)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    old = [alert for alert in found if now - alert.startsAt > GRACE]
    unannotated = sum(WHY not in alert.annotations for alert in old)
    plain = {_identity(alert) for alert in found if OUR_LABEL not in alert.labels}
    labelled = {_identity(alert) for alert in found if OUR_LABEL in alert.labels}
    return AlertCheck(len(old), unannotated, len(plain & labelled))


def _identity(alert: _Alert) -> frozenset[tuple[str, str]]:
    return frozenset((name, text) for name, text in alert.labels.items() if name != OUR_LABEL)
