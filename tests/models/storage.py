"""Model stores of every kind, and one that dies while it is written to."""

import socket
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import fsspec  # type: ignore[import-untyped]  # it has no types
import pytest

from stream.models.storage import StorageBackend

KINDS = ("folder", "memory", "s3")
BUCKET = "models"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@contextmanager
def s3_server() -> Iterator[str]:
    """A local S3 with one bucket; gives its endpoint."""
    import boto3  # type: ignore[import-untyped]  # it has no types; both take a second to import
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        client = boto3.client("s3", endpoint_url=endpoint, **keys)
        client.create_bucket(Bucket=BUCKET)
        client.close()
        yield endpoint
    finally:
        server.stop()


def use_endpoint(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What FSSPEC_S3_ENDPOINT_URL and the AWS variables do for a process that starts with them."""
    monkeypatch.setitem(fsspec.config.conf, "s3", {"endpoint_url": endpoint})
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


def new_url(kind: str, folder: Path) -> str:
    """A new empty store."""
    name = uuid.uuid4().hex
    return {"folder": str(folder / name), "memory": f"memory://{name}", "s3": f"s3://{BUCKET}/{name}"}[kind]


class Frozen:
    """A way to a server of this machine on which nothing moves while `frozen`; what came meanwhile stays lost.

    Attributes:
        url: the server, by this way.
    """

    def __init__(self, endpoint: str) -> None:
        host, port = endpoint.removeprefix("http://").split(":")
        self._server = host, int(port)
        self.frozen = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """End all connections."""
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._open += [client, server]
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65_536):
                if not self.frozen:
                    other.sendall(data)
        if not self.frozen:
            with suppress(OSError):
                other.shutdown(socket.SHUT_WR)


class Died(BaseException):
    """The writer was killed."""


class DyingStorage:
    """A storage backend whose writer dies at its `last`-th change: it does nothing more, not even clean up."""

    def __init__(self, storage: StorageBackend, last: int) -> None:
        self.folder = storage.folder
        self.where = storage.where
        self._storage = storage
        self._left = last

    def _change(self) -> None:
        if self._left <= 0:
            raise Died
        self._left -= 1

    def walk(self) -> dict[str, int]:
        """As the storage."""
        return self._storage.walk()

    def is_empty(self) -> bool:
        """As the storage."""
        return self._storage.is_empty()

    def size(self, path: str) -> int | None:
        """As the storage."""
        return self._storage.size(path)

    def read(self, path: str, limit: int) -> bytes | None:
        """As the storage."""
        return self._storage.read(path, limit)

    def read_many(self, paths: Sequence[str], limit: int) -> list[bytes]:
        """As the storage."""
        return self._storage.read_many(paths, limit)

    def write(self, path: str, content: bytes) -> None:
        """As the storage, while it lives."""
        self._change()
        self._storage.write(path, content)

    def staged(self, folder: str) -> str:
        """As the storage."""
        return self._storage.staged(folder)

    def publish(self, staged: str, folder: str) -> None:
        """As the storage, while it lives."""
        self._change()
        self._storage.publish(staged, folder)

    def remove(self, path: str) -> None:
        """As the storage, while it lives."""
        self._change()
        self._storage.remove(path)
