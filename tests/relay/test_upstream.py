"""The Alertmanagers behind the relay: each gets each post, and what they answer is what the sender gets."""

import asyncio
import base64
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from stream.config import RelaySettings, make_settings
from stream.core.errors import SettingsError
from stream.dev.process import free_port
from stream.metrics.relay import RelayMetrics
from stream.relay.upstream import Reply, Upstream
from tests.servers.availability import unavailable
from tests.servers.certificates import Authority
from tests.servers.receiver import Receiver

ONE = {"relay_alertmanagers": ["http://am:9093"]}
BODY = b'[{"labels":{"alertname":"Down"}}]'


def settings(*urls: str, **values: Any) -> RelaySettings:
    """The relay's settings with these Alertmanagers."""
    return make_settings(relay_alertmanagers=list(urls), **values).relay


def with_upstream(test: Callable[[Upstream], Awaitable[None]], made: RelaySettings) -> RelayMetrics:
    """Run a test on these Alertmanagers; returns what was counted."""
    metrics = RelayMetrics()

    async def run() -> None:
        upstream = Upstream(made, metrics)
        await test(upstream)
        await upstream.drain(60.0)

    asyncio.run(run())
    return metrics


def away() -> str:
    """The address of an Alertmanager that is not there."""
    return f"http://127.0.0.1:{free_port()}"


def test_a_post_goes_to_all() -> None:
    """Each gets the same bytes, as JSON."""
    with Receiver() as one, Receiver() as two:

        async def test(upstream: Upstream) -> None:
            assert (await upstream.post(BODY)).taken

        with_upstream(test, settings(one.url, two.url))
        for receiver in (one, two):
            (request,) = receiver.of("/api/v2/alerts")
            assert request.body == BODY
            assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        ((200, 200), 200),
        ((200, 500), 200),
        ((400, 200), 200),
        ((400, 400), 400),
        ((500, 400), 400),
        ((503, 503), 503),
        ((0, 200), 200),
        ((0, 400), 400),
        ((0, 503), 503),
        ((0, 0), 502),
    ],
)
def test_one_that_took_it_is_a_success(statuses: tuple[int, ...], status: int) -> None:
    """2xx if one took it, else what one of them answered: 400 before others, as the valid alerts are in; 0 is away."""
    receivers = [Receiver(b"because", each) for each in statuses]
    urls = [one.url if one.status else away() for one in receivers]

    async def test(upstream: Upstream) -> None:
        reply = await upstream.post(BODY)
        assert reply.status == status
        assert reply.body.startswith(b"no Alertmanager of 127.0.0.1" if status == 502 else b"because")

    with_upstream(test, settings(*urls))


@pytest.mark.slow
def test_one_that_hangs_holds_up_one_post_for_a_second() -> None:
    """Where another one took the post it is waited for a second, once; from then on it gets posts and nobody waits."""
    with Receiver() as one, socket.create_server(("127.0.0.1", 0)) as hanging:

        async def test(upstream: Upstream) -> None:
            began = time.monotonic()
            assert (await upstream.post(BODY)).taken
            assert 0.9 < time.monotonic() - began < 4.5
            upstream.members[1].behind = True  # as after its time-out
            took = []
            for _ in range(3):
                began = time.monotonic()
                assert (await upstream.post(BODY)).taken
                took.append(time.monotonic() - began)
            assert min(took) < 0.9

        made = settings(one.url, f"http://127.0.0.1:{hanging.getsockname()[1]}", relay_timeout_seconds=5)
        metrics = with_upstream(test, made)
        up = {
            sample.labels["alertmanager"]: sample.value
            for family in metrics.registry.collect()
            for sample in family.samples
            if sample.name == "noisegate_relay_upstream_up"
        }
        assert sorted(up.values()) == [0.0, 1.0]


def test_all_hanging_end_in_time() -> None:
    """No answer within the time-out: 502 with the reason, in one sentence."""
    with socket.create_server(("127.0.0.1", 0)) as hanging:

        async def test(upstream: Upstream) -> None:
            reply = await upstream.post(BODY)
            assert reply.status == 502
            assert b"it did not answer in 0.5 s" in reply.body

        url = f"http://127.0.0.1:{hanging.getsockname()[1]}"
        with_upstream(test, settings(url, relay_timeout_seconds=0.5))


def test_an_idle_connection_that_was_closed_costs_no_post() -> None:
    """Alertmanager restarts between two posts: the next one is made over a new connection."""
    first = Receiver()

    async def test(upstream: Upstream) -> None:
        assert (await upstream.post(BODY)).taken
        first.close_connections()
        assert (await upstream.post(BODY)).taken

    with first:
        with_upstream(test, settings(first.url))
    assert len(first.requests) == 2


def test_path_prefix_login_token_and_headers(tmp_path: Path) -> None:
    """What an Alertmanager behind a proxy asks for: its path, a name and a password, or a token, and headers."""
    token = tmp_path / "token"
    token.write_text("s3cret\n")

    async def test(upstream: Upstream) -> None:
        assert (await upstream.post(BODY)).taken

    with Receiver() as one, Receiver() as two:
        login = one.url.replace("://", "://ann:p%40ss@")
        with_upstream(test, settings(f"{login}/am/", relay_upstream_headers={"X-Scope-OrgID": "7"}))
        with_upstream(test, settings(two.url, relay_upstream_token=str(token)))
        (request,) = one.of("/am/api/v2/alerts")
        assert request.headers["authorization"] == f"Basic {base64.b64encode(b'ann:p@ss').decode()}"
        assert request.headers["x-scope-orgid"] == "7"
        assert two.requests[0].headers["authorization"] == "Bearer s3cret"


def test_a_sender_s_headers_go_on_but_those_that_the_settings_give(tmp_path: Path) -> None:
    """Tenant and trace are the sender's own; what is configured, and the login, no sender can change."""
    token = tmp_path / "token"
    token.write_text("s3cret")
    sent = {"X-Scope-OrgID": "caf\u00e9", "traceparent": "00-1-2-01", "Authorization": "Bearer theirs"}

    async def test(upstream: Upstream) -> None:
        assert (await upstream.post(BODY, sent)).taken

    with Receiver() as one, Receiver() as two, Receiver() as three:
        with_upstream(test, settings(one.url))
        with_upstream(
            test, settings(two.url, relay_upstream_token=str(token), relay_upstream_headers={"x-scope-orgid": "7"})
        )
        with_upstream(test, settings(three.url.replace("://", "://ann:x@")))
        names = ("x-scope-orgid", "traceparent", "authorization")
        found = [[each.requests[0].headers[name] for name in names] for each in (one, two, three)]
    assert found == [
        ["caf\u00e9", "00-1-2-01", "Bearer theirs"],
        ["7", "00-1-2-01", "Bearer s3cret"],
        ["caf\u00e9", "00-1-2-01", f"Basic {base64.b64encode(b'ann:x').decode()}"],
    ]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A private authority, for the module."""
    try:
        return Authority(tmp_path_factory.mktemp("ca"))
    except FileNotFoundError as error:
        unavailable(str(error))


def test_tls_to_an_alertmanager_of_a_private_authority(authority: Authority) -> None:
    """With its certificate as relay_upstream_ca posts are taken, over one connection; without it nothing is sent."""
    replies: list[Reply] = []

    async def test(upstream: Upstream) -> None:
        replies.extend([await upstream.post(BODY), await upstream.post(BODY)])

    with Receiver(tls=authority.server_context(authority.issue("am"))) as receiver:
        with_upstream(test, settings(receiver.url, relay_upstream_ca=str(authority.file)))
        assert [reply.status for reply in replies] == [200, 200]
        with_upstream(test, settings(receiver.url))
        assert [reply.status for reply in replies[2:]] == [502, 502]
        assert b"certificate verify failed" in replies[2].body
    assert len(receiver.requests) == 2


def test_a_certificate_of_another_host_is_refused(authority: Authority) -> None:
    """A certificate of the right authority for another address: nothing is sent to whoever holds it."""

    async def test(upstream: Upstream) -> None:
        reply = await upstream.post(BODY)
        assert (reply.status, b"certificate verify failed" in reply.body) == (502, True)

    with Receiver(tls=authority.server_context(authority.issue("other", "IP:192.0.2.1"))) as receiver:
        with_upstream(test, settings(receiver.url, relay_upstream_ca=str(authority.file)))
    assert receiver.requests == []


def test_an_alertmanager_that_asks_for_a_client_s_certificate(authority: Authority, tmp_path: Path) -> None:
    """With the relay's own certificate posts are taken, with a login as well; without it none but by another one."""
    own = authority.issue("relay")
    token = tmp_path / "token"
    token.write_text("s3cret")
    replies: list[Reply] = []

    async def test(upstream: Upstream) -> None:
        replies.append(await upstream.post(BODY))

    with Receiver(tls=authority.server_context(authority.issue("am"), asks_clients=True)) as receiver:
        trusts = {"relay_upstream_ca": str(authority.file), "relay_upstream_token": str(token)}
        shows = {"relay_upstream_certificate": str(own.file), "relay_upstream_key": str(own.key)}
        with_upstream(test, settings(receiver.url, **trusts, **shows))
        with_upstream(test, settings(receiver.url, **trusts))
        with Receiver() as plain:
            with_upstream(test, settings(receiver.url, plain.url, **trusts))
    assert [reply.status for reply in replies] == [200, 502, 200]
    assert [request.headers["authorization"] for request in receiver.requests] == ["Bearer s3cret"]


def test_a_certificate_without_its_key_is_named(authority: Authority) -> None:
    """A PEM file that holds no key is named before anything is posted."""
    own = authority.issue("keyless")
    with pytest.raises(SettingsError, match="relay_upstream_certificate can't be used"):
        Upstream(settings("https://am:9093", relay_upstream_certificate=str(own.file)), RelayMetrics())


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"relay_alertmanagers": []}, "relay_alertmanagers is empty"),
        ({"relay_alertmanagers": ["am:9093"]}, "which is no address"),
        ({"relay_alertmanagers": ["http://u:secret@/x"]}, "which is no address"),
        ({"relay_alertmanagers": ["http://u:secret@[::1"]}, "which is no address"),
        ({"relay_alertmanagers": ["http://u:secret@am:port"]}, "which is no address"),
        ({**ONE, "relay_upstream_token": "/nowhere"}, "relay_upstream_token = '/nowhere' can't be read"),
        ({**ONE, "relay_upstream_ca": "/nowhere"}, "relay_upstream_ca"),
        ({**ONE, "relay_upstream_token": __file__}, "holds no token of one line"),
        ({**ONE, "relay_upstream_headers": {"X-Key": "secret\nsecret"}}, "'X-Key', which can be no header"),
        ({**ONE, "relay_upstream_headers": {"X-Key": "secrét"}}, "'X-Key', which can be no header"),
    ],
)
def test_what_can_t_be_used_is_named(values: dict[str, Any], sentence: str) -> None:
    """A setting that can't be used is named before anything is posted, without its password."""
    with pytest.raises(SettingsError, match=sentence) as raised:
        Upstream(make_settings(**values).relay, RelayMetrics())
    assert "secret" not in str(raised.value)


def test_an_address_that_can_be_no_name_costs_the_others_no_post() -> None:
    """A wrong name of one Alertmanager counts as one that does not answer."""
    with Receiver() as receiver:

        async def test(upstream: Upstream) -> None:
            assert (await upstream.post(BODY)).status == 200
            assert [one.behind for one in upstream.members] == [False, True]

        with_upstream(test, settings(receiver.url, "http://a..b:9093"))


@pytest.mark.slow
def test_posts_that_wait_for_one_are_bounded() -> None:
    """Over a limit of waiting posts an Alertmanager gets no more: memory stays flat while it hangs."""
    with socket.create_server(("127.0.0.1", 0)) as hanging:

        async def test(upstream: Upstream) -> None:
            posts = [asyncio.create_task(upstream.post(BODY)) for _ in range(300)]
            replies: list[Reply] = await asyncio.gather(*posts)
            assert sum(b"too many posts wait" in reply.body for reply in replies) == 300 - 256

        url = f"http://127.0.0.1:{hanging.getsockname()[1]}"
        with_upstream(test, settings(url, relay_timeout_seconds=1))
