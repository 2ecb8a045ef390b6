"""What counting costs: `python -m benchmarks.counting`. The room on a log in memory and a real Redis.

On: drift and quality are counted, decided alerts wait in Redis until they mature; off: neither, all else the same. Told
are the share of the room's thread that counting takes where it is on, and beside it the CPU time of whole processes
run in turn, on and off. Then the time of one /metrics page.
"""

import gc
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import ParamSpec, TypeVar

from prometheus_client import generate_latest

from benchmarks import load
from benchmarks.model import make_model
from stream.config import Settings
from stream.core.events import Event, decode_event, seconds
from stream.core.fold import Decided, EntryKey
from stream.core.ledger import Cohort
from stream.core.problem import Problem, parse_problem
from stream.lane.app import GC_THRESHOLDS
from stream.lane.batch import Part
from stream.metrics import Metrics
from stream.models.serving import Model, load_model
from stream.scorer.answers import Scored
from stream.scorer.counting import Counting
from stream.scorer.maturing import Maturing
from stream.scorer.quality import Verdicts
from stream.scorer.redis_history import RedisHistory
from stream.scorer.tally import Tally
from tests.scorer.rig import TOPIC, Log, Rig
from tests.servers.redis import RedisServer

EVENTS, RUNS, BATCH = 60_000, 10, 500
P = ParamSpec("P")
T = TypeVar("T")
_PROBLEM = Path(__file__).parent / "problem.toml"


class Silent(Counting):
    """Counts nothing."""

    def count(self, scored: Iterable[Scored], tallies: Sequence[Tally]) -> None:
        """Nothing."""


class Timed:
    """CPU time of the room's thread, in all and for counting: a share that other work on the machine hardly moves."""

    counting = whole = 0.0

    def of(self, call: Callable[P, T]) -> Callable[P, T]:
        """The same call, its time added to `counting`."""

        def timed(*args: P.args, **kwargs: P.kwargs) -> T:
            began = time.thread_time()
            try:
                return call(*args, **kwargs)
            finally:
                self.counting += time.thread_time() - began

        return timed


class Forgetful(Maturing):
    """Keeps nothing for later."""

    def part(
        self, decided: Iterable[Decided], since: float, time: float, end: int
    ) -> tuple[Verdicts, dict[EntryKey, Cohort]]:
        """Nothing."""
        return Verdicts(), {}


def main() -> None:
    """Measure and print."""
    text = _PROBLEM.read_text().replace("horizon_hours = 24", "horizon_hours = 3")  # so that alerts mature in the run
    problem = parse_problem(text)
    with tempfile.TemporaryDirectory() as folder:
        model = load_model(make_model(problem, Path(folder)), problem)
    log = Log(4)
    for event in load.events(EVENTS):
        decoded: Event = decode_event(event.value)
        log.put(Part(TOPIC, log._choose(event.team.decode())), event.value, seconds(decoded.at))
    server = RedisServer()
    server.start()
    timed = Timed()
    try:
        runs = [(run % 2, *_run(server, log, problem, model, run, timed)) for run in range(2 * RUNS)]
    finally:
        server.stop()
    pairs = [100 * (counted[1] / silent[1] - 1) for silent, counted in zip(runs[::2], runs[1::2], strict=True)]
    page = min(scrape for kind, _, scrape in runs if kind)
    spent = timed.counting / RUNS / EVENTS * 1e6
    sys.stdout.write(
        f"counting: {100 * timed.counting / timed.whole:.1f} % of the thread, {spent:.2f} µs/event\n"
        f"whole, on against off: median {median(pairs):.1f} %, {min(pairs):.1f} to {max(pairs):.1f} %\n"
        f"/metrics: {page:.0f} ms\n"
    )


def _run(server: RedisServer, log: Log, problem: Problem, model: Model, run: int, timed: Timed) -> tuple[float, float]:
    """CPU µs an event, and milliseconds of one page; odd runs count."""
    days, ledger = problem.history.forget_days, problem.ledger_seconds
    history = RedisHistory(server.url, f"run{run}", 5.0, days, ledger, Metrics())
    rig = Rig(log, problem, history, Settings(tick_seconds=0), model)
    room = rig.room
    if run % 2:
        room._counting.count = timed.of(room._counting.count)  # type: ignore[method-assign]  # to be timed
        room._mature = timed.of(room._mature)  # type: ignore[method-assign]
    else:
        room._counting, room._maturing = Silent(Metrics(), {}, 60.0), Forgetful(problem, {})
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    began, thread = time.process_time(), time.thread_time()
    rig.run((BATCH,))
    cpu = (time.process_time() - began) / EVENTS * 1e6
    timed.whole += (time.thread_time() - thread) * (run % 2)
    began = time.process_time()
    generate_latest(rig.metrics.registry)
    return cpu, (time.process_time() - began) * 1e3


if __name__ == "__main__":
    main()
