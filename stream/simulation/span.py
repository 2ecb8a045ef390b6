"""The simulated time. Inside the simulation a time is a number of seconds since the start of the span."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

HOUR = 3600.0
DAY = 24 * HOUR
WORKING_HOURS = range(8, 18)


@dataclass(frozen=True, slots=True)
class Span:
    """`days` days from `start` on."""

    start: datetime
    days: int

    def __post_init__(self) -> None:
        if self.start.tzinfo is None:
            raise ValueError(f"start={self.start.isoformat()} has no time zone; give one, such as UTC")
        if self.days < 1:
            raise ValueError(f"days={self.days}: give at least one day")

    def hour(self, at: float, zone: int) -> int:
        """The local hour of day, 0 to 23, where clocks are `zone` hours from UTC."""
        return self._local(at, zone).hour

    def weekend(self, at: float, zone: int) -> bool:
        """Whether it is Saturday or Sunday there."""
        return self._local(at, zone).weekday() >= 5

    def working(self, at: float, zone: int) -> bool:
        """Whether people are at work there: Monday to Friday, 8 to 18."""
        return self.hour(at, zone) in WORKING_HOURS and not self.weekend(at, zone)

    def share(self, at: float) -> float:
        """How much of the span has passed, 0 to 1."""
        return at / (self.days * DAY)

    def day(self, share: float) -> int:
        """The day of the span, from 0, that holds this share of it."""
        return min(int(share * self.days), self.days - 1)

    def stamp(self, at: float) -> str:
        """RFC 3339 in UTC, to the millisecond."""
        when = self.start.astimezone(UTC) + timedelta(milliseconds=round(at * 1000))
        return when.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"

    def _local(self, at: float, zone: int) -> datetime:
        return self.start.astimezone(UTC) + timedelta(seconds=at, hours=zone)
