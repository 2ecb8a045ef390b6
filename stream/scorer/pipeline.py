"""One round: every partition's batch folded, all new alerts scored in one call of the model, the records encoded."""

from collections.abc import Callable, Mapping

import numpy as np
from msgspec import Struct, field

from stream.config import Settings
from stream.core.effects import Arrived, Decided
from stream.core.problem import Problem
from stream.kafka.records import Output, Part
from stream.lane.batch import Work
from stream.metrics.scorer import ScorerMetrics
from stream.models.active import ActiveModels
from stream.scorer.bad_records import bad_flags
from stream.scorer.decode import Decoded
from stream.scorer.history import Write
from stream.scorer.metrics.maturity import MaturityQueue
from stream.scorer.metrics.tally import Tally
from stream.scorer.model_faults import ModelFaults
from stream.scorer.output import OutputBuilder
from stream.scorer.partition import Partition, TouchedKeys
from stream.scorer.score import BatchScores, Scored


class PendingRound(Struct):
    """What the room needs to write and count a round of batches, once it is published."""

    touched: dict[Part, TouchedKeys]
    tallies: dict[Part, Tally]
    scored: list[Scored]  # by whom, rows numbered over all partitions
    bad: list[bool]  # of each record in turn, whether it could not be folded
    writes: dict[Part, Write] = field(default_factory=dict)


class Pipeline:
    """Folds, scores and explains a round of batches whose states were read.

    Args:
        settings: topics and limits.
        problem: what is being predicted.
        metrics: the process's metrics.
        served: gives what to score with; asked once a round.
        clock: the wall clock, seconds since 1970, for `scored_at`.
        maturing: says when decided alerts are counted.
        model_faults: counts and logs what models do wrong.
    """

    def __init__(
        self,
        settings: Settings,
        problem: Problem,
        metrics: ScorerMetrics,
        served: Callable[[], ActiveModels],
        clock: Callable[[], float],
        maturing: MaturityQueue,
        model_faults: ModelFaults,
    ) -> None:
        self._metrics = metrics
        self._served = served
        self._clock = clock
        self._maturity = maturing
        self._model_faults = model_faults
        self._output = OutputBuilder(settings, problem)

    def run(
        self,
        decoded: Mapping[Part, Decoded],
        partitions: Mapping[Part, Partition],
        touched: dict[Part, TouchedKeys],
        ends: dict[Part, int],
    ) -> Work:
        """What is to be published of a round, with what is to be written after it.

        Args:
            decoded: each partition's batch.
            partitions: hold the states that the batches will touch.
            touched: the keys that the batches may change; timers that are set are added.
            ends: the offset at which each partition goes on.
        """
        tallies = {}
        silent = {part: partitions[part].run(batch) for part, batch in decoded.items()}
        scores = self._score(decoded, partitions)
        outputs: list[Output] = []
        now = self._clock()
        for part, batch in decoded.items():
            partition = partitions[part]
            tally = tallies[part] = Tally(now)
            outputs += self._output.build(part, batch, partition.fold.effects[silent[part] :], scores, tally)
            outputs += self._output.dead_letter(part, batch, partition.silent_until, tally)
            name = str(ends[part]) if batch.timers is None else f"{ends[part]}@{partition.fold.time!r}"
            self._mature(partition, silent[part], name, touched[part], tally)
            partition.fold.clear_effects()
        self._model_faults.scored_real(scores.misled)
        return Work(outputs, ends, PendingRound(touched, tallies, scores.scored, bad_flags(decoded, partitions)))

    def _mature(self, partition: Partition, silent: int, batch: str, touched: TouchedKeys, tally: Tally) -> None:
        """Let what was decided be counted: with this batch what has matured, with a later one the rest."""
        decided = [one for one in partition.fold.effects[:silent] if type(one) is Decided] + tally.decided
        matured, timers = self._maturity.split(decided, partition.silent_time, partition.fold.time, batch)
        tally.matured.append(matured)
        partition.set_timers(timers, touched)

    def _score(self, decoded: Mapping[Part, Decoded], partitions: Mapping[Part, Partition]) -> BatchScores:
        """Score all partitions' new alerts in one call of the model."""
        arrived: list[Arrived] = []
        rows = []
        for part in decoded:
            folded = partitions[part].fold
            new = [one for one in folded.effects if type(one) is Arrived]
            for one in new:
                one.row += len(arrived) - folded.first_row
            arrived += new
            rows.append(folded.take_rows())
        scores = BatchScores(arrived, np.concatenate(rows), self._served())
        if scores.dropped:
            self._metrics.challenger_dropped.labels(scores.dropped).inc()
        if scores.challenger_seconds is not None:
            self._metrics.challenger_seconds.observe(scores.challenger_seconds)
        self._model_faults.failed(scores.failures)
        return scores
