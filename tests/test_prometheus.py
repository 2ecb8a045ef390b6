"""The client of Prometheus: what it reads from a real server, and the sentence for every wrong answer."""

import http.client
import json
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from stream.core.errors import MonitoringError
from stream.dev.process import free_port
from stream.prometheus import Prometheus, Series
from tests.servers.prometheus import Exposed, PrometheusServer

AT = 1_790_000_100.0


@pytest.fixture(scope="module")
def real(prometheus: PrometheusServer) -> Prometheus:
    """A client of a real server that knows one counter of two instances, and a gauge that is no number."""
    prometheus.backfill(
        Exposed(AT + 60 * n, {"instance": name}, f"jobs_total {n * step}\nodd NaN\n")
        for n in range(11)
        for name, step in (("a", 1), ("b", 3))
    )
    return Prometheus(prometheus.url + "/")


def test_an_instant_query_gives_labels_and_values(real: Prometheus) -> None:
    """Every series of a vector comes with its labels; a scalar has none; no series is an empty list."""
    found = real.query("jobs_total", AT + 600)
    assert sorted((each.labels["instance"], each.value) for each in found) == [("a", 10.0), ("b", 30.0)]
    assert all(at == AT + 600 for each in found for at, _ in each.points)
    assert real.query("scalar(sum(jobs_total))", AT + 600) == [Series({}, [(AT + 600, 40.0)])]
    assert real.query("nothing_of_this_name", AT) == []
    assert all(each.value != each.value for each in real.query("odd", AT + 600))


def test_a_range_query_gives_lines(real: Prometheus) -> None:
    """One point a step, from start to end inclusive."""
    [line] = real.query_range("sum(jobs_total)", AT, AT + 600, 300)
    assert line == Series({}, [(AT, 0.0), (AT + 300, 20.0), (AT + 600, 40.0)])


def test_a_query_that_is_refused_says_why(real: Prometheus) -> None:
    """What Prometheus says of a query stands in the sentence, in one line."""
    with pytest.raises(
        MonitoringError, match=r"refused the query: invalid parameter \"query\": .*parse error.*; ask"
    ) as told:
        real.query("sum(((", AT)
    assert "\n" not in str(told.value)
    with pytest.raises(MonitoringError, match=r"refused the query: exceeded maximum resolution"):
        real.query_range("up", 0.0, AT, 1.0)


@contextmanager
def answering(*pieces: bytes, pause: float = 0.0, close: bool = True) -> Iterator[str]:
    """The address of a server that gives one whole request these bytes, with a pause after each piece."""
    ended = threading.Event()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.readline()
            headers = http.client.parse_headers(self.rfile)
            # A connection closed with bytes left to read is reset, and the client may lose the answer.
            self.rfile.read(int(headers["Content-Length"]))
            with suppress(OSError):  # the client may have given up
                for piece in pieces:
                    self.wfile.write(piece)
                    if ended.wait(pause):
                        return
                if not close:
                    ended.wait()

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        ended.set()
        thread.join(60.0)


def http_answer(body: bytes, status: str = "200 OK") -> bytes:
    """A whole HTTP answer."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


def vector(*results: Any) -> bytes:
    """The JSON of an instant query's answer."""
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": results}}).encode()


WRONG = {
    "not HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", "can't be reached: "),
    "nothing": (b"", "can't be reached: "),
    "a page": (http_answer(b"<html>Grafana</html>"), "did not answer as Prometheus does; set prometheus_url"),
    "other JSON": (http_answer(b'{"status": "ok"}'), "did not answer as Prometheus does; set prometheus_url"),
    "a list": (http_answer(b"[]"), "did not answer as Prometheus does; set prometheus_url"),
    "no number": (http_answer(vector({"metric": {}, "value": [1, "x"]})), "did not answer as Prometheus does"),
    "labels that are no text": (
        http_answer(vector({"metric": {"a": 1}, "value": [1, "2"]})),
        "did not answer as Prometheus does",
    ),
    "a cut answer": (http_answer(vector({"metric": {}, "value": [1, "2"]}))[:-9], "did not answer as"),
    "not found": (http_answer(b"no", "404 Not Found"), "answered 404 (Not Found); set prometheus_url to yours"),
    "a login": (http_answer(b"", "401 Unauthorized"), "answered 401 (Unauthorized); set prometheus_url to an address"),
    "too much": (http_answer(b" " * 2_000), "answered more than 1,000 bytes; ask for a shorter window"),
    "an error": (
        http_answer(b'{"status":"error","errorType":"execution","error":"too many\\nsamples"}', "422 Unprocessable"),
        "refused the query: too many samples; ask for a shorter window",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_is_one_sentence(name: str) -> None:
    """Whatever answers in Prometheus' place, the sentence says what it did and what to set."""
    answer, sentence = WRONG[name]
    with answering(answer) as url, pytest.raises(MonitoringError) as told:
        Prometheus(url, answer_bytes=1_000).query("up", AT)
    assert str(told.value).startswith(f"Prometheus at {url} ")
    assert sentence in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    "pieces", [(), (http_answer(vector())[:-30],), [bytes([each]) for each in http_answer(vector())]]
)
def test_a_server_that_is_slow_is_given_up(pieces: list[bytes]) -> None:
    """Silence, half an answer and one that comes byte by byte all end soon after the time-out."""
    began = time.monotonic()
    with (
        answering(*pieces, pause=0.1, close=False) as url,
        pytest.raises(MonitoringError, match=r"no whole answer in 0.3 s; ask"),
    ):
        Prometheus(url, timeout_seconds=0.3).query("up", AT)
    assert time.monotonic() - began < 20.0


def test_nobody_there_and_no_address_are_one_sentence() -> None:
    """A closed port, a scheme that is none and a port that is none say what to set; a password is not repeated."""
    closed = f"http://127.0.0.1:{free_port()}"
    for url in (
        closed,
        "prometheus:9090",
        "http://127.0.0.1:port",
        "http://me:secret@127.0.0.1:9",
        "http://me:secret@127.0.0.1",
    ):
        with pytest.raises(MonitoringError, match=r"can't be reached: .+; set prometheus_url to yours") as told:
            Prometheus(url, timeout_seconds=2.0).query("up", AT)
        assert "secret" not in str(told.value)
