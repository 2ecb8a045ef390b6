"""Whether Alertmanager's configuration does anything with the label `noisegate`; no server.

Alertmanager shows its configuration as it writes it itself, always in the same form: block style, a key a line. Only
the sections `route` and `inhibit_rules` are read.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from stream.sources.fingerprint import OUR_LABEL

LABELS = ("paused", "closed")
_KEY = re.compile(r"([A-Za-z_][\w.-]*):(?: (.*))?")
_MATCHER = re.compile(r'\s*"?([^"=!~]+?)"?\s*(=~|!~|!=|=)\s*(.*?)\s*', re.DOTALL)


class _Config(Struct):
    original: str


class _Status(Struct):
    config: _Config


_read_status = msgspec.json.Decoder(_Status).decode


class RouteCheck(Struct, frozen=True):
    """What a configuration does with the label.

    Attributes:
        routed: the values for which there is a route.
        muting: the inhibit rules by which an alert with the label would mute others, each by its source matchers.
    """

    routed: frozenset[str] = frozenset()
    muting: tuple[str, ...] = ()

    @property
    def mend(self) -> str:
        """What to change in Alertmanager's configuration; empty where nothing is missing."""
        missing = [value for value in LABELS if value not in self.routed]
        mends = []
        if missing:
            matchers = " and ".join(f'{OUR_LABEL}="{value}"' for value in missing)
            mends.append(f"add a route with the matcher {matchers}")
        if self.muting:
            mends.append(f'add {OUR_LABEL}="" to the source_matchers of each inhibit rule')
        return "; ".join(mends)


class _Matcher(NamedTuple):
    name: str
    operator: str
    value: str

    def matches(self, value: str) -> bool:
        """Whether a label of this value passes; a label that is not there has the value empty."""
        if self.operator in ("=~", "!~"):
            try:
                found = re.fullmatch(self.value, value) is not None
            except re.error:  # Go's expressions are not quite Python's
                found = False
        else:
            found = self.value == value
        return found == (self.operator in ("=", "=~"))

    def __str__(self) -> str:
        return f'{self.name}{self.operator}"{self.value}"'


def check_routes(status: bytes) -> RouteCheck | None:
    """What Alertmanager's answer to `GET /api/v2/status` says; None where it can't be read."""
    try:
        config = parse_config(_read_status(status).config.original)
        routed = {
            value
            for matchers in _routes(config["route"])
            for one in matchers
            for value in LABELS
            if one.name == OUR_LABEL and one.matches(value) and not one.matches("")
        }
        return RouteCheck(frozenset(routed), tuple(_muting(config.get("inhibit_rules") or [])))
    except (msgspec.MsgspecError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None  # another form, or another server's answer


def has_route(status: bytes, label: str, value: str) -> bool | None:
    """Whether a route names the label so that this value passes and its absence does not; None where unreadable."""
    try:
        config = parse_config(_read_status(status).config.original)
        matchers = (one for found in _routes(config["route"]) for one in found if one.name == label)
        return any(one.matches(value) and not one.matches("") for one in matchers)
    except (msgspec.MsgspecError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def parse_config(text: str) -> dict[str, Any]:
    """The sections `route` and `inhibit_rules` of a configuration as Alertmanager shows it.

    Raises:
        ValueError: it is not in that form.
    """
    lines: list[tuple[int, str]] = []
    wanted = False
    for line in text.split("\n"):
        if not line.strip():
            continue
        if line[0] not in " -":
            wanted = line.partition(":")[0] in ("route", "inhibit_rules")
        if wanted:
            _append(lines, len(line) - len(line.lstrip(" ")), line.strip())
    value, end = _block(lines, 0, 0) if lines else ({}, 0)
    if end != len(lines) or not isinstance(value, dict):
        raise ValueError("a line stands where none belongs")
    return value


def _routes(route: dict[str, Any]) -> Iterator[list[_Matcher]]:
    yield list(_matchers(route, ""))
    for below in route.get("routes") or []:
        yield from _routes(below)


def _muting(rules: Iterable[dict[str, Any]]) -> Iterator[str]:
    for rule in rules:
        matchers = list(_matchers(rule, "source_"))
        if all(one.matches(value) for one in matchers if one.name == OUR_LABEL for value in LABELS):
            yield ", ".join(map(str, matchers)) or "no matchers"


def _matchers(of: dict[str, Any], prefix: str) -> Iterator[_Matcher]:
    for operator, key in (("=", f"{prefix}match"), ("=~", f"{prefix}match_re")):
        for name, value in (of.get(key) or {}).items():
            yield _Matcher(name, operator, value)
    for text in of.get(f"{prefix}matchers") or []:
        found = _MATCHER.fullmatch(text.strip().removeprefix("{").removesuffix("}"))
        if found is None:
            raise ValueError(text)
        yield _Matcher(found[1], found[2], _unquote(found[3]))


def _append(lines: list[tuple[int, str]], indent: int, text: str) -> None:
    """Add a line; one that goes on with a long text is joined to it."""
    if lines:
        before, last = lines[-1]
        item = last.startswith("- ")
        key = _KEY.fullmatch(last[2:] if item else last)
        column = before + 2 if item and key else before
        if indent > column and (key is None or key[2]):
            lines[-1] = before, f"{last} {text}"
            return
    lines.append((indent, text))


def _block(lines: list[tuple[int, str]], at: int, indent: int) -> tuple[Any, int]:
    """The value that begins with a line, and the line after it."""
    return _list(lines, at, indent) if lines[at][1].startswith("-") else _mapping(lines, at, indent)


def _list(lines: list[tuple[int, str]], at: int, indent: int) -> tuple[list[Any], int]:
    found: list[Any] = []
    while at < len(lines) and lines[at][0] == indent and lines[at][1].startswith("- "):
        text = lines[at][1][2:]
        if _KEY.fullmatch(text):
            lines[at] = indent + 2, text
            value, at = _mapping(lines, at, indent + 2)
            found.append(value)
        else:
            found.append(_unquote(text))
            at += 1
    return found, at


def _mapping(lines: list[tuple[int, str]], at: int, indent: int) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    while at < len(lines) and lines[at][0] == indent and not lines[at][1].startswith("- "):
        key = _KEY.fullmatch(lines[at][1])
        if key is None:
            raise ValueError(lines[at][1])
        at += 1
        if key[2]:
            found[key[1]] = _scalar(key[2])
        elif at < len(lines) and (lines[at][0] > indent or (lines[at][0] == indent and lines[at][1].startswith("- "))):
            found[key[1]], at = _block(lines, at, lines[at][0])
        else:
            found[key[1]] = None
    return found, at


def _scalar(text: str) -> Any:
    if text in ("[]", "{}"):
        return [] if text == "[]" else {}
    return _unquote(text)


def _unquote(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if len(text) > 1 and text[0] == text[-1] == '"':
        return str(json.loads(text))
    return text
