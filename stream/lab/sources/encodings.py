"""What the bytes of a table's file are: no table at all, or text in an encoding that is found or does not fit."""

import codecs
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import IO

from msgspec import Struct

from stream.core.errors import Fault, LogError
from stream.extras import import_extra
from stream.lab.sources.summary import shown

OpenBytes = Callable[[], IO[bytes]]
UTF_8 = "utf-8-sig"  # with or without a byte order mark
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, UTF_8), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_SAMPLE = 64 * 1024  # bytes
_LEAST = 32  # bytes beyond ASCII, for a guess by their frequencies
_CHUNK = 1024 * 1024
_NUL_SHARE = 0.2  # of UTF-16 without a mark, whose Latin letters have a NUL each
_CONTROLS = bytes({*range(32), 127} - {*b"\t\n\v\f\r\x1b"})
_CONTROL_SHARE = 0.02  # of a text; in other files one byte in ten is a control character
_AROUND = 20  # characters shown beside a bad byte
_WORD = re.compile(r"[\w.-]*[^\W\x00-\x7f][\w.-]*")
_PAGES = (  # what programs that know no Unicode write
    "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "koi8_r", "cp932", "gb18030",
    "big5", "cp949",
)  # fmt: skip
_LIKE_WESTERN = ("cp1250", "cp1252", "cp1257")  # pages of Latin letters that are taken for each other
_IN_WORDS = re.compile(r"(?<=[^\W\d_])[¹³¼½¾£¥±¸¿]|[¹³¼½¾¥±¸](?=[^\W\d_])")  # where Western text has letters
_ODD_SHARE = 0.1  # of what is not ASCII
_RUN = re.compile(rb"[\x80-\xff]{3}")  # a word of another script
_LONE = re.compile("[\udc80-\udcff]")

_OTHER_FILES = (  # what begins so is no table
    (re.compile(rb"PAR1"), "is a Parquet file", "write it as CSV; if it is an event log, use it as it is"),
    (re.compile(rb"%PDF"), "is a PDF", "export CSV or Excel instead"),
    (re.compile(rb"<[!?a-zA-Z]"), "is HTML or XML, perhaps a login page", "export CSV or Excel instead"),
    (re.compile(rb'\{\s*"|\[\s*[{\[]'), "is JSON", "write it as CSV; if it is an event log, use it as it is"),
)


class Encoding(Struct, frozen=True):
    """An encoding's name, and whether single rows break it; `example` is a word with what is not ASCII."""

    name: str
    broken: bool = False
    example: str | None = None


def sniff_encoding(open_bytes: OpenBytes) -> Encoding:
    """The encoding of a text; UTF-8 where it holds throughout, or in more places than not.

    What is neither UTF-8 nor has a byte order mark is asked of charset-normalizer; Windows' Western European one wins
    where nothing in it speaks for another.
    """
    with open_bytes() as file:
        head = file.read(_SAMPLE)
    for mark, name in _MARKS:
        if head.startswith(mark):
            return Encoding(name)
    if head.count(0) > _NUL_SHARE * len(head):
        return Encoding("utf-16-le" if head[1::2].count(0) >= head[::2].count(0) else "utf-16-be")
    bad, good, lines = _count_utf8(open_bytes)
    if not bad:
        return Encoding(UTF_8)
    if bad <= good:
        return Encoding(UTF_8, broken=True)
    return _guess(b"\n".join(lines), bad)


def is_binary(open_bytes: OpenBytes) -> bool:
    """Whether bytes are no text in any encoding, by how many control characters they begin with."""
    with open_bytes() as file:
        head = file.read(_SAMPLE)
    if head.startswith(tuple(mark for mark, _ in _MARKS)) or head.count(0) > _NUL_SHARE * len(head):
        return False  # UTF-16 and UTF-32
    with suppress(UnicodeDecodeError):  # stray control characters do not make UTF-8 something else
        codecs.getincrementaldecoder(UTF_8)().decode(head)
        return False
    return len(head.translate(None, delete=_CONTROLS)) < (1.0 - _CONTROL_SHARE) * len(head)


def other_file_fault(magic: bytes) -> Fault | None:
    """What a file that begins so is, if it is no table of text."""
    for start, what, mend in _OTHER_FILES:
        if start.match(magic.removeprefix(codecs.BOM_UTF8).lstrip()):
            return Fault(f"{what}, not a table", mend)
    return None


def is_broken(text: str) -> bool:
    """Whether a text that was decoded with `surrogateescape` holds bytes that are no text."""
    return _LONE.search(text) is not None


def shown_bytes(text: str) -> str:
    """A text that was decoded with `surrogateescape`, its bytes that are no text as <E9>."""
    return _LONE.sub(lambda found: f"<{ord(found[0]) - 0xDC00:02X}>", text)


def reads_utf8(open_bytes: OpenBytes) -> str | None:
    """A word with what is not ASCII, where the bytes are UTF-8 throughout and hold one; else None."""
    bad, good, _ = _count_utf8(open_bytes)
    if bad or not good:
        return None
    with open_bytes() as file:
        for line in file:
            if found := _WORD.search(line.decode("utf-8", "replace")):
                return found[0]
    return None


def encoding_fault(open_bytes: OpenBytes, given: str) -> Fault:
    """What breaks a given encoding, with line and bytes, and the mend that reads the text."""
    place = _first_bad(open_bytes, given)
    where = "" if place is None else f": line {place[0]} has {_shown_bytes(place[1])} in {shown(place[2])}"
    found = sniff_encoding(open_bytes)
    problem = f"is not {given} throughout{where}"
    if found.broken:
        return Fault(problem, "correct that row, or leave out the encoding: rows that are not UTF-8 are then counted")
    if same_encoding(found.name, given):
        return Fault(problem, "correct that row")
    example = "" if found.example is None else f", in which {found.example!r} stands there"
    return Fault(problem, f"leave out the encoding: the table is then read as {found.name}{example}")


def same_encoding(one: str, other: str) -> bool:
    """Whether two names mean one encoding; UTF-8 with and without a mark are one."""
    return codecs.lookup(one).name.removesuffix("-sig") == codecs.lookup(other).name.removesuffix("-sig")


def _count_utf8(open_bytes: OpenBytes) -> tuple[int, int, list[bytes]]:
    """Bytes that are not UTF-8, characters beyond ASCII that are, and the lines of the former, some thousand bytes."""
    bad = good = size = 0
    lines: list[bytes] = []
    for line in _long_lines(open_bytes):
        if line.isascii():
            continue
        text = line.decode("utf-8", "surrogateescape")
        broken = len(_LONE.findall(text))
        bad, good = bad + broken, good + sum(letter > "\x7f" for letter in text) - broken
        if broken and size < _SAMPLE:
            lines.append(line)
            size += len(line)
    return bad, good, lines


def _long_lines(open_bytes: OpenBytes) -> Iterator[bytes]:
    with open_bytes() as file:
        while line := file.readline(_CHUNK):
            yield line


def _guess(sample: bytes, bad: int) -> Encoding:
    """Windows' Western European page, unless there is enough text that is more like another one."""
    best = "cp1252"
    if bad >= _LEAST or _RUN.search(sample):
        needs = "an encoding that is not given and not UTF-8 needs"
        found = import_extra("charset_normalizer", "lab", needs, LogError).from_bytes(sample, cp_isolation=[*_PAGES])
        best = next((match.encoding for match in found), best)
    if best in _LIKE_WESTERN and len(_IN_WORDS.findall(sample.decode("cp1252", "replace"))) <= _ODD_SHARE * bad:
        best = "cp1252"
    try:
        text = sample.decode(best)
    except UnicodeDecodeError:
        best = "latin-1"
        text = sample.decode(best)
    word = _WORD.search(text)
    return Encoding(best, example=word[0] if word else None)


def _first_bad(open_bytes: OpenBytes, given: str) -> tuple[int, bytes, str] | None:
    """Line, bytes and surroundings of the first place that is not of the encoding; None where lines can't be told."""
    if codecs.lookup(given).name.startswith(("utf-16", "utf-32")):
        return None
    for number, line in enumerate(_long_lines(open_bytes), start=1):
        try:
            line.decode(given)
        except UnicodeDecodeError as error:
            around = line[max(error.start - _AROUND, 0) : error.end + _AROUND]
            return number, line[error.start : error.end], shown_bytes(around.decode("ascii", "surrogateescape")).strip()
    return None


def _shown_bytes(value: bytes) -> str:
    return f"the byte{'s' if len(value) > 1 else ''} {value.hex(' ').upper()}"
