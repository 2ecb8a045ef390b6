"""The command in this process, and a stack on which a small log, good and bad, has been scored."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from confluent_kafka import Producer

from stream.cli import main
from stream.dev.shipped import simulated_problem
from stream.dev.stack import Stack, running_stack
from stream.eventlog import read_log
from stream.kafka.clients import producer_settings
from stream.kafka.replay import Feed, Schedule
from stream.simulation import write_events

DEADLINE_SECONDS = 120
BAD = {
    "not_json": b"{",
    "unknown_type": b'{"type":"rang","at":"2026-01-01T00:00:00Z"}',
    "bad_field": b'{"type":"raised","at":"2026-01-01T00:00:00Z"}',
    "too_large": b" " * 300_000,
}


class Ran(NamedTuple):
    """How the command ended, and what it said."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one line of JSON on standard output."""
        return json.loads(self.out)


Run = Callable[..., Ran]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """`noisegate` with these arguments; keyword `env` gives its NOISEGATE_ variables."""

    def call(*arguments: str, env: dict[str, str] | None = None) -> Ran:
        status = 0
        with monkeypatch.context() as patched:
            for key, value in (env or {}).items():
                patched.setenv(key, value)
            capfd.readouterr()
            try:
                main(arguments)
            except SystemExit as ended:
                status = ended.code if isinstance(ended.code, int) else 0
        return Ran(status, *capfd.readouterr())

    return call


class Scored(NamedTuple):
    """A stack that is up and has folded a log, the environment by which the command reaches it, and the log."""

    stack: Stack
    env: dict[str, str]
    log: Path
    alerts: int


@pytest.fixture(scope="package")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scored]:
    """Three simulated days and one record of each kind of bad input, folded by a real scorer without a model."""
    folder = tmp_path_factory.mktemp("scored")
    log = folder / "events.jsonl.gz"
    write_events(log, days=3, scale=0.3)
    with running_stack(simulated_problem(), folder / "models") as stack:
        settings = stack.settings
        feed = Feed(settings)
        schedule = Schedule(read_log(log), None)
        while not schedule.done:
            feed.send(schedule.take(1_000))
        feed.flush()
        producer = Producer(producer_settings(settings))
        for value in BAD.values():
            producer.produce(settings.topics.events, value, b"nobody")
        producer.produce(settings.topics.events, misplaced(), partition=(home("storage", feed.partitions) + 1) % 4)
        producer.flush()
        await_folded(stack, feed.sent + len(BAD) + 1)
        alerts = len({line.event.alert_id for line in read_log(log) if line.event.__class__.__name__ == "Raised"})  # type: ignore[union-attr]
        yield Scored(stack, environment(stack), log, alerts)


def misplaced() -> bytes:
    """An alert to be sent into another partition than its team's."""
    alert = {"type": "raised", "alert_id": "LOST-1", "team": "storage", "rule": "disk_full", "entity": "disk-1"}
    return json.dumps({**alert, "at": "2026-01-03T12:00:00Z"}).encode()


def home(team: str, partitions: int) -> int:
    """The team's partition."""
    from stream.kafka.partitioner import partition_chooser

    return partition_chooser("murmur2_random", partitions)(team)


def environment(stack: Stack) -> dict[str, str]:
    """The variables by which the command reaches the stack."""
    settings = stack.settings
    return {
        "NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
        "NOISEGATE_REDIS_URL": settings.redis.url,
        "NOISEGATE_PROBLEM": str(settings.problem),
        "NOISEGATE_MODEL_STORE": settings.models.store,
        "NOISEGATE_BROKER_END_OFFSETS": "false",
    }


def await_folded(stack: Stack, records: int) -> None:
    """Wait until the scorer is done with so many records."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while stack.scorer.folded() < records:
        stack.scorer.check()
        assert time.monotonic() < deadline, f"{stack.scorer.folded()} of {records} records folded"
        time.sleep(0.05)
