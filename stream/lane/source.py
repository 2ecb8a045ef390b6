"""The port between the loop and Kafka: what a consumer in a group offers, in seven calls."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from stream.kafka.records import Part, Record
from stream.lane.batch import Bounds


class SourceClosed(Exception):
    """The consumer was closed from outside, as its process or its group membership ends; no fault of the lane."""


class Highwater(NamedTuple):
    """How far a partition goes: `position` is the next offset to fetch, `end` the one after the last readable record.

    A record of an open transaction is not readable yet, nor is what lies behind it.
    """

    position: int
    end: int


class Source(Protocol):
    """A consumer in a group, of one or more topics, that commits only what it is asked to commit.

    Every call comes from the event loop that runs the lane and may not block it. `fetch` and `commit` run in tasks of
    their own, at most one of each, beside a step of the engine and beside each other; `bounds` and `seek` come while
    no fetch runs. Any call but `generation` may raise SourceClosed.
    """

    def generation(self) -> object | None:
        """What names the present assignment, another value after each rebalance; None while the group rebalances.

        Called before and after every fetch: records of another generation than the one that was positioned are
        dropped.
        """

    async def fetch(self, seconds: float) -> Mapping[Part, Sequence[Record]]:
        """Committed records from each partition's position on, which moves beyond them; empty after `seconds`.

        While the group rebalances it may take longer. A fetch that overtakes a seek may return records of before it.
        """

    def assignment(self) -> set[Part]:
        """The partitions that this member of the group has now."""

    async def bounds(self, parts: Sequence[Part], begin_only: bool = False) -> dict[Part, Bounds]:
        """What Kafka knows of each of these partitions; called once an assignment, and to look at a gap.

        With `begin_only` just `begin` is asked for, in one request, and the other fields mean nothing.

        Raises:
            BrokerError: Kafka does not answer, a topic is missing or a partition is no longer assigned; the loop asks
                again.
        """

    async def seek(self, part: Part, offset: int) -> None:
        """Make `offset` the partition's position; raises BrokerError where it is no longer assigned."""

    async def commit(self, offsets: Mapping[Part, int]) -> None:
        """Commit the next offset of each partition to the group; raises BrokerError where Kafka refuses it."""

    def highwater(self, part: Part) -> Highwater | None:
        """How far a partition goes by the last fetch; None where it is not known, or the partition not assigned."""
