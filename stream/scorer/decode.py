"""Records into events; what can't be folded is kept with its reason."""

from collections.abc import Callable

from msgspec import Struct, field

from stream.core.errors import BadRecord
from stream.core.events import Event, Tick, decode_event, event_time, seconds
from stream.lane.batch import Batch, Record


class Decoded(Struct):
    """A batch's records that can be folded, and those that can't; or a step of time alone.

    `latest` is the latest time of the events. Where `timers` is given there are no records: so many of what is due
    before `latest` are to be folded, and `fired_by` is the offset of the record whose time that is.
    """

    events: list[tuple[Event, float, Record]] = field(default_factory=list)  # event, its time, where it stands
    failed: list[tuple[Record, BadRecord]] = field(default_factory=list)
    latest: float = float("-inf")
    timers: int | None = None
    fired_by: int = -1
    ticks: list[tuple[float, float]] = field(default_factory=list)  # their `at` as written, and record timestamp


class Decoder:
    """Decodes, checks times, and holds each team to its partition.

    Args:
        choose: the partition of a team, see `kafka.partition_chooser`.
    """

    def __init__(self, choose: Callable[[str], int]) -> None:
        self._choose = choose
        self._partition_of: dict[str, int] = {}

    def decode(self, batch: Batch) -> Decoded:
        """Decode one batch."""
        decoded = Decoded()
        events, partition = decoded.events, batch.part.partition
        for record in batch.records:
            try:
                event = decode_event(record.value or b"")
                if isinstance(event, Tick):
                    decoded.ticks.append((seconds(event.at), record.timestamp / 1000.0))
                at = event_time(event, record.timestamp / 1000.0)
                if not isinstance(event, Tick) and self._home(event.team) != partition:
                    raise BadRecord("misrouted", f"team {event.team!r} belongs to partition {self._home(event.team)}")
            except BadRecord as error:
                decoded.failed.append((record, error))
                continue
            if at > decoded.latest:
                decoded.latest = at
            events.append((event, at, record))
        return decoded

    def _home(self, team: str) -> int:
        home = self._partition_of.get(team)
        if home is None:
            if len(self._partition_of) >= 100_000:
                self._partition_of.clear()
            home = self._partition_of[team] = self._choose(team)
        return home
