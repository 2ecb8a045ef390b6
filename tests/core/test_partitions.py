"""Teams keep to their partition."""

from collections import Counter

import pytest

from stream.core.errors import BadRecord
from stream.core.events import Tick, moment
from stream.core.partitions import TeamPartitions
from tests.core.logs import START, acted, raised


def test_an_event_belongs_in_its_teams_partition_and_a_tick_in_all() -> None:
    """Raised and acted events elsewhere are refused with the partition they belong in."""
    teams = TeamPartitions({"pay": 3, "web": 1}.__getitem__)
    for event, _ in (raised(0, team="pay"), acted(60, team="pay")):
        teams.check(event, 3)
        with pytest.raises(BadRecord, match="'pay' belongs to partition 3") as caught:
            teams.check(event, 1)
        assert caught.value.reason == "misrouted"
    for partition in range(3):
        teams.check(Tick(moment(START)), partition)


def test_a_teams_partition_is_worked_out_once() -> None:
    """The partitioner is called once a team, however many of its events come."""
    calls: Counter[str] = Counter()

    def choose(team: str) -> int:
        calls[team] += 1
        return len(team)

    teams = TeamPartitions(choose)
    assert [teams.of(team) for team in ("a", "bb", "a", "bb", "a")] == [1, 2, 1, 2, 1]
    assert calls == {"a": 1, "bb": 1}
