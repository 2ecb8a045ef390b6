"""A room without a lane as a process: it ends in order at a signal, by a fault, and where its event loop hangs."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stream.dev.process import free_port

ROOT = Path(__file__).parents[2]
SCRIPT = """
import asyncio, sys, time
from prometheus_client import CollectorRegistry
from stream.config import make_settings
from stream.core.errors import NoisegateError
from stream.lane.process import Callbacks, exit_on_sigterm
from stream.lane.runner import Runner

async def waits(stopping):
    await stopping.wait()
    print("finished", flush=True)

async def fails(stopping):
    raise NoisegateError("the socket is gone", "start it again")

async def ends(stopping):
    pass

async def hangs(stopping):
    time.sleep(600)

def say(word):
    return lambda: print(word, flush=True)

exit_on_sigterm()
settings = make_settings(metrics_port=int(sys.argv[2]), stall_seconds=float(sys.argv[3]))
callbacks = Callbacks(start=say("started"), stop=say("stopped"), ready=lambda: ["not yet"])
sys.exit(Runner(settings, CollectorRegistry(), globals()[sys.argv[1]], callbacks).run())
"""


def start(work: str, stall_seconds: float = 120.0) -> "subprocess.Popen[str]":
    """A process with this work."""
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, work, str(free_port()), str(stall_seconds)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_work_in_order(number: signal.Signals) -> None:
    """What runs beside it is stopped once, the work finishes what it began, the status is 0."""
    process = start("waits")
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    process.send_signal(number)
    printed, _ = process.communicate(timeout=60)
    assert (printed, process.returncode) == ("stopped\nfinished\n", 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("work", "sentence"),
    [("fails", "noisegate: the socket is gone; start it again"), ("ends", "the work ended without a signal")],
)
def test_a_fault_ends_the_process_with_its_sentence(work: str, sentence: str) -> None:
    """The status is 1; work that ends by itself is a fault too."""
    printed, said = start(work).communicate(timeout=60)
    assert printed == "started\nstopped\n"
    assert sentence in said


@pytest.mark.slow
def test_a_hanging_event_loop_ends_the_process() -> None:
    """The watchdog ends it with status 70 after `stall_seconds`."""
    process = start("hangs", stall_seconds=1.0)
    process.communicate(timeout=120)
    assert process.returncode == 70
