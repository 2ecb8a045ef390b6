"""The socket that a room listens on, and its settings' faults."""

import socket

import pytest

from stream.asgi_server import open_socket
from stream.core.errors import SettingsError
from stream.dev.process import LOOPBACK


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
