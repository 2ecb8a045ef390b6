"""The embedded servers come up at once, and never outlive their owner."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from stream.core.errors import EmbeddedServerFailed
from stream.dev.embedded import EmbeddedBroker, EmbeddedValkey
from stream.dev.process import ServerProcess, accepts, free_port

DEADLINE_SECONDS = 60

OWNER = """
import time
from stream.dev.embedded import EmbeddedBroker, EmbeddedValkey
with EmbeddedBroker() as broker, EmbeddedValkey() as valkey:
    print(broker.port, valkey.port, broker.folder, valkey.folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def owner() -> Iterator[subprocess.Popen[str]]:
    """Another Python process that owns both embedded servers."""
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def test_broker_and_valkey_end_with_their_block() -> None:
    """Both serve inside the block; after it nobody listens and their folders are gone, also after an error."""
    with pytest.raises(ZeroDivisionError), EmbeddedBroker() as broker, EmbeddedValkey() as valkey:
        folders = [broker.folder, valkey.folder]
        assert accepts(broker.port)
        with Redis.from_url(valkey.url) as client:
            assert client.ping()
            assert client.config_get("maxmemory-policy", "save") == {"maxmemory-policy": "noeviction", "save": ""}
        raise ZeroDivisionError
    assert not accepts(broker.port)
    assert not accepts(valkey.port)
    assert not any(folder.exists() for folder in folders)


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_servers_go_with_their_owner(owner: subprocess.Popen[str], ending: signal.Signals) -> None:
    """However the owner ends, its servers and their folders go too."""
    assert owner.stdout is not None
    broker_port, valkey_port, *folders = owner.stdout.readline().split()
    owner.send_signal(ending)
    owner.wait(DEADLINE_SECONDS)
    await_gone([int(broker_port), int(valkey_port)], [Path(folder) for folder in folders])


def test_a_restarted_server_is_on_its_old_port() -> None:
    """A client's address stays right over a restart; what was in memory only is lost."""
    with EmbeddedValkey() as valkey, Redis.from_url(valkey.url) as client:
        client.set("in", "memory")
        valkey.restart()
        assert client.get("in") is None


def test_a_server_that_ends_at_once_is_told_with_its_log() -> None:
    """The error is one sentence with the tail of the log, and nothing is left behind."""
    server = ServerProcess("the server", ["/bin/sh", "-c", "echo out of luck; exit 3"], ready=lambda: False)
    with pytest.raises(EmbeddedServerFailed, match=r"the server ended before it was ready; .* out of luck"), server:
        pass
    assert not server.running


def test_a_server_that_never_gets_ready_is_ended() -> None:
    """Readiness has a deadline; the process is ended when it has passed."""
    server = ServerProcess("the server", ["/bin/sleep", "60"], ready=lambda: False, deadline_seconds=0.2)
    with pytest.raises(EmbeddedServerFailed, match=r"not ready within 0\.2 s"), server:
        pass
    assert not server.running


def test_a_stopped_server_that_ignores_sigterm_is_killed() -> None:
    """SIGTERM has a grace, SIGKILL follows."""
    server = ServerProcess("the server", ["/bin/sleep", "60"], ready=lambda: True)
    with server:
        os.kill(server.pid, signal.SIGSTOP)
        server.stop(grace_seconds=0.2)
        assert not server.running


def test_a_missing_program_is_told() -> None:
    """A server that is not installed is named."""
    server = ServerProcess("the server", ["/no/such/program"], ready=lambda: True)
    with pytest.raises(EmbeddedServerFailed, match="the server can't be started"), server:
        pass


def test_free_ports_are_free() -> None:
    """Nobody listens on a port that is handed out, and no second caller gets it before the first one's server runs."""
    port = free_port()
    assert not accepts(port)
    with pytest.raises(EmbeddedServerFailed, match="none of 1 loopback ports"):
        free_port([port])
    code = f"from stream.dev.process import free_port; free_port([{port}])"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert "none of 1 loopback ports" in other.stderr


def await_gone(ports: list[int], folders: list[Path]) -> None:
    """Wait until nobody listens and the folders are removed."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while any(map(accepts, ports)) or any(folder.exists() for folder in folders):
        assert time.monotonic() < deadline, "the servers outlived their owner"
        time.sleep(0.05)
