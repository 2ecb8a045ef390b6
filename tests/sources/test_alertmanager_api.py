"""The client reads a real Alertmanager, and says in one sentence what is wrong with another server."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from stream.core.errors import SettingsError
from stream.core.events import moment
from stream.dev.process import LOOPBACK, free_port
from stream.sources.alertmanager_api import AlertmanagerApi, AlertmanagerAway, look
from stream.sources.alertmanager_state import Snapshot
from stream.sources.matchers import match_all
from stream.sources.parsed import Act, Firing
from stream.sources.silences import WatchOptions, WatchState, watch
from tests.servers.alertmanager import AlertmanagerServer
from tests.sources.sender import shipped_agents

AGENTS = shipped_agents()
OPTIONS = WatchOptions(quiet_receivers=frozenset({"quiet"}), gone_seconds=0.0)
DB = {"alertname": "Disk", "job": "db", "severity": "warning"}


def until(api: AlertmanagerApi, met: Callable[[Snapshot], bool]) -> Snapshot:
    """The first snapshot that meets a condition, within ten seconds."""
    deadline = time.monotonic() + 60.0
    while True:
        snapshot = api.snapshot(time.time())
        if met(snapshot):
            return snapshot
        assert time.monotonic() < deadline, snapshot
        time.sleep(0.05)


class RealWatcher:
    """Looks at one Alertmanager; what fires there is open with us from when it is first seen."""

    def __init__(self, api: AlertmanagerApi, known: dict[str, Firing]) -> None:
        self.api, self.known = api, known
        self.state = WatchState(since=0.0)

    def look(self, met: Callable[[Snapshot], bool]) -> list[str]:
        """Kind, agent and actor of each act of the first look that meets a condition."""
        snapshot = until(self.api, met)
        self.state, acts = watch(self.state, snapshot, self.known.values(), OPTIONS, AGENTS)
        return [describe(act) for act in acts]


def describe(act: Act) -> str:
    """An act in a few words."""
    assert isinstance(act.subject, Firing)
    return f"{act.subject.labels['alertname']}: {act.kind} {act.agent} {act.actor}"


def fire(server: AlertmanagerServer, labels: Mapping[str, str], ago: float = 60.0) -> Firing:
    """An alert that fires there and is open with us."""
    return Firing(dict(labels), server.fire(labels, ago).timestamp())


def test_a_real_alertmanager(alertmanager: AlertmanagerServer) -> None:
    """Acknowledged by a brief silence, silenced by a bot's, muted by inhibition and route, ended by its resolve."""
    seen = fire(alertmanager, DB)
    watcher = RealWatcher(AlertmanagerApi(alertmanager.url), {"Disk": seen})
    assert watcher.look(lambda now: [alert.processed for alert in now.alerts] == [True]) == []
    first = alertmanager.silence([{"name": "job", "value": "d.", "isRegex": True}], "kim", 30)
    assert watcher.look(lambda now: any(alert.silenced_by for alert in now.alerts)) == ["Disk: acknowledged person kim"]
    second = alertmanager.silence([{"name": "alertname", "value": "Web", "isEqual": False}], "deploy-bot", 30)
    assert watcher.look(lambda now: len(now.silences) == 2) == ["Disk: silenced automation deploy-bot"]
    alertmanager.silence([{"name": "job", "value": "d.", "isRegex": True}], "ines", 50, first)
    assert watcher.look(lambda now: any(each.creator == "ines" for each in now.silences)) == []
    alertmanager.expire(second)

    watcher.known["Cpu"] = fire(alertmanager, {**DB, "alertname": "Cpu", "severity": "critical", "job": "web"})
    watcher.known["Slow"] = fire(alertmanager, {**DB, "alertname": "Slow", "job": "web"}, ago=30.0)
    watcher.known["Info"] = fire(alertmanager, {**DB, "alertname": "Info", "severity": "info"})
    muted = watcher.look(lambda now: len(now.alerts) == 4 and all(alert.processed for alert in now.alerts))
    assert {"Slow: muted automation None", "Info: muted automation None"} <= set(muted)
    assert not [act for act in muted if act.startswith("Cpu")]

    alertmanager.resolve(seen.labels, moment(seen.starts_at))
    assert watcher.look(lambda now: len(now.alerts) == 3) == ["Disk: ended automation None"]


def test_matching_is_alertmanagers(alertmanager: AlertmanagerServer) -> None:
    """Each kind of matcher suppresses the alerts that ours match: anchored, negative, and of labels not there."""
    for job in ("db", "db-7", "a-db", "web", "a\nb", "DB"):
        alertmanager.fire({"alertname": "Disk", "job": job})
    alertmanager.fire({"alertname": "Jobless"})
    tried = [("db", False, True), ("db", False, False), ("d.*|we", True, True), ("d.*|we", True, False),
             ("a.b", True, True), ("(?i)db", True, True), (".+", True, False)]  # fmt: skip
    ids = [
        alertmanager.silence([{"name": "job", "value": value, "isRegex": regex, "isEqual": equal}], f"kim-{number}", 30)
        for number, (value, regex, equal) in enumerate(tried)
    ]
    snapshot = until(
        AlertmanagerApi(alertmanager.url),
        lambda now: len(now.alerts) == 7 and {each.id for each in now.silences if each.active} == set(ids),
    )
    for silence in snapshot.silences:
        ours = {alert.labels.get("job") for alert in snapshot.alerts if match_all(silence.matchers, alert.labels)}
        theirs = {alert.labels.get("job") for alert in snapshot.alerts if silence.id in alert.silenced_by}
        assert ours == theirs, silence.matchers
        assert theirs or silence.creator == "kim-4"


def test_several_alertmanagers(alertmanager: AlertmanagerServer) -> None:
    """What one has is seen though another is away; then nothing is complete, and one sentence names the other."""
    alertmanager.fire(DB)
    there = AlertmanagerApi(f"{alertmanager.url}/")
    away = AlertmanagerApi(f"http://kim:secret@{LOOPBACK}:{free_port()}/prefix")
    until(there, lambda now: bool(now.alerts))
    snapshot, faults = look([there, away], time.time())
    assert (len(snapshot.alerts), snapshot.complete, len(faults)) == (1, False, 1)
    assert f"{LOOPBACK}:{away.url.rpartition(':')[2]}" in faults[0]
    assert "secret" not in faults[0]
    snapshot, faults = look([there, there], time.time())
    assert (snapshot.complete, faults) == (True, [])
    assert not look([], 0.0)[0].complete


def test_an_alertmanager_under_a_prefix() -> None:
    """The address may have a path."""
    with AlertmanagerServer(prefix="/alerts") as server:
        assert AlertmanagerApi(server.url).snapshot(0.0) == Snapshot(at=0.0, silences=[], alerts=[])


class Handler(BaseHTTPRequestHandler):
    """A server that is no Alertmanager; the first part of the path says how."""

    asked: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self) -> None:
        """Answer by the path."""
        self.asked.append((self.path, self.headers.get("Authorization")))
        how = self.path.split("/")[1]
        status = {"denied": 401, "broken": 500, "moved": 302}.get(how, 200)
        self.send_response(status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        if how == "slow":
            with suppress(OSError):  # the client leaves
                for _ in range(600):
                    self.wfile.write(b"[")
                    time.sleep(0.05)
        self.wfile.write({"html": b"<html>", "auth": b"[]"}.get(how, b""))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Nothing."""


@pytest.fixture
def impostor() -> Iterator[str]:
    """The address of such a server."""
    Handler.asked.clear()
    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"{LOOPBACK}:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("how", "said", "patience"),
    [
        ("denied", "answered 401, so it wants other credentials", 60.0),
        ("broken", "answered 500", 60.0),
        ("moved", "answered 302", 60.0),
        ("html", "no JSON list", 60.0),
        ("slow", "gave no whole answer within 0.3 s", 0.3),
    ],
)
def test_another_server(impostor: str, how: str, said: str, patience: float) -> None:
    """Each is one sentence with the address and without the password; nobody is followed elsewhere."""
    begun = time.monotonic()
    with pytest.raises(AlertmanagerAway) as away:
        AlertmanagerApi(f"http://kim:secret@{impostor}/{how}", timeout_seconds=patience).snapshot(0.0)
    assert said in str(away.value)
    assert f"http://{impostor}/{how}" in str(away.value)
    assert "secret" not in str(away.value)
    assert time.monotonic() - begun < 20.0
    assert not [path for path, _ in Handler.asked if "elsewhere" in path]


def test_credentials_are_sent(impostor: str) -> None:
    """User and password of the address as basic authentication, or a header of one's own."""
    AlertmanagerApi(f"http://kim:p%40ss@{impostor}/auth").snapshot(0.0)
    AlertmanagerApi(f"http://{impostor}/auth", {"Authorization": "Bearer x"}).snapshot(0.0)
    assert [sent for _, sent in Handler.asked] == ["Basic a2ltOnBAc3M=", "Basic a2ltOnBAc3M=", "Bearer x", "Bearer x"]


@pytest.mark.parametrize(
    "url", ["", "alertmanager:9093", "ftp://x", "file:///etc/passwd", "http://", "http://x:y/", "http://x?y"]
)
def test_addresses_that_are_none(url: str) -> None:
    """Refused at once, without showing what may hold a password."""
    with pytest.raises(SettingsError, match="http://alertmanager:9093"):
        AlertmanagerApi(url)
