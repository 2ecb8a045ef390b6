"""`python -m benchmarks.challenging`: what a challenger costs, in a real scorer and in the scoring of a batch alone.

The same backlog is worked off with a challenger and without, in turns; both models are the benchmark's 200 trees.
"""

import statistics
import sys
import time
from collections.abc import Sequence
from typing import Annotated

import msgspec
import typer
from msgspec import Struct

from benchmarks import load
from benchmarks.contenders import CONTENDERS
from benchmarks.measure import throughput
from benchmarks.servers import Bench, servers
from benchmarks.versions import copy_version
from stream.core.effects import Arrived
from stream.core.events import decode_event, seconds
from stream.core.fold import Fold
from stream.core.frame import Array
from stream.models.pointers import CHALLENGER, Pointer
from stream.models.active import Challenger, ActiveModels
from stream.models.store import Store
from stream.scorer.score import BatchScores

TARGET_SHARE = 0.30
BATCHES = (1, 10, 100, 1_000)
_REPEATS = 200
_PATIENCE = 5.0

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Cost(Struct, frozen=True):
    """Wall µs an alert of scoring a batch: the champion alone, and with a challenger."""

    alone: float
    both: float


class Challenging(Struct, frozen=True):
    """Events a second, run by run, and the median's loss; `answers` by the size of the batch."""

    without: list[float]
    with_challenger: list[float]
    lost_share: float
    answers: dict[int, Cost]


@app.command()
def main(
    events: Annotated[int, typer.Option(help="Events that wait in each run.")] = 300_000,
    pairs: Annotated[int, typer.Option(help="Runs with and without; 0: only the scoring of a batch.")] = 3,
) -> None:
    """Measure, and tell in JSON."""
    with servers() as bench:
        (version,) = Store(str(bench.models)).versions()
        rival = copy_version(bench.models, version, 1)
        costs = answers(bench)
        without, beside = paired(bench, rival, events, pairs) if pairs else ([], [])
    lost = 1.0 - statistics.median(beside) / statistics.median(without) if pairs else float("nan")
    measured = Challenging(without, beside, lost, costs)
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(measured), indent=1).decode() + "\n")
    sys.stderr.write(f"a challenger costs {lost:.0%} of the throughput (target under {TARGET_SHARE:.0%})\n")


def paired(bench: Bench, rival: str, events: int, pairs: int) -> tuple[list[float], list[float]]:
    """Work off the same backlog in turns, without and with the challenger."""
    store = Store(str(bench.models))
    without: list[float] = []
    beside: list[float] = []
    for turn in range(pairs):
        for pointer, rates in ((None, without), (Pointer(rival), beside)):
            if pointer is not None or store.pointer(CHALLENGER) is not None:
                store.point(CHALLENGER, pointer)
            contender = CONTENDERS["noisegate"]._replace(name=f"noisegate.{turn}.{'with' if pointer else 'without'}")
            rates.append(throughput(bench, contender, events).events_per_second)
            sys.stderr.write(f"{contender.name}: {rates[-1]:,.0f} events/s\n")
    return without, beside


def answers(bench: Bench) -> dict[int, Cost]:
    """Score batches of the load's own rows, as the scorer does."""
    setting = bench.setting("answers")
    fold, arrived = Fold(setting.problem()), list[Arrived]()
    for record in load.events(20_000):
        event = decode_event(record.value)
        fold.step(event, seconds(event.at))
    arrived = [one for one in fold.effects if type(one) is Arrived]
    rows = fold.take_rows()
    champion, rival = setting.model(), setting.model()
    alone = ActiveModels((champion,))
    both = ActiveModels((champion,), None, Challenger(rival, _PATIENCE))
    return {size: Cost(*(_cost(arrived[-size:], rows[-size:], served) for served in (alone, both))) for size in BATCHES}


def _cost(arrived: Sequence[Arrived], rows: Array, served: ActiveModels) -> float:
    """The median of many batches, µs an alert."""
    took = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        BatchScores(arrived, rows, served)
        took.append(time.perf_counter() - began)
    return statistics.median(took) / len(arrived) * 1e6


if __name__ == "__main__":
    app()
