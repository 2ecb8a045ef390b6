"""`noisegate dev up` keeps a broker and a Redis running for other commands."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.mark.slow
def test_other_commands_reach_the_servers(run: Run, tmp_path: Path) -> None:
    """With the lines that it prints, another command finds the topics; Ctrl-C ends both servers with status 0."""
    command = [sys.executable, "-m", "stream", "dev", "up", "--kafka-port", "0", "--redis-port", "0"]
    with (tmp_path / "err").open("wb") as stderr:
        process = subprocess.Popen([*command, "--partitions", "2"], stdout=subprocess.PIPE, stderr=stderr, text=True)
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(7)]
        assert all(line.startswith("export NOISEGATE_") for line in lines)
        env = dict(line.removeprefix("export ").split("=", 1) for line in lines)
        topics = json.loads(run("topics", "describe", "--json", env=env).out)["topics"]
        assert {one["partitions"] for one in topics} == {2}
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()
    for address in (env["NOISEGATE_KAFKA_BOOTSTRAP_SERVERS"], env["NOISEGATE_REDIS_URL"][8:-2]):
        host, port = address.split(":")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)), timeout=60)


def test_a_port_in_use_is_refused(run: Run) -> None:
    """A server of somebody else is never taken for the embedded one."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = run("dev", "up", "--kafka-port", str(port))
        assert refused.status == 1
        assert f"port {port} is in use; name another with --kafka-port" in refused.err
