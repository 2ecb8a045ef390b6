"""Verdicts on decided alerts wait in timers, and count once the alerts' raise + horizon + grace has passed.

A batch's decisions that are due at about the same time are one timer, so what is to be counted of them is
written once and read once. When one counts depends on the alert and on the offset of its decision, and not on where
batches end, so it is the same however often the log is folded. By the offset, so that what many small batches left
behind does not all fall due at one moment.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from stream.core.effects import Decided
from stream.core.kinds import CORRECTION, is_drill
from stream.core.ledger import Timer
from stream.core.problem import Problem
from stream.scorer.metrics.team_groups import TeamGroups
from stream.scorer.metrics.verdicts import Verdicts, judge
from stream.scorer.score import unknown_version

PAYLOAD_VERSION = 1  # of the timers' payloads: another form of `Verdicts`, another version
_SHARE = 1 / 64  # of horizon and grace that the alerts of a timer may lie apart
_MOST_SECONDS = 900.0
_BLOCK = 2_048  # offsets whose decisions share one moment in each such time
_GOLDEN = (5.0**0.5 - 1.0) / 2.0  # its multiples, modulo 1, lie evenly
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Verdicts).decode


def wait_seconds(problem: Problem) -> float:
    """The longest that an alert waits beyond its raise + horizon + grace."""
    return 2.0 * _span(problem)


def _span(problem: Problem) -> float:
    return min(problem.due_seconds * _SHARE, _MOST_SECONDS)


def verdicts_of(timer: Timer) -> Verdicts:
    """What is to be counted once a timer fires.

    Raises:
        HistoryRefused: a newer noisegate has written it.
    """
    if timer.version != PAYLOAD_VERSION:
        raise unknown_version("verdicts", timer.version)
    return _decode(timer.payload)


class MaturityQueue:
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
    ) -> tuple[Verdicts, dict[str, Timer]]:
        """What is to be counted of a batch's decisions at once, and the timers for the rest, by name.

        Corrections are neither: the alert counts as it was first decided. Drills never count.

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
            if due < since or one.by == CORRECTION or is_drill(one.team):
                continue
            if due < time:
                matured.append(one)
            elif due in waiting:
                waiting[due].append(one)
            else:
                waiting[due] = [one]
        timers = {
            f"{batch}/{number}": Timer(due, PAYLOAD_VERSION, _encode(judge(ones, self._groups)))
            for number, (due, ones) in enumerate(waiting.items())
        }
        return judge(matured, self._groups), timers
