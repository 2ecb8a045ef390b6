"""What ledger entries take in Redis: `python -m benchmarks.ledger_bytes LOG PROBLEM`, on a redis-server of its own.

The log is folded; each alert's entry is written under a key as the scorer's, with a score as the scorer's, again and
again under other alert ids until there are enough: as it was when raised (open), and as it was once decided. What is
told is Redis' own used_memory, keys included.
"""

import argparse
import sys
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import redis

from stream.config import load_problem
from stream.core.effects import Arrived, Decided
from stream.core.fold import Fold
from stream.core.ledger import pack_entry
from stream.eventlog import read_log
from tests.servers.redis import RedisServer

ENTRIES = 250_000
_PREFIX = "noisegate:{alerts.events:0}:1:a:"
_SCORE = [0.0731, "likely_noise", "2026-03-01-a1b2c3d4", "strong", None, None]
_CHUNK = 10_000

Named = tuple[str, bytes]  # team, packed entry


def entries(log: Path, problem: Path) -> dict[str, list[Named]]:
    """Each alert's packed entry when it was raised, and when it was first decided."""
    fold = Fold(load_problem(problem))
    found: dict[str, list[Named]] = {"open": [], "decided": []}
    for line in read_log(log):
        fold.step(line.event, line.at, line.value)
        for came in fold.effects:
            if type(came) is Arrived:
                came.alert.score = _SCORE
                found["open"].append((came.event.team, pack_entry(came.alert)))
            elif type(came) is Decided:
                found["decided"].append((came.team, pack_entry(came.alert)))
        fold.clear_effects()
        fold.take_rows()
    return found


def used(client: Any, named: Sequence[Named]) -> float:
    """Bytes an entry in an empty Redis."""
    client.flushall()
    before = client.info("memory")["used_memory"]
    numbered = enumerate(islice(cycle(named), ENTRIES))
    while chunk := list(islice(numbered, _CHUNK)):
        client.mset({f"{_PREFIX}{team}\0INC{number:010d}": value for number, (team, value) in chunk})
    return float((client.info("memory")["used_memory"] - before) / ENTRIES)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ledger_bytes", description=__doc__)
    parser.add_argument("log", type=Path)
    parser.add_argument("problem", type=Path)
    options = parser.parse_args(arguments)
    server = RedisServer()
    server.start()
    try:
        client: Any = redis.Redis.from_url(server.url)
        for name, named in entries(options.log, options.problem).items():
            packed = sum(len(value) for _, value in named) / len(named)
            taken = used(client, named)
            sys.stdout.write(f"{name}: {packed:.0f} bytes packed, {taken:.0f} in Redis: {taken:.0f} MB a million\n")
    finally:
        server.stop()


if __name__ == "__main__":
    main()
