"""What counting costs: `python -m benchmarks.counting`. The room on a log in memory and a real Redis.

On: drift and quality are counted, decided alerts wait in Redis until they mature; off: neither, all else the same. Both
work on the same log batch by batch in turn, so that other work on the machine falls on both; CPU time of the process.
Beside it the time of one /metrics page.
"""

import gc
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from msgspec import Struct
from prometheus_client import generate_latest

from benchmarks import load
from benchmarks.model import make_model
from stream.config import make_settings
from stream.core.effects import Decided
from stream.core.events import Event, decode_event, seconds
from stream.core.ledger import Timer
from stream.core.problem import Problem, parse_problem
from stream.core.state import GC_THRESHOLDS
from stream.kafka.records import Part
from stream.metrics.scorer import ScorerMetrics
from stream.models.model import Model, load_model
from stream.scorer.metrics.maturity import MaturityQueue
from stream.scorer.metrics.recorder import MetricsRecorder
from stream.scorer.metrics.tally import Tally
from stream.scorer.metrics.verdicts import Verdicts
from stream.scorer.model_faults import Failure
from stream.scorer.redis_history import RedisHistory
from stream.scorer.score import Scored
from tests.scorer.rig import TOPIC, Log, Rig
from tests.servers.redis import RedisServer

EVENTS, RUNS, BATCH = 120_000, 7, 500
_PROBLEM = Path(__file__).parent / "problem.toml"


class Silent(MetricsRecorder):
    """Counts nothing."""

    def record(self, scored: Iterable[Scored], tallies: Sequence[Tally]) -> list[Failure]:
        """Nothing."""
        return []


class Forgetful(MaturityQueue):
    """Keeps nothing for later."""

    def split(
        self, decided: Iterable[Decided], since: float, time: float, batch: str
    ) -> tuple[Verdicts, dict[str, Timer]]:
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
    try:
        runs = [_run(server, log, problem, model, run) for run in range(RUNS)]
    finally:
        server.stop()
    shares = [100 * (run.on / run.off - 1) for run in runs]
    sys.stdout.write(
        f"counting: {median(shares):.1f} %, {min(shares):.1f} to {max(shares):.1f} % in {RUNS} runs of {EVENTS:,}\n"
        f"CPU µs/event: {median([run.on for run in runs]):.1f} on, {median([run.off for run in runs]):.1f} off\n"
        f"/metrics: {min(run.page for run in runs):.0f} ms\n"
    )


class Run(Struct):
    """CPU µs an event with counting on and off, and milliseconds of one page."""

    on: float = 0.0
    off: float = 0.0
    page: float = 0.0


def _run(server: RedisServer, log: Log, problem: Problem, model: Model, number: int) -> Run:
    rigs = {
        name: Rig(
            log,
            problem,
            RedisHistory.of(
                make_settings(redis_url=server.url, deployment=f"{name}{number}", history_timeout_seconds=5.0),
                problem,
                ScorerMetrics(),
            ),
            make_settings(tick_seconds=0),
            model,
        )
        for name in ("on", "off")
    }
    room = rigs["off"].room
    room._recorder, room._pipeline._maturity = Silent(ScorerMetrics(), {}, 60.0), Forgetful(problem, {})
    spent = dict.fromkeys(rigs, 0.0)
    for rig in rigs.values():
        rig.assign()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    most = max(len(records) for records in log.records.values())
    for turn, start in enumerate(range(0, most, BATCH)):
        fetched = {part: records[start : start + BATCH] for part, records in log.records.items()}
        for name in sorted(rigs, reverse=bool(turn % 2)):  # each goes first as often
            began = time.process_time()
            rigs[name].engine.step(fetched)
            rigs[name].engine.settle()
            spent[name] += time.process_time() - began
    began = time.process_time()
    generate_latest(rigs["on"].metrics.registry)
    page = (time.process_time() - began) * 1e3
    return Run(spent["on"] / EVENTS * 1e6, spent["off"] / EVENTS * 1e6, page)


if __name__ == "__main__":
    main()
