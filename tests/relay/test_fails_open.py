"""Whatever is away, an alert is at Alertmanager within a second; and one relay of two may be killed at any time."""

import base64
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from stream.core.events import Raised, decode_event
from stream.dev.process import free_port
from stream.sources.signatures import hash_token
from tests.chaos.cluster import Cluster
from tests.relay.processes import RelayProcess, alert, resolved
from tests.servers.alertmanager import AlertmanagerServer, WebConfig
from tests.servers.availability import unavailable
from tests.servers.certificates import Authority
from tests.servers.kafka import ROOT, ApacheKafka
from tests.servers.receiver import post_json
from tests.servers.redis import RedisServer
from tests.waits import until

pytestmark = [pytest.mark.slow]


def within_a_second(relay: RelayProcess, alertmanager: AlertmanagerServer, name: str) -> None:
    """Post an alert: it is answered, and at Alertmanager, within a second, or two more on a busy machine."""
    began = time.monotonic()
    relay.post(alert(name))
    assert name in {one["labels"]["alertname"] for one in alertmanager.alerts()}
    assert time.monotonic() - began < 3.0


@pytest.mark.parametrize(("labels", "silent"), [("false", False), ("true", True)], ids=["refused", "silent"])
def test_nothing_of_ours_is_there_at_the_start(alertmanager: AlertmanagerServer, labels: str, silent: bool) -> None:
    """No Kafka, Redis, scorer or closer, or servers that take connections and are silent: ready, and alerts pass."""
    with ExitStack() as exits:
        if silent:
            listening = [exits.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
            kafka, redis = [one.getsockname()[1] for one in listening]
        else:
            kafka, redis = free_port(), free_port()
        environment = {
            "NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{kafka}",
            "NOISEGATE_REDIS_URL": f"redis://127.0.0.1:{redis}/0",
            "NOISEGATE_RELAY_LABELS": labels,
        }
        relay = exits.enter_context(RelayProcess([alertmanager.url], environment))
        for number in range(3):
            within_a_second(relay, alertmanager, f"Alert{number}")
        assert relay.get("/readyz").startswith("ok\n")
        until(lambda: "no scores come" in relay.get("/readyz"), 60)
        assert relay.get("/livez") == "ok\n"
        began = time.monotonic()
        relay.stop(60)
        assert time.monotonic() - began < 15


@pytest.fixture
def cluster(fresh_kafka: ApacheKafka, fresh_redis: RedisServer, tmp_path: Path, unique_name: str) -> Iterator[Cluster]:
    """Kafka, Redis and topics to hurt, and a scorer that the test starts."""
    made = Cluster(fresh_kafka, fresh_redis, tmp_path, unique_name, partitions=2)
    made.environment["NOISEGATE_MODEL_STORE"] = str(ROOT / "model_artifacts")
    try:
        yield made
    finally:
        made.close()


def relay_of(cluster: Cluster, *alertmanagers: AlertmanagerServer) -> RelayProcess:
    """A relay of the deployment, not started."""
    environment = {key: value for key, value in cluster.environment.items() if "METRICS_PORT" not in key}
    return RelayProcess([one.url for one in alertmanagers], environment)


def raised(cluster: Cluster) -> list[str]:
    """The rules of all raised events in the log."""
    events = [decode_event(value) for _, _, value in cluster.records(cluster.settings.topics.events)]
    return [event.rule for event in events if isinstance(event, Raised)]


def annotated(alertmanager: AlertmanagerServer, name: str) -> bool:
    """Whether an alert has its score."""
    return any(
        one["labels"]["alertname"] == name and "noisegate_why" in one["annotations"] for one in alertmanager.alerts()
    )


def acknowledged(relay: RelayProcess, count: int) -> bool:
    """Whether Kafka has acknowledged so many raised events: one that it has and did not acknowledge comes again."""
    return relay.value("relay_events_total", type="raised") == count


def test_each_goes_away_later_and_comes_back(cluster: Cluster, alertmanager: AlertmanagerServer) -> None:
    """Scorer, Redis, Kafka, then all of them: alerts pass within a second; back, all firings are in the log once."""
    with relay_of(cluster, alertmanager) as relay:
        cluster.start("scorer")
        within_a_second(relay, alertmanager, "Before")
        until(lambda: annotated(alertmanager, "Before"), 60)
        cluster.kill("scorer")
        within_a_second(relay, alertmanager, "WithoutScorer")
        until(lambda: acknowledged(relay, 2), 60)
        cluster.redis.stop()
        within_a_second(relay, alertmanager, "WithoutRedis")
        until(lambda: relay.value("relay_memory_up") == 0 and acknowledged(relay, 3), 60)
        cluster.redis.start()
        cluster.kafka.kill()
        gone = alert("Gone")
        relay.post(gone)
        within_a_second(relay, alertmanager, "WithoutKafka")
        until(lambda: relay.value("relay_kafka_up") == 0, 60)
        relay.post(resolved(gone))
        until(lambda: relay.value("relay_lost_total") == 1, 60)
        cluster.redis.stop()
        for number in range(3):
            within_a_second(relay, alertmanager, f"WithoutAll{number}")
        assert relay.get("/readyz").startswith("ok\n")
        cluster.redis.start()
        cluster.kafka.start()
        cluster.start("scorer")
        until(lambda: relay.value("relay_events_waiting") == 0 and relay.value("relay_kafka_up") == 1, 60)
        names = ["Before", "WithoutScorer", "WithoutRedis", "WithoutKafka", "WithoutAll0", "WithoutAll1", "WithoutAll2"]
        assert sorted(raised(cluster)) == sorted(names)
        for name in names:
            until(lambda name=name: annotated(alertmanager, name), 60, f"{name} got no score")  # type: ignore[misc]


def test_killing_one_of_two_relays_loses_nothing(
    kafka: ApacheKafka, fresh_redis: RedisServer, tmp_path: Path, unique_name: str, alertmanager: AlertmanagerServer
) -> None:
    """A sender posts to both, as Prometheus does; one is killed with SIGKILL: all alerts pass, all are in the log."""
    cluster = Cluster(kafka, fresh_redis, tmp_path, unique_name, partitions=2)
    names = [f"Alert{number:03d}" for number in range(200)]
    with relay_of(cluster, alertmanager) as one, relay_of(cluster, alertmanager) as two:
        refused: list[str] = []
        killed = threading.Event()

        def send(relay: RelayProcess) -> None:
            for name in names:
                if name == names[100]:  # so that there is something to send afterwards
                    killed.wait(60)
                try:
                    relay.post(alert(name))
                except OSError:
                    refused.append(name)
                time.sleep(0.01)

        senders = [threading.Thread(target=send, args=(relay,)) for relay in (one, two)]
        for sender in senders:
            sender.start()
        until(lambda: len(alertmanager.alerts()) > 50, 60)
        one.kill()
        killed.set()
        for sender in senders:
            sender.join()
        assert refused
        assert {alert["labels"]["alertname"] for alert in alertmanager.alerts()} == {*names}
        until(lambda: two.value("relay_events_waiting") == 0, 60, "what the other one claimed was not published")
    assert set(raised(cluster)) == {*names}


def test_one_alertmanager_of_two_is_away(alertmanager: AlertmanagerServer) -> None:
    """It is not there, or silent: alerts pass to the other one; that it is back needs nobody."""
    other = AlertmanagerServer()
    with RelayProcess([other.url, alertmanager.url], CLOSED) as relay, other:
        relay.post(alert("Before"))
        other.stop()
        within_a_second(relay, alertmanager, "Without")
        until(lambda: "does not answer" in relay.get("/readyz"), 60)
        other.start()
        relay.post(alert("After"))  # the one that did not answer is posted to, and not waited for
        until(lambda: "After" in {one["labels"]["alertname"] for one in other.alerts()}, 60)
        until(lambda: "does not answer" not in relay.get("/readyz"), 60)


WEB = """
tls_server_config: {{cert_file: {server.file}, key_file: {server.key}, client_ca_file: {ca},
  client_auth_type: RequireAndVerifyClientCert}}
basic_auth_users: {{ann: "$2b$04$abcdefghijklmnopqrstuux1xldIMZ95v8jSLOpqCBZ5kZ5M/8v4G"}}
"""  # the bcrypt hash of p@ss
CLOSED = {"NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "NOISEGATE_REDIS_URL": "redis://127.0.0.1:1/0"}


def test_https_and_logins_on_both_sides(tmp_path: Path) -> None:
    """An Alertmanager behind TLS, client certificates and a password; the relay behind TLS, tokens and a path prefix.

    Who has what each asks for posts, who has not gets one sentence.
    """
    try:
        authority = Authority(tmp_path)
    except FileNotFoundError as error:
        unavailable(str(error))
    server, relay_s, auth = authority.issue("server"), authority.issue("relay"), tmp_path / "auth.toml"
    auth.write_text(f'tokens = ["{hash_token("t0ken")}"]\n[users]\nbob = "{hash_token("secret")}"\n')
    text = WEB.format(server=server, ca=authority.file)
    web = WebConfig(text, authority.client_context(relay_s), {"Authorization": _basic("ann", "p@ss")})
    environment = {
        **CLOSED,
        "NOISEGATE_RELAY_AUTH": str(auth),
        "NOISEGATE_RELAY_TLS_CERTIFICATE": str(server.file),
        "NOISEGATE_RELAY_TLS_KEY": str(server.key),
        "NOISEGATE_RELAY_PATH_PREFIX": "/relay",
        "NOISEGATE_RELAY_UPSTREAM_CA": str(authority.file),
        "NOISEGATE_RELAY_UPSTREAM_CERTIFICATE": str(relay_s.file),
        "NOISEGATE_RELAY_UPSTREAM_KEY": str(relay_s.key),
    }
    with ExitStack() as exits:
        alertmanager = exits.enter_context(AlertmanagerServer(web=web))
        address = alertmanager.url.replace("://", "://ann:p%40ss@")
        relay = exits.enter_context(RelayProcess([address], environment))
        url = f"https://127.0.0.1:{relay.port}/relay/api/v2/alerts"

        def post(name: str, login: str) -> int:
            headers = {"Content-Type": "application/json", "Authorization": login}
            request = urllib.request.Request(url, json.dumps([alert(name)]).encode(), headers)
            with urllib.request.urlopen(request, timeout=60, context=authority.client_context()) as answer:
                return int(answer.status)

        assert post("Token", "Bearer t0ken") == post("Password", _basic("bob", "secret")) == 200
        for login in ("", "Bearer wrong", _basic("bob", "wrong"), _basic("ann", "p@ss")):
            with pytest.raises(urllib.error.HTTPError, match="401"):
                post("Stranger", login)
        with pytest.raises(OSError, match=r"Remote end closed|reset by peer"):
            post_json(f"{relay.url}/relay/api/v2/alerts", [])  # plain HTTP
        assert {one["labels"]["alertname"] for one in alertmanager.alerts()} == {"Token", "Password"}


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
