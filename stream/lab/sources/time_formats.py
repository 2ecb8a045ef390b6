"""Which formats read the times of a table, found from the times themselves; and whether a day may be a month."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from shlex import quote

from msgspec import Struct

from stream.core.events import words_for
from stream.lab.sources.times import EPOCHS, EXCEL, is_in_range, month_of, time_reader

MIXED = 4  # formats of one table, at most
_TRIED = 12
_SHAPED = 2_000  # values whose shapes are looked at
_CLEARLY = 3.0  # times larger is the longest gap of the wrong reading
_LONG_GAP = 5 * 86_400.0
_CLOCK = (
    r"(?P<comma>,?)(?P<space>[ T]?)(?P<clock>\d{1,2}:\d{2}(?P<second>:\d{2}(?P<fraction>\.\d{1,6})?)?)"
    r"(?:(?P<half_space> ?)(?P<half>[AaPp]\.?[Mm]\.?))?(?P<offset> ?[+-]\d{2}:?\d{2})?"
)
_SHAPES = tuple(
    re.compile(f"(?P<day_name>[^\\W\\d_]{{2,10}}(?P<name_comma>,?) )?(?:{date})(?:{_CLOCK})?")
    for date in (
        r"(?P<first>\d{1,2})(?P<mark>[/.-])(?P<number>\d{1,2})(?P=mark)(?P<year>\d{4}|\d{2})",
        r"(?P<year>\d{4})(?P<mark>[/.-])(?P<number>\d{1,2})(?P=mark)(?P<last>\d{1,2})",
        r"(?P<first>\d{1,2})(?P<dot>\.?)(?P<mark>[ /-])(?P<word>[^\W\d_]{3,10})\.?(?P=mark)(?P<year>\d{4}|\d{2})",
        r"(?P<word>[^\W\d_]{3,10})\.?(?P<mark> )(?P<last>\d{1,2})(?P<year_comma>,?) (?P<year>\d{4})",
    )
)


class Sniffed(Struct, frozen=True):
    """The formats that read most of some times, and how many of those they read.

    `other` is the format that reads all of them too, with day and month exchanged; `clear` says whether the gaps
    between the times tell which of both is meant, `gaps` are the longest ones in seconds, of the first format and of
    the other.
    """

    formats: list[str]
    read: int
    total: int
    first_unread: str | None = None
    other: str | None = None
    clear: bool = True
    gaps: tuple[float, float] = (0.0, 0.0)

    @property
    def why(self) -> str:
        """Both gaps in words."""
        first, second = (words_for(gap) for gap in self.gaps)
        return f"as {self.formats[0]} the longest time without an alert is {first}, as {self.other} it is {second}"


def sniff_formats(values: Sequence[str]) -> Sniffed:
    """The fewest formats that read the most of the values; spaces are made plain, and repeated values count once.

    >>> sniff_formats(["14/Sep/26 01:06 PM"]).formats
    ['%d/%b/%y %I:%M %p']
    >>> sniff_formats(["1789390822000", "2026-09-14 10:00"]).formats
    ['epoch_ms', 'rfc3339']
    """
    texts = list(dict.fromkeys(" ".join(value.split()) for value in values))
    step = max(len(texts) // _SHAPED, 1)
    shapes = Counter(form for text in texts[::step] for form in formats_of(text))
    candidates = [form for form, _ in shapes.most_common(_TRIED)]
    chosen: list[str] = []
    left = texts
    while left and len(chosen) < MIXED:
        unread = {form: _unread(form, left) for form in candidates}
        best = min(candidates, key=lambda form: (len(unread[form]), candidates.index(form)), default=None)
        if best is None or len(unread[best]) == len(left):
            break
        chosen.append(best)
        left = unread[best]
    sniffed = Sniffed(chosen, len(texts) - len(left), len(texts), left[0] if left else None)
    return _ordered(sniffed, texts) if len(chosen) == 1 and not left else sniffed


def formats_of(text: str) -> list[str]:
    """The formats that a time may be written in, by its shape.

    >>> formats_of("1/2/2026"), formats_of("2026-02-01T00:00Z"), formats_of("soon")
    (['day_first', 'month_first'], ['rfc3339'], [])
    """
    found = [form for form in ("rfc3339", *EPOCHS, EXCEL) if not _unread(form, [text])]
    if found:
        return found
    for shape in _SHAPES:
        match = shape.fullmatch(text)
        if match is not None:
            parts = match.groupdict()
            name = "" if parts["day_name"] is None else f"%a{parts['name_comma']} "
            return [name + form for form in _forms_of(parts, named_day=bool(name))]
    return []


def formats_option(formats: Sequence[str]) -> str:
    """The formats as options of a command line.

    >>> formats_option(["%d/%m/%y %H:%M", "rfc3339"])
    "--time-format '%d/%m/%y %H:%M' --time-format rfc3339"
    """
    return " ".join(f"--time-format {quote(form)}" for form in formats)


def format_mend(formats: Sequence[str], texts: Sequence[str]) -> str:
    """Which formats read more of the times than those given, as options; empty where none do."""
    found = sniff_formats(texts)
    if not found.formats or set(found.formats) <= set(formats):
        return ""
    clock = "AM or PM stands there: " if any("%p" in form for form in found.formats) else ""
    year = "years of two digits stand there: " if any("%y" in form for form in found.formats) else ""
    reads = "all" if found.read == found.total else f"{found.read:,} of {found.total:,}"
    verb = "reads" if len(found.formats) == 1 else "read"
    return f"{clock}{year}{formats_option(found.formats)} {verb} {reads} times of the table"


def exchanged(form: str) -> str | None:
    """The format with day and month exchanged; None where the month is no number."""
    if form in ("day_first", "month_first"):
        return "month_first" if form == "day_first" else "day_first"
    if "%d" not in form or "%m" not in form or form.startswith("%Y"):
        return None
    return form.replace("%d", "%-").replace("%m", "%d").replace("%-", "%m")


def _forms_of(parts: dict[str, str | None], named_day: bool) -> list[str]:
    year, mark, clock = "%Y" if len(parts["year"] or "") == 4 else "%y", parts["mark"] or "", _clock_form(parts)
    word = parts.get("word")
    if word is not None:
        if month_of(word) is None:
            return []
        if parts.get("first") is None:
            return [f"%b %d{parts.get('year_comma') or ''} {year}{clock}"]
        return [f"%d{parts.get('dot') or ''}{mark}%b{mark}{year}{clock}"]
    if parts.get("first") is None:
        return [f"{year}{mark}%m{mark}%d{clock}"]
    if not named_day and year == "%Y" and clock in ("", " %H:%M", " %H:%M:%S"):
        return ["day_first", "month_first"]
    return [f"%d{mark}%m{mark}{year}{clock}", f"%m{mark}%d{mark}{year}{clock}"]


def _clock_form(parts: dict[str, str | None]) -> str:
    if parts.get("clock") is None:
        return ""
    hour, half = ("%I", f"{parts['half_space']}%p") if parts["half"] else ("%H", "")
    second = ":%S" + (".%f" if parts["fraction"] else "") if parts["second"] else ""
    offset = "" if parts["offset"] is None else parts["offset"][: -len(parts["offset"].lstrip())] + "%z"
    return f"{parts['comma']}{parts['space']}{hour}:%M{second}{half}{offset}"


def _unread(form: str, texts: Sequence[str]) -> list[str]:
    read = time_reader(form, "UTC")
    return [text for text in texts if not _reads(read, text)]


def _reads(read: object, text: str) -> bool:
    try:
        return is_in_range(read(text))  # type: ignore[operator]
    except ValueError:
        return False


def _ordered(sniffed: Sniffed, texts: Sequence[str]) -> Sniffed:
    """Of a format and its other with day and month exchanged, the one whose times lie closer together first."""
    form = sniffed.formats[0]
    other = exchanged(form)
    if other is None or _unread(other, texts):
        return sniffed
    gaps = {of: _longest_gap(of, texts) for of in (form, other)}
    first, second = sorted(gaps, key=lambda of: gaps[of])
    clear = gaps[second] > max(_CLEARLY * gaps[first], _LONG_GAP)
    return Sniffed([first], sniffed.read, sniffed.total, None, second, clear, (gaps[first], gaps[second]))


def _longest_gap(form: str, texts: Sequence[str]) -> float:
    read = time_reader(form, "UTC")
    at = sorted(read(text).timestamp() for text in texts)
    return max((after - before for before, after in pairwise(at)), default=0.0)
