"""The port of the closer's folds: each keeps the state of one partition as named parts, which a fence writes."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from msgspec import Struct, field

from stream.core.deeds import Deed
from stream.core.errors import BadRecord
from stream.core.events import Acted
from stream.core.records import Decision
from stream.kafka.records import Record
from stream.rule_state import Change, CommandResult


class Outgoing(Struct, kw_only=True):
    """What leaves after a write: published and done by the dispatcher, kept with the state until it is.

    Attributes:
        decisions: for alerts.decisions.
        acts: for alerts.events.
        deeds: for the targets.
        since: when the oldest record of the round was written, seconds since 1970; None where none came.
    """

    decisions: list[Decision] = field(default_factory=list)
    acts: list[Acted] = field(default_factory=list)
    deeds: list[Deed] = field(default_factory=list)
    since: float | None = None

    def __bool__(self) -> bool:
        return bool(self.decisions or self.acts or self.deeds)


class Notes(Struct, kw_only=True):
    """What people are shown of a round, written to Redis once the state is: results of commands, lines of the log."""

    results: list[CommandResult] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.results or self.changes)


class Fold(Protocol):
    """The state of one partition of one topic. All calls come from the lane's thread.

    The state is a set of named parts, each packed as bytes; parts that changed are written behind the partition's fence
    with the offset. A fold that is loaded again gives the same parts.
    """

    def load(self, parts: Mapping[str, bytes]) -> None:
        """Begin with the parts that were written last."""

    def take(self, records: Sequence[Record], clock: float) -> tuple[Outgoing, Notes]:
        """Fold records, in order. `clock` is the broker's: the latest record timestamp, seconds since 1970."""

    def wake(self, now: float) -> tuple[Outgoing, Notes]:
        """Do what is due at a time: timers, commands, orders. Called between batches and while nothing comes."""

    def changed(self) -> dict[str, bytes | None]:
        """The parts that changed since the call before, packed; None: the part is gone."""


@runtime_checkable
class Refusing(Protocol):
    """A fold that names the records that it could not read."""

    def take_failed(self) -> list[tuple[Record, BadRecord]]:
        """Those since the call before."""


@runtime_checkable
class Following(Protocol):
    """A fold that does something once its state is written."""

    def written(self) -> None:
        """What `changed` gave last is written."""


@runtime_checkable
class Closing(Protocol):
    """A fold that shows something while it has its partition."""

    def close(self) -> None:
        """Another worker may have the partition from now on."""


@runtime_checkable
class Suppressing(Protocol):
    """A fold that keeps alerts from people."""

    def count(self, decision: str) -> int:
        """How many it does, of `pause` or of `close`."""

    def rebuild(self) -> None:
        """Take up what it did before its state was lost."""
