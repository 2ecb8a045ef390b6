"""A server process that this process owns: started, awaited, ended; and gone with its owner, whatever ends that."""

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from stream.core.errors import EmbeddedServerFailed

LOOPBACK = "127.0.0.1"
PORTS = range(20_000, 32_000)
"""Below the ports that systems lend to outgoing connections, so that a stopped server gets its own back."""
PORT_TRIES = 100
STOP_SECONDS = 5.0
LOG_TAIL_BYTES = 800
POLL_SECONDS = 0.01

# The read ends when the owner does, even by SIGKILL: its end of the pipe is closed. $0 is the server's process group.
WATCHER = 'read -r _; kill -s KILL -- "-$0"; [ -z "$1" ] || rm -rf "$1"'


def free_port(ports: Sequence[int] = PORTS) -> int:
    """A loopback port that nobody listens on now, and that no other caller is given while this process lives."""
    tried = random.sample(ports, min(PORT_TRIES, len(ports)))
    for port in tried:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            if _claim(port):
                return port
    raise EmbeddedServerFailed(f"none of {len(tried)} loopback ports tried is free: stop what listens there.")


def _claim(port: int) -> bool:
    """Whether the UDP port of this number, which no server here uses, was free; it is held until this process ends."""
    claim = socket.socket(type=socket.SOCK_DGRAM)
    try:
        claim.bind((LOOPBACK, port))
    except OSError:
        claim.close()
        return False
    claim.detach()
    return True


def accepts(port: int) -> bool:
    """Whether something takes connections on this loopback port."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True


class ServerProcess:
    """A server in a folder of its own; a context manager, and restartable.

    Without a `folder` it gets a temporary one, removed at the end. `ready` is asked until it says yes or
    `deadline_seconds` have passed. The server is in its own session: Ctrl-C reaches its owner only, who may still need
    it to drain.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        ready: Callable[[], bool],
        folder: Path | None = None,
        environ: Mapping[str, str] | None = None,
        deadline_seconds: float = 60.0,
    ) -> None:
        self.name = name
        self._argv = list(argv)
        self._ready = ready
        self._folder = folder
        self._temporary = folder is None
        self._environ = environ
        self._deadline_seconds = deadline_seconds
        self._server: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._server is not None and self._server.poll() is None

    @property
    def folder(self) -> Path:
        """Where it runs: its data and its log."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="noisegate-"))
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder

    @property
    def log(self) -> Path:
        """What it printed, over all its starts."""
        return self.folder / "server.log"

    @property
    def pid(self) -> int:
        """The server's process id."""
        if self._server is None:
            raise EmbeddedServerFailed(f"{self.name} is not running: start it first.")
        return self._server.pid

    def start(self) -> None:
        """Start and wait until ready; raises EmbeddedServerFailed with the tail of the log, and ends what it began."""
        if self.running:
            return
        try:
            self._spawn()
            self._await_ready()
        except BaseException:
            self.kill()
            raise

    def stop(self, grace_seconds: float = STOP_SECONDS) -> None:
        """SIGTERM, then SIGKILL when that took too long."""
        if self._server is None:
            return
        self._server.terminate()
        try:
            self._server.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.kill()

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        if self._server is not None:
            if self._server.poll() is None:
                os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait()
            self._server = None
        if self._watcher is not None:
            self._watcher.kill()
            self._watcher.communicate()
            self._watcher = None

    def restart(self) -> None:
        """Stop and start on the same port and folder."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop, and remove the folder if it was made here."""
        self.stop()
        if self._temporary and self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _spawn(self) -> None:
        with self.log.open("ab") as log:
            try:
                self._server = subprocess.Popen(
                    self._argv,
                    cwd=self.folder,
                    env=self._environ,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise EmbeddedServerFailed(f"{self.name} can't be started: {error}.") from error
        doomed = str(self.folder) if self._temporary else ""
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", WATCHER, str(self._server.pid), doomed],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _await_ready(self) -> None:
        deadline = time.monotonic() + self._deadline_seconds
        while not (self._ready() and self.running):
            if not self.running:
                raise EmbeddedServerFailed(f"{self.name} ended before it was ready; its log ends with: {self._tail()}")
            if time.monotonic() > deadline:
                raise EmbeddedServerFailed(
                    f"{self.name} was not ready within {self._deadline_seconds:g} s; its log ends with: {self._tail()}"
                )
            time.sleep(POLL_SECONDS)

    def _tail(self) -> str:
        text = self.log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")
        return text.strip() or "nothing"
