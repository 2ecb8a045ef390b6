"""Times as tables write them, to moments in UTC; quick for the usual formats."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from stream.core import limits

ReadTime = Callable[[str], datetime]  # raises ValueError
AUTO = "auto"  # the format is found from the table's times: stream/lab/sources/time_formats.py
EPOCHS = {"epoch": 1.0, "epoch_ms": 1e3, "epoch_us": 1e6, "epoch_ns": 1e9}  # parts of a second since 1970
EXCEL = "excel"
NAMED = ("rfc3339", "day_first", "month_first", *EPOCHS, EXCEL)
_REMEMBERED = 100_000
_PARTS = {
    "%Y": r"(?P<year>\d{4})",
    "%y": r"(?P<short_year>\d{2})",
    "%m": r"(?P<month>\d{1,2})",
    "%b": r"(?P<month_name>[^\W\d_]{3,10})\.?",
    "%B": r"(?P<month_name>[^\W\d_]{3,10})\.?",
    "%d": r"(?P<day>\d{1,2})",
    "%H": r"(?P<hour>\d{1,2})",
    "%I": r"(?P<hour>\d{1,2})",
    "%M": r"(?P<minute>\d{1,2})",
    "%S": r"(?P<second>\d{1,2})",
    "%a": r"[^\W\d_]{2,10}\.?",
    "%p": r"(?P<half>[AaPp])\.?[Mm]\.?",
}
_CLOCK = r"(?:[ T]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?)?"
_REGEX = {
    "day_first": r"(?P<day>\d{1,2})[/.-](?P<month>\d{1,2})[/.-](?P<year>\d{4})" + _CLOCK,
    "month_first": r"(?P<month>\d{1,2})[/.-](?P<day>\d{1,2})[/.-](?P<year>\d{4})" + _CLOCK,
}
_APART = re.compile(r"\s+(?=[+-]\d{2}:?\d{2}\Z)")
_NUMBER = re.compile(r"\d{1,20}(?:\.\d*)?", re.ASCII)
_EXCEL_DAYS = re.compile(r"\d{5}(?:[.,]\d+)?", re.ASCII)
_EXCEL_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 - a spreadsheet's days have no zone
_PIVOT = 69  # strptime's: 69 is 1969 and 68 is 2068
_MONTHS = (  # how months begin in English, German, French, Spanish, Italian, Portuguese and Dutch, without accents
    ("jan", "ene", "gen"), ("feb", "fev"), ("mar", "mrz", "mrt", "maa"), ("apr", "avr", "abr"),
    ("may", "mai", "mei", "mag"), ("jun", "juin", "giu"), ("jul", "juil", "lug"), ("aug", "aou", "ago"),
    ("sep", "set"), ("oct", "okt", "out", "ott"), ("nov",), ("dec", "dez", "dic"),
)  # fmt: skip


def time_reader(forms: str | Sequence[str], zone: str) -> ReadTime:
    """What reads times of these formats; a time without an offset is of that zone.

    Of several formats the first counts that reads a time between the years 2000 and 2200. Where clocks go back, the
    earlier of the two moments is meant.

    Raises:
        ValueError: a format or the zone is not known.
    """
    try:
        home: tzinfo = UTC if zone == "UTC" else ZoneInfo(zone)
    except (OSError, ValueError, LookupError):
        raise ValueError(f"time.zone = {zone!r} is not known; name one such as Europe/London") from None
    parsers = [_parser(form, home) for form in ([forms] if isinstance(forms, str) else forms)]
    readers = [_in_utc(parse, home) for parse in parsers]
    return _remembering(readers[0] if len(readers) == 1 else _first_of(readers))


def month_of(word: str) -> int | None:
    """The month that a word names, 1 to 12, in one of seven languages; None for another word.

    >>> month_of("Sep"), month_of("März"), month_of("juil."), month_of("noon")
    (9, 3, 7, None)
    """
    plain = "".join(of for of in unicodedata.normalize("NFKD", word.casefold()) if not unicodedata.combining(of))
    found = [
        (len(start), month) for month, starts in enumerate(_MONTHS, 1) for start in starts if plain.startswith(start)
    ]
    return max(found)[1] if found else None


def is_in_range(at: datetime) -> bool:
    """Whether a moment lies between the years 2000 and 2200."""
    return limits.FLOOR_SECONDS <= at.timestamp() <= limits.CEILING_SECONDS


def _parser(form: str, home: tzinfo) -> ReadTime:
    if form == "rfc3339":
        return _iso
    if form in EPOCHS:
        return _epoch(EPOCHS[form])
    if form == EXCEL:
        return _excel
    pattern = _REGEX.get(form) or _pattern(form)
    if pattern is not None:
        return _by_pattern(re.compile(pattern, re.ASCII if "month_name" not in pattern else 0))
    if "%" not in form:
        raise ValueError(f"time.format = {form!r} is not known; use {AUTO}, {', '.join(NAMED)} or strptime's %-form")
    try:
        datetime.strptime(datetime(2026, 1, 31, tzinfo=UTC).strftime(form), form).astimezone(home)
    except (ValueError, re.error) as error:
        raise ValueError(f"time.format = {form!r} can't be used: {error}") from None
    return lambda text: datetime.strptime(text, form)  # noqa: DTZ007 - the zone is given by `_in_utc`


def _iso(text: str) -> datetime:
    """RFC 3339 as programs write it: an offset may stand apart, and UTC may be a word."""
    plain = text[:-4] + "Z" if text.endswith((" UTC", " GMT")) else text
    return datetime.fromisoformat(_APART.sub("", plain))


def _epoch(per_second: float) -> ReadTime:
    def read(text: str) -> datetime:
        if _NUMBER.fullmatch(text) is None:
            raise ValueError(text)
        try:
            return datetime.fromtimestamp(float(text) / per_second, UTC)
        except (OverflowError, OSError):
            raise ValueError(text) from None

    return read


def _excel(text: str) -> datetime:
    """A spreadsheet's day number: 46279.5 is noon of 2026-09-14."""
    if _EXCEL_DAYS.fullmatch(text) is None:
        raise ValueError(text)
    return _EXCEL_EPOCH + timedelta(seconds=round(float(text.replace(",", ".")) * 86_400.0))


def _pattern(form: str) -> str | None:
    """A pattern for what has only plain numbers and names of months, each once; None for the rest."""
    pieces = re.split(r"(%.)", form)
    patterns = [_PARTS.get(letter) for letter in pieces[1::2]]
    names = [found for pattern in patterns if pattern for found in re.findall(r"\?P<(\w+)>", pattern)]
    whole = {"day"} <= set(names) and {"year", "short_year"} & set(names) and {"month", "month_name"} & set(names)
    if None in patterns or not whole or len(set(names)) < len(names):
        return None
    if ("%I" in form) != ("%p" in form):
        return None
    return "".join(_PARTS.get(piece) or re.escape(piece) for piece in pieces)


def _by_pattern(pattern: re.Pattern[str]) -> ReadTime:
    fullmatch = pattern.fullmatch

    def read(text: str) -> datetime:
        found = fullmatch(text)
        if found is None:
            raise ValueError(text)
        return _moment(found.groupdict())

    return read


def _moment(parts: dict[str, str | None]) -> datetime:
    hour, half = int(parts.get("hour") or 0), parts.get("half")
    if half is not None:
        if not 1 <= hour <= 12:
            raise ValueError(f"hour {hour} of a twelve-hour clock")
        hour = hour % 12 + (12 if half in "pP" else 0)
    year, month, name = parts.get("year"), parts.get("month"), parts.get("month_name")
    short = int(parts.get("short_year") or 0)
    return datetime(  # noqa: DTZ001 - the zone is given by `_in_utc`
        int(year) if year is not None else short + (2000 if short < _PIVOT else 1900),
        (month_of(name) or 0) if name is not None else int(month or 0),
        int(parts["day"] or 0),
        hour,
        int(parts.get("minute") or 0),
        int(parts.get("second") or 0),
    )


def _in_utc(parse: ReadTime, home: tzinfo) -> ReadTime:
    def read(text: str) -> datetime:
        at = parse(text)
        if at.tzinfo is None:
            at = at.replace(tzinfo=home)
        try:
            return at.astimezone(UTC)
        except OverflowError:
            raise ValueError(text) from None

    return read


def _first_of(readers: Sequence[ReadTime]) -> ReadTime:
    def read(text: str) -> datetime:
        outside: datetime | None = None
        for reader in readers:
            try:
                at = reader(text)
            except ValueError:
                continue
            if is_in_range(at):
                return at
            outside = outside or at
        if outside is None:
            raise ValueError(text)
        return outside

    return read


def _remembering(parse: ReadTime) -> ReadTime:
    """Tables repeat times, to the minute or to the second: each is parsed once, with its spaces made plain."""
    known: dict[str, datetime] = {}

    def read(text: str) -> datetime:
        at = known.get(text)
        if at is None:
            at = parse(" ".join(text.split()))
            if len(known) >= _REMEMBERED:
                known.clear()
            known[text] = at
        return at

    return read
