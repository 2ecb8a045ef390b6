"""Decided alerts wait in cohorts, and count once their raise + horizon + grace has passed.

A batch's decisions that fall due in the same `cohort_seconds` are one entry of the ledger: what is to be counted of
them is written once and read once. They count when time passes the end of those seconds, so when one counts does not
depend on where batches end.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from stream.core.fold import Decided, EntryKey
from stream.core.ledger import Cohort
from stream.core.problem import CORRECTION, Problem
from stream.scorer.groups import TeamGroups
from stream.scorer.quality import Verdicts, judge

_SHARE = 32  # of horizon and grace that a cohort may span
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Verdicts).decode


def cohort_seconds(problem: Problem) -> float:
    """How long the alerts of a cohort may lie apart, and so the most that one waits beyond its own time."""
    return problem.due_seconds / _SHARE


def verdicts_of(cohort: Cohort) -> Verdicts:
    """What is to be counted of a cohort that has matured."""
    return _decode(cohort.kept)


class Maturing:
    """Parts what has matured from what waits.

    Args:
        problem: gives horizon and grace.
        groups: patterns of teams by group.
    """

    def __init__(self, problem: Problem, groups: Mapping[str, Sequence[str]]) -> None:
        self._groups = TeamGroups(groups)
        self._span = cohort_seconds(problem)

    def part(
        self, decided: Iterable[Decided], since: float, time: float, end: int
    ) -> tuple[Verdicts, dict[EntryKey, Cohort]]:
        """What is to be counted of a batch's decisions at once, and the cohorts that wait, as ledger entries.

        Corrections are neither: the alert counts as it was first decided.

        Args:
            decided: what was decided in the batch.
            since: event time up to which another process counted, when the batch is folded again in silence.
            time: event time after the batch.
            end: the offset that follows the batch, which no other batch of the partition has.
        """
        matured: list[Decided] = []
        waiting: dict[float, list[Decided]] = {}
        span = self._span
        for one in decided:
            due = (one.alert.due // span + 1.0) * span
            if due < since or one.by == CORRECTION:
                continue
            if due < time:
                matured.append(one)
            elif due in waiting:
                waiting[due].append(one)
            else:
                waiting[due] = [one]
        cohorts = {
            ("", f"{end}/{number}"): Cohort(due, _encode(judge(ones, self._groups)))
            for number, (due, ones) in enumerate(waiting.items())
        }
        return judge(matured, self._groups), cohorts
