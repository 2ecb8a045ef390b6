"""Times as monitoring systems write them, to seconds since 1970."""

import math
import re
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from stream.core import limits
from stream.core.events import moment, words_for

RFC3339, EPOCH_SECONDS, EPOCH_MILLISECONDS = "rfc3339", "epoch_seconds", "epoch_milliseconds"
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d{1,12})?)? ?(Z|[+-]\d\d(:?\d\d)?)?", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,20}(\.\d{1,20})?", re.ASCII)
_LONGEST = 100  # characters of a time


class BadTime(ValueError):
    """A time that can't be used; `reason` is `bad_time`, `before_floor` or `future`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@lru_cache(maxsize=64)
def zone_of(name: str) -> tzinfo:
    """The time zone of a name such as Europe/Berlin.

    Raises:
        ValueError: it is not known.
    """
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        raise ValueError(f"{name!r} is no time zone that is known; name one such as Europe/Berlin") from None


def read_time(value: Any, form: str = RFC3339, zone: str = "UTC") -> float:
    """Seconds since 1970 of a time.

    Args:
        value: text, or a number for the forms that count from 1970.
        form: `rfc3339`, `epoch_seconds`, `epoch_milliseconds`, or strptime's letters.
        zone: of times that don't tell theirs; where clocks go back, the earlier of the two moments is meant.

    Raises:
        BadTime: reason `bad_time`.
    """
    try:
        if form in (EPOCH_SECONDS, EPOCH_MILLISECONDS):
            at = _number(value) / (1_000.0 if form == EPOCH_MILLISECONDS else 1.0)
        else:
            at = _text(value, form, zone)
    except (ValueError, OverflowError, TypeError):
        raise BadTime("bad_time", f"{str(value)[:_LONGEST]!r} is no time of the form {form}") from None
    if not math.isfinite(at):
        raise BadTime("bad_time", f"{str(value)[:_LONGEST]!r} is no time of the form {form}")
    return at


def check_time(at: float, received_at: float) -> float:
    """The time itself, if an event may carry it.

    Raises:
        BadTime: reason `before_floor` or `future`, held against when the body was received.
    """
    if at < limits.FLOOR_SECONDS:
        raise BadTime("before_floor", f"it is before {moment(limits.FLOOR_SECONDS):%Y-%m-%d}, when nothing had a time")
    if at > received_at + limits.SKEW_SECONDS:
        ahead = words_for(at - received_at)
        raise BadTime("future", f"it is {ahead} after the body came, {limits.SKEW_SECONDS:.0f} s are allowed")
    return at


def _text(value: Any, form: str, zone: str) -> float:
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise ValueError(value)
    text = value.strip()
    if form == RFC3339:
        if _RFC3339.fullmatch(text) is None:
            raise ValueError(value)
        at = datetime.fromisoformat(text)
    else:
        at = datetime.strptime(text, form)  # noqa: DTZ007 - the zone is given below
    return (at if at.tzinfo is not None else at.replace(tzinfo=zone_of(zone))).timestamp()


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError(value)
    if isinstance(value, str):
        if _NUMBER.fullmatch(value.strip()) is None:
            raise ValueError(value)
        return float(value)
    if isinstance(value, int | float):
        return float(value)
    raise TypeError(value)
