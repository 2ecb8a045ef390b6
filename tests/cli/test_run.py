"""`noisegate run`: the rooms there are, and what they say when they can't run."""

import os
import signal
import socket
import subprocess
import sys
from importlib import import_module
from inspect import signature
from pathlib import Path

import pytest

from stream.cli.run import ROOMS
from stream.config import example_problem
from stream.dev.process import free_port
from tests.cli.conftest import Run, Scored

ENDS_SECONDS = 120


@pytest.mark.slow
def test_a_port_in_use_is_one_sentence_at_the_end(scored: Scored) -> None:
    """Where another process listens, standard error is that line, which names the setting to change; status 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        settings = {**scored.env, "NOISEGATE_DEPLOYMENT": "other", "NOISEGATE_METRICS_PORT": port}
        ran = subprocess.run(
            [sys.executable, "-m", "stream", "run", "scorer"],
            env=os.environ | settings,
            capture_output=True,
            text=True,
            timeout=ENDS_SECONDS,
            check=False,
        )
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"noisegate: metrics_port = {port}: ")
    assert len(ran.stderr.splitlines()) == 1
    assert ran.stdout == ""


@pytest.mark.slow
def test_sigterm_while_a_room_starts_ends_it_with_status_0(tmp_path: Path) -> None:
    """Kafka is away, nothing is begun: there is nothing to finish, and no fault either."""
    environment = {
        "NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "NOISEGATE_PROBLEM": str(example_problem()),
        "NOISEGATE_METRICS_PORT": str(free_port()),
        "NOISEGATE_MODEL_STORE": str(tmp_path),
        "NOISEGATE_MODEL_CACHE": str(tmp_path / "cache"),
    }
    with subprocess.Popen(
        [sys.executable, "-m", "stream", "run", "scorer"], env=os.environ | environment, stderr=subprocess.PIPE
    ) as room:
        assert room.stderr is not None
        assert b'"health"' in room.stderr.readline()
        room.send_signal(signal.SIGTERM)
        assert room.wait(ENDS_SECONDS) == 0


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_runs_what_the_table_names(name: str) -> None:
    """Each room's function is there, and takes the settings."""
    run = getattr(import_module(ROOMS[name].module), ROOMS[name].function)
    assert list(signature(run).parameters) == ["settings"]


@pytest.mark.slow
def test_the_rooms_are_listed(run: Run) -> None:
    """The help names each with what it does; without a room it is shown as well."""
    helped = run("run", "--help")
    assert helped.status == 0
    for name, room in ROOMS.items():
        assert name in helped.out
        assert room.does in " ".join(run("run", name, "--help").out.split())
    assert "scorer" in run("run").out


def test_an_unknown_room_is_one_sentence_with_those_there_are(run: Run) -> None:
    """Before any setting is read."""
    ran = run("run", "kitchen", env={"NOISEGATE_COLOUR": "red"})
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == f"noisegate: there is no room 'kitchen'; the rooms are: {', '.join(ROOMS)}\n"
