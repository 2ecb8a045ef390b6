"""`noisegate report`: what it says when it can't, and whose figures it shows."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from tests.cli.conftest import Run


@pytest.mark.parametrize("verb", ["drift", "quality"])
def test_no_prometheus_is_one_sentence(run: Run, verb: str) -> None:
    """Without Prometheus it says where it looked, and which setting to mend."""
    ran = run("report", verb, env={"NOISEGATE_PROMETHEUS_URL": "http://127.0.0.1:1"})
    assert ran.status == 1
    assert ran.err.startswith("noisegate: Prometheus at http://127.0.0.1:1 can't be reached")
    assert "set prometheus_url" in ran.err
    assert ran.err.count("\n") == 1


def test_an_unknown_window_is_one_sentence(run: Run) -> None:
    """A window over which nothing is recorded is refused with those that there are."""
    ran = run("report", "quality", "--since", "3d")
    assert (ran.status, ran.out) == (1, "")
    assert "24h, 7d" in ran.err


class TwoModels(BaseHTTPRequestHandler):
    """As Prometheus answers where two models observed one feature, and nothing else was recorded over 24h."""

    def do_POST(self) -> None:
        """An instant or a range query."""
        asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())["query"][0]
        known = "feature_observed" in asked and "24h" in asked
        found = [
            {"metric": {"model": model, "feature": "team.open"}, "value": [0, "7"]} for model in ("old", "new") if known
        ]
        body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": found}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Nothing is logged."""


@pytest.fixture
def two_models() -> Iterator[dict[str, str]]:
    """The setting by which the command asks that server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), TwoModels) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield {"NOISEGATE_PROMETHEUS_URL": f"http://127.0.0.1:{server.server_port}"}
        server.shutdown()


def test_rows_of_two_models_name_their_model(run: Run, two_models: dict[str, str], tmp_path: Path) -> None:
    """A feature of champion and challenger stands there twice, so table and page say which row is whose."""
    page = tmp_path / "drift.html"
    printed = run("report", "drift", "--since", "24h", env=two_models)
    assert run("report", "drift", "--since", "24h", "--html", str(page), env=two_models).status == 0
    rows = [line for line in printed.out.splitlines() if "team.open" in line]
    assert [any(model in row for row in rows) for model in ("old", "new")] == [True, True]
    assert all(f"<td>{model}</td>" in page.read_text() for model in ("old", "new"))
    assert all("not tested" in row for row in rows)
    assert "not tested: 2 features, fewer than " in printed.out


@pytest.mark.parametrize("verb", ["drift", "quality"])
def test_no_figures_say_what_may_be_missing(run: Run, two_models: dict[str, str], verb: str) -> None:
    """Where nothing is recorded over the window, it says what to look at: scrapes, rules, time."""
    told = run("report", verb, "--since", "7d", env=two_models).out
    assert f"Prometheus has no {verb} figures over 7d: " in told
    assert "rules in deploy/prometheus/rules" in told
