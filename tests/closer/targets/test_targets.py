"""What holds for every target, and what each sends."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import msgspec
import pytest
from standardwebhooks import Webhook

from stream.closer.targets.addresses import AddressRules
from stream.closer.targets.alertmanager import AlertmanagerTarget
from stream.closer.targets.http_client import HttpClient
from stream.closer.targets.pagerduty import PagerDutyTarget
from stream.closer.targets.target import DeedRefused, Target, TargetAway
from stream.closer.targets.webhook import WebhookTarget
from stream.core.deeds import DeedKind
from tests.closer.targets.counting import LOST, CountingServer, Failure
from tests.closer.targets.deeds import alert, deed

KEY = b"0123456789abcdef0123456789abcdef"
SECRET = "whsec_" + base64.b64encode(KEY).decode()


CLIENTS: list[HttpClient] = []


def client(server: CountingServer) -> HttpClient:
    """A client that may reach loopback; it is closed after its test."""
    CLIENTS.append(HttpClient(server.url, AddressRules(["127.0.0.0/8"]), 5.0))
    return CLIENTS[-1]


def make(kind: str, server: CountingServer) -> Target:
    """A target of a kind at a server."""
    if kind == "alertmanager":
        return AlertmanagerTarget(kind, client(server), 10)
    if kind == "pagerduty":
        return PagerDutyTarget(kind, client(server), "R0UT1NG")
    return WebhookTarget(kind, client(server), [KEY])


@pytest.fixture
def server() -> Iterator[CountingServer]:
    """A server that answers an empty list, which all targets can read."""
    with CountingServer(body=b"[]") as running:
        yield running
    while CLIENTS:
        CLIENTS.pop().close()


@pytest.mark.parametrize("kind", ["alertmanager", "pagerduty", "webhook"])
class TestContract:
    """Every target, at a real HTTP server."""

    def test_a_closure_passes_and_its_repetition_too(self, kind: str, server: CountingServer) -> None:
        """The same deed may come twice."""
        target, one = make(kind, server), deed("close")
        assert target.takes(one)
        target.do(one)
        target.do(one)
        assert len(server.requests) >= 2

    def test_a_release_without_its_closure_passes(self, kind: str, server: CountingServer) -> None:
        """Nobody knows whether the process before this one closed, so a release comes in any case."""
        make(kind, server).do(deed("release", mode="close"))
        assert server.requests

    @pytest.mark.parametrize("status", [408, 429, 500, 503, LOST])
    def test_what_may_pass_later_is_away(self, kind: str, server: CountingServer, status: int) -> None:
        """A server that is busy, broken, or gone before it answered, is tried again."""
        server.failures.extend([Failure(status)] * 2)  # a lost answer on an open connection is asked for once more
        with pytest.raises(TargetAway):
            make(kind, server).do(deed("close"))

    def test_retry_after_is_read(self, kind: str, server: CountingServer) -> None:
        """Seconds and a date mean how long the target is left alone."""
        when = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
        for text, least, most in (("7", 7.0, 7.0), (when, 25.0, 31.0)):
            server.failures.append(Failure(429, {"retry-after": text}))
            with pytest.raises(TargetAway) as caught:
                make(kind, server).do(deed("close"))
            assert caught.value.retry_seconds is not None
            assert least <= caught.value.retry_seconds <= most

    @pytest.mark.parametrize(
        ("status", "reason"), [(400, "target_refuses"), (403, "target_forbids"), (302, "target_redirects")]
    )
    def test_what_never_passes_is_refused(self, kind: str, server: CountingServer, status: int, reason: str) -> None:
        """A request that is wrong is not tried again, and a redirect is not followed."""
        server.failures.append(Failure(status, {"location": f"{server.url}/elsewhere"}))
        with pytest.raises(DeedRefused) as caught:
            make(kind, server).do(deed("close"))
        assert caught.value.reason == reason
        assert all(one.path != "/elsewhere" for one in server.requests)

    def test_a_check_does_nothing(self, kind: str, server: CountingServer) -> None:
        """Whoever looks whether a target is there changes nothing at it."""
        target = make(kind, server)
        if kind == "alertmanager":
            with pytest.raises(DeedRefused, match="does not answer as Alertmanager does"):
                target.check()
        else:
            assert "can be reached at 127.0.0.1" in target.check()
        assert [one for one in server.requests if one.method != "GET"] == []

    def test_who_is_away_fails_the_check(self, kind: str) -> None:
        """A server that is not there is named, with what to do."""
        with CountingServer() as gone:
            target = make(kind, gone)
        with pytest.raises(TargetAway, match="does not answer") as caught:
            target.check()
        assert caught.value.mend == "start it, or correct its url"


class TestWebhook:
    """Standard Webhooks."""

    def test_its_signature_is_what_receivers_verify(self, server: CountingServer) -> None:
        """The reference library of the scheme takes the headers and the body."""
        one = deed("pause")
        make("webhook", server).do(one)
        seen = server.requests[0]
        assert Webhook(SECRET).verify(seen.body, dict(seen.headers))["type"] == "alert.paused"
        assert seen.headers["webhook-id"] == one.id

    def test_two_secrets_sign(self, server: CountingServer) -> None:
        """While a secret is changed, a receiver that has either takes it."""
        other = b"fedcba9876543210fedcba9876543210"
        WebhookTarget("w", client(server), [other, KEY]).do(deed("pause"))
        seen = server.requests[0]
        for key in (KEY, other):
            Webhook(base64.b64encode(key).decode()).verify(seen.body, dict(seen.headers))

    def test_the_body_says_what_to_do_to_which_alert(self, server: CountingServer) -> None:
        """A receiver needs nothing else: the kind, the alert with its labels, why and until when."""
        one = deed("pause")
        make("webhook", server).do(one)
        body = server.requests[0].json
        assert body["timestamp"] == body["data"]["decision"]["decided_at"]
        assert body["data"]["id"] == one.id
        assert body["data"]["ended"] is False
        assert body["data"]["alert"]["labels"] == one.alert.labels
        assert body["data"]["decision"]["until"] is not None

    def test_a_repetition_counts_once(self, server: CountingServer) -> None:
        """A server that honours ids does a deed once, however often it comes."""
        target, one = make("webhook", server), deed("pause")
        target.do(one)
        target.do(one)
        assert server.done == {one.id: 1}


class TestPagerDuty:
    """Events API v2."""

    def test_a_closure_resolves_and_a_release_triggers_again(self, server: CountingServer) -> None:
        """Both are of the same dedup_key, and carry the routing key."""
        target, raised = make("pagerduty", server), alert()
        target.do(deed("close", raised))
        target.do(deed("release", raised, 60.0, mode="close"))
        first, second = (one.json for one in server.requests)
        assert first == {"routing_key": "R0UT1NG", "event_action": "resolve", "dedup_key": "INC1"}
        assert (second["event_action"], second["dedup_key"]) == ("trigger", "INC1")
        assert second["payload"]["summary"] == "Disk 91% on db-7"
        assert second["payload"]["severity"] == "error"
        assert server.requests[0].path == "/v2/enqueue"

    @pytest.mark.parametrize(
        ("on_pause", "kind", "mode", "ended", "takes"),
        [
            ("nothing", "pause", None, False, False),
            ("nothing", "release", "pause", False, False),
            ("nothing", "close", None, False, True),
            ("nothing", "release", "close", False, True),
            ("nothing", "release", "close", True, False),
            ("resolve", "pause", None, False, True),
            ("resolve", "release", "pause", False, True),
            ("resolve", "release", "pause", True, False),
        ],
    )
    def test_what_it_takes(
        self, server: CountingServer, on_pause: str, kind: DeedKind, mode: DeedKind | None, ended: bool, takes: bool
    ) -> None:
        """A pause is passed on only if it can be taken back, and an alert that ended is not triggered again."""
        target = PagerDutyTarget("p", client(server), "R", on_pause="resolve" if on_pause == "resolve" else "nothing")
        assert target.takes(deed(kind, mode=mode, ended=ended)) is takes

    def test_the_key_may_be_a_label(self, server: CountingServer) -> None:
        """Where another system triggers, its key is in a label; an alert without it is refused."""
        target = PagerDutyTarget("p", client(server), "R", "label:pd_key")
        target.do(deed("close", alert(labels={"alertname": "A", "pd_key": "k-1"})))
        assert server.requests[0].json["dedup_key"] == "k-1"
        with pytest.raises(DeedRefused, match="no label pd_key"):
            target.do(deed("close"))


class TestAlertmanager:
    """What needs no Alertmanager to see."""

    def test_only_its_own_alerts(self, server: CountingServer) -> None:
        """The labels of an alert from elsewhere are none that Alertmanager has."""
        target = make("alertmanager", server)
        assert not target.takes(deed("pause", alert(source="pagerduty")))

    def test_cut_labels_are_refused(self, server: CountingServer) -> None:
        """A silence of fewer labels than the alert has would mute others."""
        cut = msgspec.structs.replace(alert(), cut=True)
        for one, reason in ((cut, "labels_cut"), (alert(labels={}), "no_labels")):
            with pytest.raises(DeedRefused) as caught:
                make("alertmanager", server).do(deed("pause", one))
            assert caught.value.reason == reason
        assert server.requests == []
