"""The benchmark runs, checks what came out and writes its files; nothing is said about speed."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.servers.availability import unavailable
from tests.servers.kafka import ROOT

CONTENDERS = {"noisegate", "quixstreams", "faust", "confluent_kafka"}


@pytest.fixture
def benchmark_extra() -> None:
    """What the benchmark needs beside the servers."""
    for library in ("quixstreams", "matplotlib", "psutil"):
        if find_spec(library) is None:
            unavailable(f"{library} is not installed (extra bench)")


@pytest.mark.slow
@pytest.mark.redis
@pytest.mark.usefixtures("kafka", "benchmark_extra")
def test_every_contender_does_the_job(tmp_path: Path) -> None:
    """A quick run lets all four do the whole job, and the figures are where readers look for them."""
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--folder", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert run.returncode == 0, run.stderr[-2_000:]
    figures = json.loads((tmp_path / "results" / "latest.json").read_text())
    assert set(figures["throughput"]) == CONTENDERS
    assert all(one["events_per_second"] > 0 for one in figures["throughput"].values())
    ours = figures["throughput"]["noisegate"]
    assert ours["enriched"] == ours["raised"]
    assert ours["outcomes"] == ours["events"] - ours["raised"]
    assert (tmp_path / "results" / "throughput.png").read_bytes().startswith(b"\x89PNG")
    assert str(tmp_path) not in (tmp_path / "RESULTS.md").read_text()
