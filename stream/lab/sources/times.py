"""Times as tables write them, to moments in UTC; quick for the usual formats."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

ReadTime = Callable[[str], datetime]  # raises ValueError
_REMEMBERED = 100_000
_PARTS = {
    "%Y": r"(?P<year>\d{4})",
    "%m": r"(?P<month>\d{1,2})",
    "%d": r"(?P<day>\d{1,2})",
    "%H": r"(?P<hour>\d{1,2})",
    "%M": r"(?P<minute>\d{1,2})",
    "%S": r"(?P<second>\d{1,2})",
}
_CLOCK = r"(?:[ T]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?)?"
_NAMED = {
    "day_first": r"(?P<day>\d{1,2})[/.-](?P<month>\d{1,2})[/.-](?P<year>\d{4})" + _CLOCK,
    "month_first": r"(?P<month>\d{1,2})[/.-](?P<day>\d{1,2})[/.-](?P<year>\d{4})" + _CLOCK,
}
_ORDER = ("year", "month", "day", "hour", "minute", "second")


def time_reader(form: str, zone: str) -> ReadTime:
    """What reads times of this form; a time without an offset is of that zone.

    Where clocks go back, the earlier of the two moments is meant.

    Raises:
        ValueError: the form or the zone is not known.
    """
    try:
        home: tzinfo = UTC if zone == "UTC" else ZoneInfo(zone)
    except (OSError, ValueError, LookupError):
        raise ValueError(f"time.zone = {zone!r} is not known; name one such as Europe/London") from None
    if form == "rfc3339":
        return _remembering(datetime.fromisoformat, home)
    pattern = _NAMED.get(form) or _pattern(form)
    if pattern is not None:
        return _remembering(_by_pattern(re.compile(pattern, re.ASCII)), home)
    if "%" not in form:
        raise ValueError(
            f"time.format = {form!r} is not known; use rfc3339, day_first, month_first or strptime's %-form"
        )
    try:
        datetime.strptime(datetime(2026, 1, 31, tzinfo=UTC).strftime(form), form).astimezone(home)
    except (ValueError, re.error) as error:
        raise ValueError(f"time.format = {form!r} can't be used: {error}") from None
    return _remembering(lambda text: datetime.strptime(text, form), home)  # noqa: DTZ007 - the zone is given below


def _pattern(form: str) -> str | None:
    """A pattern for what has only plain numbers, each once; None for the rest."""
    pieces = re.split(r"(%.)", form)
    letters = pieces[1::2]
    if not {"%Y", "%m", "%d"} <= set(letters) <= set(_PARTS) or len(set(letters)) < len(letters):
        return None
    return "".join(_PARTS.get(piece) or re.escape(piece) for piece in pieces)


def _by_pattern(pattern: re.Pattern[str]) -> ReadTime:
    fullmatch = pattern.fullmatch
    names = [name for name in _ORDER if name in pattern.groupindex]

    def read(text: str) -> datetime:
        found = fullmatch(text)
        if found is None:
            raise ValueError(text)
        parts = dict(zip(names, found.group(*names), strict=True))
        return datetime(**{name: int(part or 0) for name, part in parts.items()})  # type: ignore[arg-type]  # noqa: DTZ001

    return read


def _remembering(parse: ReadTime, home: tzinfo) -> ReadTime:
    """Tables repeat times, to the minute or to the second: each is parsed once."""
    known: dict[str, datetime] = {}

    def read(text: str) -> datetime:
        at = known.get(text)
        if at is None:
            at = parse(text)
            if at.tzinfo is None:
                at = at.replace(tzinfo=home)
            try:
                at = at.astimezone(UTC)
            except OverflowError:
                raise ValueError(text) from None
            if len(known) >= _REMEMBERED:
                known.clear()
            known[text] = at
        return at

    return read
