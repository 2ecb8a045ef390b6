"""The loop that keeps a model young, as people run it: retrain, promote, score, retrain; nothing moves by itself."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from stream.core.once import Once
from stream.core.records import Enriched, decode_enriched
from stream.dev.shipped import simulated_problem
from stream.dev.stack import Stack, running_stack
from stream.eventlog import Line, read_log
from stream.kafka.reader import Reader
from stream.kafka.replay import Feed
from stream.models.artifact import verify
from stream.models.pointers import CHALLENGER, CHAMPION, Pointer
from stream.models.store import Store
from stream.simulation import write_events
from tests.servers.kafka import ROOT

pytestmark = [pytest.mark.slow]

DAYS, FIRST_DAYS = 30, 24
JUDGED = ("--judge-days", "11")
Command = Callable[..., "subprocess.CompletedProcess[str]"]


def commanding(stack: Stack, folder: Path) -> Command:
    """`noisegate` as a process, as cron would run it, on the stack."""
    settings = stack.settings
    env = {key: value for key, value in os.environ.items() if not key.startswith("NOISEGATE_")} | {
        "NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
        "NOISEGATE_REDIS_URL": settings.redis.url,
        "NOISEGATE_PROBLEM": str(settings.problem),
        "NOISEGATE_MODEL_STORE": settings.models.store,
        "NOISEGATE_MODEL_CACHE": str(folder / "cache"),
        "NOISEGATE_BROKER_END_OFFSETS": "false",
    }

    def call(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "stream", *arguments]
        return subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=150, check=False)

    return call


def feed(stack: Stack, lines: list[Line], before: int) -> int:
    """Send events and wait until they are folded; returns how many records the scorer is then done with."""
    sender = Feed(stack.settings)
    sender.send(lines)
    sender.flush()
    done, deadline = before + sender.sent, time.monotonic() + 60
    while stack.scorer.folded() < done:
        stack.scorer.check()
        assert time.monotonic() < deadline, f"{stack.scorer.folded()} of {done} records folded"
        time.sleep(0.1)
    return done


def scored_since(stack: Stack, at: datetime) -> list[Enriched]:
    """The enriched records of alerts raised from a time on, each once."""
    once = Once()
    with Reader(stack.settings, [stack.settings.topics.enriched]) as reader:
        records = [decode_enriched(message.value() or b"") for message in reader.read_all()]
    return [record for record in records if record.alert.at >= at and once.takes(record)]


def test_retrain_promote_score_retrain(tmp_path: Path) -> None:
    """The first version serves nobody until it is promoted; the second is challenger, the champion stays."""
    write_events(tmp_path / "log.jsonl", days=DAYS, scale=0.4)
    lines = list(read_log(tmp_path / "log.jsonl"))
    cut = lines[0].at + timedelta(days=FIRST_DAYS).total_seconds()
    with running_stack(simulated_problem(), tmp_path / "models") as stack:
        noisegate, store = commanding(stack, tmp_path), Store(stack.settings.models.store)
        done = feed(stack, [line for line in lines if line.at < cut], 0)

        first = noisegate("retrain", *JUDGED)
        assert first.returncode in (0, 2), first.stderr
        (champion,) = store.versions()
        assert "There is no champion yet" in first.stdout
        assert store.pointer(CHAMPION) is store.pointer(CHALLENGER) is None
        gate = verify(store.fetch(champion, tmp_path)).gate
        assert gate is not None
        assert first.returncode == (0 if gate.passed else 2)
        forced = () if gate.passed else ("--force", "the journey's first model")
        promoted = noisegate("models", "promote", champion, *forced)
        assert promoted.returncode == 0, promoted.stderr
        stack.scorer.await_model()

        feed(stack, [line for line in lines if line.at >= cut], done)
        served = scored_since(stack, datetime.fromtimestamp(cut, lines[0].event.at.tzinfo))
        assert len(served) > 500
        assert {record.score.model for record in served} == {champion}

        second = noisegate("retrain", *JUDGED, "--json", "--force", "whatever the gate says")
        assert second.returncode == 0, second.stderr
        found = json.loads(second.stdout)
        (challenger,) = set(store.versions()) - {champion}
        assert (found["standing"], found["version"], found["champion"]) == ("challenger", challenger, champion)
        assert store.pointer(CHAMPION) == Pointer(champion)
        assert store.pointer(CHALLENGER) == Pointer(challenger)
        compared = found["moved"]["comparison"]
        assert compared["matured"] == found["metrics"]["judged"]
        assert compared["brier"]["low"] <= compared["brier"]["value"] <= compared["brier"]["high"]
        page = (store.fetch(challenger, tmp_path) / "retrain.md").read_text()
        assert f"It is the challenger of {champion}" in page
        assert f"| | champion {champion} | new {challenger} | difference | 95 % interval |" in page
        assert f"`noisegate models promote {challenger}`" in page

        early = noisegate("models", "promote", challenger)
        assert early.returncode == 1
        assert "of 500 alerts" in early.stderr or "did not pass the gate" in early.stderr
        assert store.pointer(CHAMPION) == Pointer(champion)
