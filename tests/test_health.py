"""The health server: what probes and people read."""

import socket
import urllib.error
import urllib.request

import pytest
from prometheus_client import CollectorRegistry

from stream.health import HealthServer
from stream.metrics.lane import LaneMetrics
from tests.waits import until


def get(port: int, path: str) -> tuple[int, str]:
    """Status and body."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_readyz_shows_faults_or_ok_and_notes() -> None:
    """Faults are 503, one line each; without any, "ok" comes first and notes do not change the status."""
    faults: list[str] = []
    notes = ["no model is served"]
    server = HealthServer(
        "127.0.0.1", 0, CollectorRegistry(), live=list, ready=lambda: list(faults), notes=lambda: list(notes)
    )
    try:
        assert get(server.port, "/readyz") == (200, "ok\nno model is served\n")
        assert get(server.port, "/livez") == (200, "ok\n")
        faults += ["Redis is away", "no partitions are assigned yet"]
        assert get(server.port, "/readyz") == (503, "Redis is away\nno partitions are assigned yet\n")
        faults.clear()
        notes.clear()
        assert get(server.port, "/readyz") == (200, "ok\n")
    finally:
        server.close()


def test_metrics_are_those_of_the_registry_alone() -> None:
    """The process of a room that only has a lane shows the lane's metrics, and nothing of the scorer's."""
    metrics = LaneMetrics()
    metrics.lag.labels("alerts.enriched", 3).set(7)
    server = HealthServer("127.0.0.1", 0, metrics.registry, list, list)
    try:
        status, page = get(server.port, "/metrics")
    finally:
        server.close()
    assert status == 200
    assert 'noisegate_lag_records{partition="3",topic="alerts.enriched"} 7.0' in page.splitlines()
    assert "noisegate_alerts_scored" not in page


def is_live(port: int) -> bool:
    """Whether /livez is answered; False where this client was itself too slow to be heard."""
    try:
        return get(port, "/livez") == (200, "ok\n")
    except OSError:
        return False


def is_closed(client: socket.socket) -> bool:
    """Wait until the server ends a connection; whether it did so without an answer."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:  # it was closed before all that was sent had come
        return True


@pytest.mark.parametrize("sent", [b"", b"GET /metrics HTTP/1.1\r\nHost: "])
def test_a_client_that_says_nothing_is_given_up(sent: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    """Its connection is closed, nothing is printed, and others are answered meanwhile."""
    server = HealthServer("127.0.0.1", 0, CollectorRegistry(), list, list, client_seconds=0.2)
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=60.0) as client:
            client.sendall(sent)
            until(lambda: is_live(server.port), 60)
            assert is_closed(client)
    finally:
        server.close()
    assert capfd.readouterr() == ("", "")
