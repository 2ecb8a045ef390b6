"""The scorer with cProfile on its lane thread: as a program, what `--profile` runs in noisegate's place."""

import cProfile
import os
import pstats
import sys
from pathlib import Path

from benchmarks import load
from benchmarks.contenders import Contender
from benchmarks.servers import Bench, process
from benchmarks.setting import from_arguments
from benchmarks.topics import Feed, Reader
from benchmarks.watch import Watch

PROFILED = Contender("profiled", "benchmarks.profiling", "noisegate", "the scorer under cProfile", exact=True)
_FILE, _ROWS = "profile.txt", 60


def profile(bench: Bench, events: int) -> str:
    """Where the lane thread spends its time on a backlog: cProfile's table, own time first."""
    setting = bench.setting(PROFILED.name)
    raised = Feed(setting.kafka, setting.events_topic, paced=False).send_all(load.events(events))
    reader = Reader(setting.kafka, setting.enriched_topic)
    with process(PROFILED, setting) as running:
        Watch(running, bench.processes, reader).until(raised)
        folder = running.folder
        running.stop(30.0)
        table = (folder / _FILE).read_text()
    reader.close()
    return f"{events:,} events; seconds x {1e6 / events:.2f} = µs/event\n{table}"


def main() -> None:
    """Run the scorer until SIGTERM, then write the table into the working folder."""
    from stream.lane.faust import run
    from stream.scorer.worker import make_scorer

    settings = from_arguments().settings()
    lane = make_scorer(settings)
    profiler = cProfile.Profile()
    lane.loop.thread.submit(profiler.enable)
    status = run(lane)
    with Path(_FILE).open("w", encoding="utf-8") as file:
        stats = pstats.Stats(profiler, stream=file).strip_dirs()
        stats.sort_stats("tottime").print_stats(_ROWS)
        stats.sort_stats("cumtime").print_stats(_ROWS)
    sys.stdout.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
