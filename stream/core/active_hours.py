"""Hours of the week, in UTC, in which a rule may act."""

import re
from collections.abc import Sequence

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"(?:(?P<from>[a-z]{3})(?:-(?P<to>[a-z]{3}))?\s+)?(\d\d):(\d\d)-(\d\d):(\d\d)\Z")
_DAY_MINUTES, _WEEK_MINUTES = 1_440, 10_080
_THURSDAY = 3 * _DAY_MINUTES  # 1970-01-01 was one


class ActiveHours:
    """Spans such as `22:00-06:00` or `mon-fri 09:00-17:00`; one over midnight belongs to the day it begins on.

    >>> ActiveHours(["mon-fri 22:00-06:00"]).cover(0.0)  # Thursday, 1970-01-01T00:00:00Z
    True
    >>> ActiveHours(["09:00-17:00"]).cover(17 * 3600.0)
    False

    Raises:
        ValueError: a span can't be read.
    """

    def __init__(self, spans: Sequence[str]) -> None:
        self._spans = [span for text in spans for span in _read(text)]

    def cover(self, at: float) -> bool:
        """Whether a moment, seconds since 1970, lies in one of them; an end is no longer part of its span."""
        minute = (at / 60.0 + _THURSDAY) % _WEEK_MINUTES
        return any((minute - start) % _WEEK_MINUTES < length for start, length in self._spans)


def _read(text: str) -> list[tuple[int, int]]:
    """The spans of a text, each with the minute of the week (from Monday) at which it begins, and its minutes."""
    found = _SPAN.match(text.strip().lower())
    if found is None:
        raise ValueError("it is no span of hours")
    first, last = found["from"] or "mon", found["to"] or found["from"] or "sun"
    for day in (first, last):
        if day not in _DAYS:
            raise ValueError(f"{day!r} is none of {', '.join(_DAYS)}")
    hours = [int(part) for part in found.groups()[2:]]
    start, end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
    if max(hours[1], hours[3]) > 59 or max(start, end) > _DAY_MINUTES:
        raise ValueError("a day has the hours 00:00 to 24:00")
    if start == end:
        raise ValueError("it begins when it ends")
    length = end - start if end > start else end - start + _DAY_MINUTES
    count = (_DAYS.index(last) - _DAYS.index(first)) % 7 + 1
    return [((_DAYS.index(first) + day) % 7 * _DAY_MINUTES + start, length) for day in range(count)]
