"""HTTP to targets: which addresses are reached, and what can't hold a thread up."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from stream.closer.targets.addresses import AddressRules
from stream.closer.targets.http_client import ANSWER_BYTES, HttpClient
from stream.closer.targets.target import DeedRefused, TargetAway
from stream.core.errors import SettingsError
from tests.closer.targets.counting import CountingServer, Failure
from tests.servers.certificates import Authority
from tests.servers.receiver import Receiver

LOOPBACK = AddressRules(["127.0.0.0/8", "::1/128"])


@pytest.fixture
def server() -> Iterator[CountingServer]:
    """A server on loopback."""
    with CountingServer() as running:
        yield running


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "169.254.1.1", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "100.100.100.200"),
        *("0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "127.0.0.1", "::1", "10.0.0.1", "192.168.1.1"),
        *("172.16.0.1", "100.64.0.1", "fc00::1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a00:1"),
        *("2002:a00:1::", "240.0.0.1", "192.0.2.1", "fec0::1", "64:ff9b:1::a00:1"),
    ],
)
def test_what_is_not_public_is_not_reached(address: str) -> None:
    """Private, link-local, metadata and odd addresses need to be allowed, in whatever form they are written."""
    assert AddressRules().objection(address) is not None


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "fe80::1", "224.0.0.1", "0.0.0.0", "::ffff:169.254.169.254", "64:ff9b:1::a9fe:a9fe"),
        *("fd00:ec2::23", "fd20:ce::254", "fd00:c1::a9fe:a9fe"),
    ],
)
def test_some_are_never_reached(address: str) -> None:
    """Nobody can allow link-local and metadata addresses, not even by allowing everything."""
    assert AddressRules(["0.0.0.0/0", "::/0"]).objection(address) is not None


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "127.0.0.1", "93.184.215.14", "2606:4700::1111"])
def test_what_is_allowed_is_reached(address: str) -> None:
    """Public addresses, and the networks that are named."""
    assert AddressRules(["10.0.0.0/8", "127.0.0.1/32"]).objection(address) is None


def test_no_network_is_refused() -> None:
    """A host with bits beyond its mask is a mistake."""
    with pytest.raises(SettingsError, match="no network"):
        AddressRules(["10.1.2.3/8"])


def test_loopback_is_not_reached_unless_allowed(server: CountingServer) -> None:
    """The request does not leave, and says which address the name has."""
    for url in (server.url, f"http://localhost:{server.port}"):
        with pytest.raises(DeedRefused, match="loopback") as caught:
            HttpClient(url, AddressRules(), 5.0).request("GET", "/")
        assert caught.value.reason == "target_address"
    assert server.requests == []


def test_the_address_is_that_of_the_connection(server: CountingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that means a public address first and loopback later is looked up once, and the checked one is used."""
    answers = iter(["127.0.0.1", "169.254.169.254"])
    real = socket.getaddrinfo

    def rebinding(host: str, port: int, **options: Any) -> Any:
        return real(next(answers), port, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    client = HttpClient(f"http://target.test:{server.port}", LOOPBACK, 5.0)
    assert client.request("GET", "/").done
    assert server.requests[0].headers["host"] == f"target.test:{server.port}"
    client.close()
    with pytest.raises(DeedRefused, match="link-local"):
        HttpClient(f"http://target.test:{server.port}", LOOPBACK, 5.0).request("GET", "/")


def test_proxies_and_redirects_are_not_followed(server: CountingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that names a proxy, and a server that sends elsewhere, change nothing."""
    with CountingServer() as other:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, other.url)
        server.failures.append(Failure(307, {"location": f"{other.url}/"}))
        client = HttpClient(server.url, LOOPBACK, 5.0)
        assert client.request("POST", "/", b"{}").status == 307
        client.close()
        assert other.requests == []


def test_connections_stay_open_and_are_made_anew(server: CountingServer) -> None:
    """One connection serves many requests; after a restart of the server the next request does not fail."""
    with Receiver() as receiver:
        client = HttpClient(receiver.url, LOOPBACK, 5.0)
        for _ in range(3):
            assert client.request("POST", "/").done
        assert len(receiver._connections) == 1
        receiver.close_connections()
        assert client.request("POST", "/").done
        client.close()


def test_an_answer_that_drips_ends() -> None:
    """A server that sends a byte now and then holds nobody up beyond the time of one request."""
    listener, stop = socket.create_server(("127.0.0.1", 0)), Event()

    def drip() -> None:
        with suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
                while not stop.wait(0.02):
                    connection.sendall(b".")

    Thread(target=drip, daemon=True).start()
    client = HttpClient(f"http://127.0.0.1:{listener.getsockname()[1]}", LOOPBACK, 0.1)
    try:
        with pytest.raises(TargetAway, match=r"no whole answer in 0\.1 s"):
            client.request("GET", "/")
    finally:
        stop.set()
        listener.close()


def test_an_answer_without_end_is_not_read(server: CountingServer) -> None:
    """What is over a limit is no answer."""
    server.body = b"x" * (ANSWER_BYTES + 1)
    with pytest.raises(TargetAway, match="its answer is over"):
        HttpClient(server.url, LOOPBACK, 5.0).request("GET", "/")


@pytest.mark.slow
def test_tls_is_checked_for_the_name(tmp_path: Path) -> None:
    """A certificate of another authority is refused; with the right `ca` the request passes."""
    authority = Authority(tmp_path)
    with Receiver(tls=authority.server_context(authority.issue("server"))) as receiver:
        with pytest.raises(TargetAway, match=r"certificate verify failed|CERTIFICATE_VERIFY_FAILED"):
            HttpClient(receiver.url, LOOPBACK, 5.0).request("POST", "/")
        client = HttpClient(receiver.url, LOOPBACK, 5.0, ca=authority.file)
        assert client.request("POST", "/", b"{}").done
        assert client.check() == "127.0.0.1"
        client.close()


@pytest.mark.parametrize(
    "url", ["", "target", "ftp://h", "http://", "http://h:0", "http://u:pa55@h", "http://h/?q=1", "http://h\n"]
)
def test_an_address_that_is_none(url: str) -> None:
    """It is refused when settings are read, and a password in it is not shown."""
    with pytest.raises(SettingsError) as caught:
        HttpClient(url, LOOPBACK, 5.0)
    assert "pa55" not in str(caught.value)
