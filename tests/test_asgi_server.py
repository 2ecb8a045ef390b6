"""The socket that a room listens on, and its settings' faults."""

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest

from stream.asgi_server import open_socket, serve, tls_files
from stream.core.errors import SettingsError
from stream.dev.process import LOOPBACK
from tests.servers.certificates import Authority


def test_answers_are_not_delayed() -> None:
    """Accepted connections are known as TCP, without which asyncio leaves Nagle's delay on: 40 ms an answer."""
    with open_socket(LOOPBACK, 0, "intake_port") as listener:
        port = listener.getsockname()[1]
        with socket.create_connection((LOOPBACK, port)), listener.accept()[0] as accepted:
            assert accepted.proto == socket.IPPROTO_TCP


@pytest.mark.parametrize("host", [LOOPBACK, "::1"])
def test_a_port_that_is_taken_is_one_sentence(host: str) -> None:
    """It names the setting, the address and the mend."""
    with open_socket(host, 0, "intake_port") as listener:
        port = listener.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"intake_port = {port}: .* can't be opened .*; choose another"):
            open_socket(host, port, "intake_port")


def test_a_host_that_is_none_is_one_sentence() -> None:
    """A name that nobody knows can't be listened on."""
    with pytest.raises(SettingsError, match=r"can't be opened"):
        open_socket("no such host", 0, "intake_port")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that the tests share."""
    return Authority(tmp_path_factory.mktemp("authority"))


def test_a_certificate_and_its_key_are_taken(authority: Authority) -> None:
    """Neither: plain HTTP; both: their paths as the server takes them."""
    made = authority.issue("intake")
    assert tls_files(None, None, "intake") is None
    assert tls_files(made.file, made.key, "intake") == (str(made.file), str(made.key))


def test_a_certificate_that_can_t_be_used_is_one_sentence(authority: Authority, tmp_path: Path) -> None:
    """One of the two missing, no file, or the key of another: the setting is named before anything listens."""
    made, other = authority.issue("intake"), authority.issue("other")
    with pytest.raises(SettingsError, match=r"intake_tls_key = '' is no file; name PEM files for both"):
        tls_files(made.file, None, "intake")
    with pytest.raises(SettingsError, match=r"intake_tls_certificate = '.*none.pem' is no file"):
        tls_files(tmp_path / "none.pem", made.key, "intake")
    with pytest.raises(SettingsError, match=r"intake_tls_certificate and intake_tls_key can't be used \(.*mismatch"):
        tls_files(made.file, other.key, "intake")


def test_https_is_served(authority: Authority) -> None:
    """A client that knows the authority is answered; one that does not, or speaks plain HTTP, is not."""
    made = authority.issue("intake")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    async def ask(scheme: str, verify: ssl.SSLContext) -> str:
        async with httpx.AsyncClient(verify=verify, trust_env=False, timeout=60.0) as client:
            return (await client.get(f"{scheme}://{LOOPBACK}:{port}/")).text

    async def test() -> None:
        stopping = asyncio.Event()
        serving = asyncio.create_task(serve(app, listener, stopping, tls_files(made.file, made.key, "intake")))
        trusting = authority.client_context()
        try:
            assert await ask("https", trusting) == "ok"
            with pytest.raises(httpx.ConnectError):
                await ask("https", ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
            with pytest.raises(httpx.TransportError):
                await ask("http", trusting)
        finally:
            stopping.set()
            await serving

    with open_socket(LOOPBACK, 0, "intake_port") as listener:
        port = listener.getsockname()[1]
        asyncio.run(test())
