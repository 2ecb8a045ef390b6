"""What a server has evicted, told from its reports."""

import pytest

from stream.lane.evictions import EvictionWatch
from stream.lane.fence import ServerStatus


@pytest.mark.parametrize(
    ("recorded", "status", "evicted"),
    [
        ("", ServerStatus("a", 5), 0),  # of before it was recorded
        ("a/5", ServerStatus("a", 5), 0),
        ("a/5", ServerStatus("a", 7), 2),
        ("a/5", ServerStatus("a", 0), 0),  # CONFIG RESETSTAT
        ("a/5", ServerStatus("a", 3), 3),
        ("a/5", ServerStatus("b", 0), 0),  # restarted
        ("a/5", ServerStatus("b", 2), 2),
        ("/0", ServerStatus("", 0), 0),
    ],
)
def test_evictions_are_counted_over_restarts_and_resets(recorded: str, status: ServerStatus, evicted: int) -> None:
    """A server that began to count anew has evicted all that it counts."""
    assert status.evicted_since(recorded) == evicted


def test_the_first_look_has_nothing_to_compare_with() -> None:
    """What was evicted before a worker came is told from metas, not from looks."""
    watch = EvictionWatch()
    assert [watch.look(ServerStatus("a", count)) for count in (9, 9, 12)] == [0, 0, 3]
