"""Teams and partitions: all records of a team belong in one partition, so that they keep their order."""

from collections.abc import Callable

from stream.core.errors import BadRecord
from stream.core.events import Event, Tick

_REMEMBERED = 100_000  # teams


class TeamPartitions:
    """The partition of each team, remembered for the teams seen last.

    Args:
        choose: the partition of a team, see `stream.kafka.partitioner.partition_chooser`.
    """

    def __init__(self, choose: Callable[[str], int]) -> None:
        self._choose = choose
        self._partition_of: dict[str, int] = {}

    def of(self, team: str) -> int:
        """The partition that the team's records belong in."""
        partition = self._partition_of.get(team)
        if partition is None:
            if len(self._partition_of) >= _REMEMBERED:
                self._partition_of.clear()
            partition = self._partition_of[team] = self._choose(team)
        return partition

    def check(self, event: Event, partition: int) -> None:
        """Hold an event to its team's partition; ticks belong in all.

        Raises:
            BadRecord: reason `misrouted`.
        """
        if not isinstance(event, Tick) and self.of(event.team) != partition:
            raise BadRecord("misrouted", f"team {event.team!r} belongs to partition {self.of(event.team)}")
