"""A command that waits for Kafka says so, and only then."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextvars import Context
from pathlib import Path

import pytest
from confluent_kafka import Producer

from stream.dev.shipped import simulated_problem
from stream.simulation import write_events
from stream.waiting import announce, until_answered
from tests.cli.conftest import Run, Scored
from tests.servers.kafka import ApacheKafka
from tests.waits import until

DEADLINE_SECONDS = 150.0
VERBS = (
    "failed list",
    "failed replay",
    "tail enriched",
    "lab pull --output {folder}/pulled.jsonl",
    "retrain",
    "replay {folder}/log.jsonl",
    "topics create",
    "topics describe",
    "history show payments",
    "doctor",
)


@pytest.fixture
def mute_server() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.slow
def test_every_command_says_that_it_waits(mute_server: str, tmp_path: Path) -> None:
    """All commands that talk to Kafka, side by side before a server that is mute, name it on standard error alone."""
    write_events(tmp_path / "log.jsonl", days=1, scale=0.1)
    env = {
        **os.environ,
        "NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": mute_server,
        "NOISEGATE_PROBLEM": str(simulated_problem()),
        "NOISEGATE_MODEL_STORE": str(tmp_path / "store"),
        "NOISEGATE_MODEL_CACHE": str(tmp_path / "cache"),
    }
    started = {}
    for verb in VERBS:
        arguments = verb.format(folder=tmp_path).split()
        out, err = (tmp_path / f"{verb.split(' {')[0]}.{end}".replace(" ", "-") for end in ("out", "err"))
        with out.open("wb") as stdout, err.open("wb") as stderr:
            command = [sys.executable, "-m", "stream", *arguments]
            started[verb] = (subprocess.Popen(command, env=env, stdout=stdout, stderr=stderr), out, err)
    try:
        deadline = time.monotonic() + DEADLINE_SECONDS
        told = f"waiting for Kafka at {mute_server}..."
        while silent := [verb for verb, (_, _, err) in started.items() if told not in err.read_text()]:
            assert time.monotonic() < deadline, {verb: started[verb][2].read_text() for verb in silent}
            time.sleep(0.05)
        assert [out.read_text() for _, out, _ in started.values()] == [""] * len(VERBS)
    finally:
        for process, _, _ in started.values():
            process.kill()
            process.wait()


@pytest.mark.slow
def test_a_command_that_is_answered_says_nothing(run: Run, scored: Scored) -> None:
    """Where Kafka answers, nothing is said of waiting, however many records are read."""
    for verb in (("failed", "list"), ("tail", "enriched", "--until-idle", "0.5")):
        # Asked again, as a busy machine may keep one answer from coming in time.
        until(lambda verb=verb: "waiting for Kafka" not in run(*verb, env=scored.env).err, 60)  # type: ignore[misc]


@pytest.mark.slow
def test_tail_says_that_kafka_went_away(fresh_kafka: ApacheKafka, tmp_path: Path) -> None:
    """A tail that has read everything says so, once, when the broker goes."""
    env = {**os.environ, "NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": fresh_kafka.bootstrap_servers}
    create = [sys.executable, "-m", "stream", "topics", "create", "--partitions", "1"]
    subprocess.run(create, env=env, check=True, capture_output=True)
    producer = Producer({"bootstrap.servers": fresh_kafka.bootstrap_servers})
    producer.produce("alerts.events", b"the last record")
    producer.flush()
    out, err = tmp_path / "out", tmp_path / "err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        command = [sys.executable, "-m", "stream", "tail", "events"]
        process = subprocess.Popen(command, env=env, stdout=stdout, stderr=stderr)
    try:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while "the last record" not in out.read_text():
            assert time.monotonic() < deadline, err.read_text()
            time.sleep(0.05)
        before = err.read_text().count("waiting for Kafka at")  # none, unless the machine was slow
        fresh_kafka.kill()
        until(lambda: err.read_text().count("waiting for Kafka at") > before, DEADLINE_SECONDS)
        assert process.poll() is None, err.read_text()
        assert err.read_text().count("waiting for Kafka at") == before + 1
    finally:
        process.kill()
        process.wait()


def test_rooms_announce_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """Without somebody to tell, as in a worker, a call that takes long starts no timer and prints nothing."""

    def call() -> set[threading.Thread]:
        assert announce.get() is None
        with until_answered("127.0.0.1:9"):
            return set(threading.enumerate())

    before = set(threading.enumerate())
    assert Context().run(call) <= before
    assert capfd.readouterr() == ("", "")
