"""`noisegate doctor` looks at the Alertmanagers behind the relay."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stream.cli.doctor.finding import Finding
from stream.cli.doctor.relay import check_relay
from stream.config import make_settings
from tests.servers.alertmanager import AlertmanagerServer

ROUTED = """
route: {receiver: people, routes: [{matchers: ['noisegate=~"paused|closed"'], receiver: nobody}]}
receivers: [{name: people}, {name: nobody}]
"""


def findings(url: str, labels: bool = False) -> dict[str, Finding]:
    """The findings by check; of several the last."""
    return {one.check: one for one in check_relay(make_settings(relay_alertmanagers=[url], relay_labels=labels))}


def post(server: AlertmanagerServer, name: str, scored: bool, **labels: str) -> None:
    """Post an alert that fires for ten minutes."""
    starts = (datetime.now(UTC) - timedelta(minutes=10)).isoformat()
    annotations = {"noisegate_why": "not enough history"} if scored else {}
    alert: dict[str, Any] = {"labels": {"alertname": name, **labels}, "annotations": annotations, "startsAt": starts}
    server.post("alerts", [alert])


def test_without_a_relay_nothing_is_checked() -> None:
    """Where no Alertmanager is set there is no finding."""
    assert list(check_relay(make_settings())) == []


def test_an_alertmanager_that_is_away_is_wrong() -> None:
    """It is named with the reason, and without its password."""
    found = findings("http://ann:secret@127.0.0.1:1")["relay"]
    assert found.verdict == "wrong"
    assert "127.0.0.1:1" in found.found
    assert "secret" not in found.found


def test_all_is_well(alertmanager: AlertmanagerServer) -> None:
    """Every alert has its score."""
    post(alertmanager, "A", scored=True)
    assert findings(alertmanager.url)["relay"].verdict == "ok"


def test_unscored_and_doubled_alerts_are_warned_of(alertmanager: AlertmanagerServer) -> None:
    """Prometheus posts to Alertmanager directly as well: both are said, each with the mend."""
    post(alertmanager, "A", scored=False)
    assert "1 of 1 alerts" in findings(alertmanager.url)["relay"].found
    post(alertmanager, "A", scored=True, noisegate="paused")
    found = list(check_relay(make_settings(relay_alertmanagers=[alertmanager.url])))
    assert [one.verdict for one in found] == ["warning", "warning"]
    assert "plain and with the label noisegate" in found[0].found
    assert all("let Prometheus post to relays only" in (one.mend or "") for one in found)


@pytest.mark.slow
@pytest.mark.parametrize(("config", "verdict"), [(ROUTED, "ok"), (None, "warning")])
def test_the_route_for_the_label(config: str | None, verdict: str) -> None:
    """With relay_labels a missing route and inhibit rules are warned of, by the configuration that is in force."""
    make: Callable[[], AlertmanagerServer] = (
        AlertmanagerServer if config is None else lambda: AlertmanagerServer(config)
    )
    with make() as server:
        found = findings(server.url, labels=True)["relay labels"]
        assert found.verdict == verdict
        if config is None:
            assert "add a route with the matcher" in (found.mend or "")
            assert 'add noisegate="" to the source_matchers' in (found.mend or "")
        assert "relay labels" not in findings(server.url)
