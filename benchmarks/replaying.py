"""How fast the lab reads and folds event logs, on one core: `python -m benchmarks.replaying LOG...`.

A log without a problem file of its own has the one beside it, with the ending .toml. What is told is the best of some
rounds in seconds of processor time, so that a busy machine tells little less than a quiet one.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from benchmarks.machine import machine
from stream.config import load_problem
from stream.eventlog import read_log
from stream.lab.replaying import replay

ROUNDS = 5


class Speed(Struct, frozen=True):
    """Events a second of one log."""

    log: str
    events: int
    alerts: int
    decoding: float  # reading and decoding alone
    folding: float  # of events decoded before
    replaying: float  # both, from the file to columns


def measure(log: Path, problem: Path, rounds: int = ROUNDS) -> Speed:
    """Read and fold a log some times; the best round counts."""
    definition = load_problem(problem)
    lines = list(read_log(log))
    events = len(lines)
    alerts = len(replay(lines, definition).alerts)
    folding = _best(lambda: replay(lines, definition), rounds)
    lines.clear()
    decoding = _best(lambda: sum(1 for _ in read_log(log)), rounds)
    both = _best(lambda: replay(read_log(log), definition), rounds)
    return Speed(log.name, events, alerts, events / decoding, events / folding, events / both)


def table(speeds: Sequence[Speed]) -> str:
    """For people, with the machine and the day."""
    on = machine()
    lines = [
        f"{on['processor']}, {on['cores']} cores, {on['system']}; {datetime.now(UTC):%Y-%m-%d}; one core, events/s",
        f"{'log':32}{'events':>10}{'alerts':>10}{'decode':>12}{'fold':>12}{'replay':>12}",
    ]
    for of in speeds:
        rates = "".join(f"{round(rate, -3):>12,.0f}" for rate in (of.decoding, of.folding, of.replaying))
        lines.append(f"{of.log:32}{of.events:>10,}{of.alerts:>10,}{rates}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the logs named and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replaying", description=__doc__)
    parser.add_argument("logs", nargs="+", type=Path, metavar="LOG")
    parser.add_argument("--problem", type=Path, help="of all logs; default: the .toml beside each")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args(arguments)
    speeds = [measure(log, options.problem or _beside(log), options.rounds) for log in options.logs]
    print(table(speeds))  # noqa: T201 - its report


def _beside(log: Path) -> Path:
    return log.with_name(log.name.split(".")[0] + ".toml")


def _best(work: Callable[[], object], rounds: int) -> float:
    seconds = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        seconds.append(time.process_time() - began)
    return max(min(seconds), 1e-9)


if __name__ == "__main__":
    main()
