"""The log folded once: where it is split, what there is to see, and its two parts to be sent."""

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from stream.core.events import Raised
from stream.core.problem import Problem
from stream.eventlog import Line, read_log
from stream.lab.replaying import Replayed, replay
from stream.lab.split import Split, split_at_share
from stream.progress import Progress

HISTORY_SHARE = 0.6  # of the alerts, by raise time
AlertKey = tuple[str, str]  # team, alert_id


class Plan(Struct, frozen=True, eq=False):
    """What the demo will do with a log."""

    log: Path
    problem: Problem
    replayed: Replayed
    split: Split

    @property
    def simulated(self) -> bool:
        """Whether the log says of itself that it is made up."""
        return any(alert.labels.get("simulated") == "true" for alert in self.replayed.alerts)

    def parts(self) -> "Parts":
        """The log's lines in two parts."""
        return Parts(read_log(self.log), self.split.at)

    def indices(self) -> dict[AlertKey, int]:
        """The number of every alert, by team and id."""
        return {(alert.team, alert.alert_id): index for index, alert in enumerate(self.replayed.alerts)}


def make_plan(log: Path, problem: Problem, progress: Progress) -> Plan:
    """Fold the log.

    Raises:
        LogError: the log can't be read, or is out of order.
        LabError: it can't be split.
    """
    replayed = replay(read_log(log, problem.outcome.grace_minutes * 60.0, progress), problem)
    return Plan(log, problem, replayed, split_at_share(replayed, HISTORY_SHARE))


class Parts:
    """Lines before the first alert raised at `at` or later, and then the rest; each to be taken once, in this order."""

    def __init__(self, lines: Iterator[Line], at: float) -> None:
        self._lines = lines
        self._at = at
        self._border: list[Line] = []

    def history(self) -> Iterator[Line]:
        """What came before."""
        for line in self._lines:
            if type(line.event) is Raised and line.at >= self._at:
                self._border.append(line)
                return
            yield line

    def rest(self) -> Iterator[Line]:
        """The first alert after the split and all that follows."""
        yield from self._border
        yield from self._lines
