"""What counting costs: `python -m benchmarks.counting`. The room on a log in memory and a real Redis.

On: drift and quality are counted; off: they are not, all else the same. CPU time of the process, the smallest of some
runs in turn, as other work on the machine only adds. Beside it the time of one /metrics page.
"""

import gc
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from prometheus_client import generate_latest

from benchmarks import load
from benchmarks.model import make_model
from stream.config import Settings
from stream.core.events import Event, decode_event, seconds
from stream.core.problem import Problem, parse_problem
from stream.lane.batch import Part
from stream.metrics import Metrics
from stream.models.serving import Model, load_model
from stream.scorer.answers import Scored
from stream.scorer.counting import Counting
from stream.scorer.redis_history import RedisHistory
from stream.scorer.tally import Tally
from tests.scorer.rig import TOPIC, Log, Rig
from tests.servers.redis import RedisServer

EVENTS, RUNS, BATCH = 20_000, 6, 1_000
_PROBLEM = Path(__file__).parent / "problem.toml"


class Silent(Counting):
    """Counts nothing."""

    def count(self, scored: Iterable[Scored], tallies: Sequence[Tally]) -> None:
        """Nothing."""


class Timed(Counting):
    """Counts, and how long it takes."""

    spent = 0.0

    def count(self, scored: Iterable[Scored], tallies: Sequence[Tally]) -> None:
        """Count; CPU time of this thread alone, which other work on the machine hardly moves."""
        began = time.thread_time()
        super().count(scored, tallies)
        Timed.spent += time.thread_time() - began


def main() -> None:
    """Measure and print."""
    text = _PROBLEM.read_text().replace("horizon_hours = 24", "horizon_hours = 1")  # so that alerts mature in the run
    problem = parse_problem(text)
    with tempfile.TemporaryDirectory() as folder:
        model = load_model(make_model(problem, Path(folder)), problem)
    log = Log(4)
    for event in load.events(EVENTS):
        decoded: Event = decode_event(event.value)
        log.put(Part(TOPIC, log._choose(event.team.decode())), event.value, seconds(decoded.at))
    server = RedisServer()
    server.start()
    try:
        runs = [(run % 2, *_run(server, log, problem, model, run)) for run in range(2 * RUNS)]
    finally:
        server.stop()
    off, on = (min(cpu for kind, cpu, _ in runs if kind == wanted) for wanted in (0, 1))
    page = min(scrape for kind, _, scrape in runs if kind)
    share = 100 * (on / off - 1)
    spent = Timed.spent / RUNS / EVENTS * 1e6
    sys.stdout.write(f"in counting: {spent:.2f} µs/event, {100 * spent / off:.1f} %\n")
    sys.stdout.write(f"CPU µs/event: {on:.2f} counted, {off:.2f} not: {share:.1f} %\n/metrics: {page:.0f} ms\n")


def _run(server: RedisServer, log: Log, problem: Problem, model: Model, run: int) -> tuple[float, float]:
    """CPU µs an event, and milliseconds of one page; odd runs count."""
    days, ledger = problem.history.forget_days, problem.ledger_seconds
    history = RedisHistory(server.url, f"run{run}", 5.0, days, ledger, Metrics())
    rig = Rig(log, problem, history, Settings(tick_seconds=0), model)
    counting = Timed(rig.metrics, {}, 60.0) if run % 2 else Silent(Metrics(), {}, 60.0)
    rig.room._counting = counting
    gc.collect()
    gc.freeze()
    began = time.process_time()
    rig.run((BATCH,))
    cpu = (time.process_time() - began) / EVENTS * 1e6
    began = time.process_time()
    generate_latest(rig.metrics.registry)
    return cpu, (time.process_time() - began) * 1e3


if __name__ == "__main__":
    main()
