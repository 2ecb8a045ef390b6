"""Decided alerts wait in cohorts, and count once their raise + horizon + grace has passed.

A batch's decisions that are due at about the same time are one entry of the ledger, so what is to be counted of them is
written once and read once. When one counts depends on the alert and on the offset of its decision, and not on where
batches end, so it is the same however often the log is folded. By the offset, so that what many small batches left
behind does not all fall due at one moment.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from stream.core.came import Decided
from stream.core.fold import EntryKey
from stream.core.ledger import Cohort
from stream.core.problem import CORRECTION, Problem
from stream.scorer.answers import unknown_version
from stream.scorer.groups import TeamGroups
from stream.scorer.quality import Verdicts, judge

_SHARE = 1 / 64  # of horizon and grace that the alerts of a cohort may lie apart
_MOST_SECONDS = 900.0
_BLOCK = 2_048  # offsets whose decisions share one moment in each such time
_GOLDEN = (5.0**0.5 - 1.0) / 2.0  # its multiples, modulo 1, lie evenly
_MARK = b"\xc1"  # begins nothing in MessagePack
_VERSION = _MARK + b"\x01"
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Verdicts).decode


def wait_seconds(problem: Problem) -> float:
    """The longest that an alert waits beyond its raise + horizon + grace."""
    return 2.0 * _span(problem)


def _span(problem: Problem) -> float:
    return min(problem.due_seconds * _SHARE, _MOST_SECONDS)


def verdicts_of(cohort: Cohort) -> Verdicts:
    """What is to be counted of a cohort that has matured.

    Raises:
        HistoryRefused: a newer noisegate has written it.
    """
    kept = cohort.kept
    if kept[:1] != _MARK:  # of before there were versions
        return _decode(kept)
    if kept[:2] != _VERSION:
        raise unknown_version("verdicts", kept[1])
    return _decode(memoryview(kept)[2:])


class Maturing:
    """Parts what has matured from what waits.

    Args:
        problem: gives horizon and grace.
        groups: patterns of teams by group.
    """

    def __init__(self, problem: Problem, groups: Mapping[str, Sequence[str]]) -> None:
        self._groups = TeamGroups(groups)
        self._span = _span(problem)

    def part(
        self, decided: Iterable[Decided], since: float, time: float, batch: str
    ) -> tuple[Verdicts, dict[EntryKey, Cohort]]:
        """What is to be counted of a batch's decisions at once, and the cohorts that wait, as ledger entries.

        Corrections are neither: the alert counts as it was first decided.

        Args:
            decided: what was decided in the batch.
            since: event time up to which another process counted, when the batch is folded again in silence.
            time: event time after the batch.
            batch: a name that no other batch of the partition has, and this one each time it is folded.
        """
        matured: list[Decided] = []
        waiting: dict[float, list[Decided]] = {}
        span = self._span
        for one in decided:
            due = (one.alert.due // span + 1.0 + one.offset // _BLOCK * _GOLDEN % 1.0) * span
            if due < since or one.by == CORRECTION:
                continue
            if due < time:
                matured.append(one)
            elif due in waiting:
                waiting[due].append(one)
            else:
                waiting[due] = [one]
        cohorts = {
            ("", f"{batch}/{number}"): Cohort(due, _VERSION + _encode(judge(ones, self._groups)))
            for number, (due, ones) in enumerate(waiting.items())
        }
        return judge(matured, self._groups), cohorts
