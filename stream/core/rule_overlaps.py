"""Which rules stand in each other's way, found from their files alone."""

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from functools import reduce
from operator import or_
from typing import NamedTuple

from stream.core.rules import Placed

_TOKEN = re.compile(r"\[!?\]?[^\]]*\]|.", re.DOTALL)
_WILD = re.compile(r"[*?\[]")
Patterns = dict[str, tuple[str, ...]]


class Overlap(NamedTuple):
    """Two rules that one alert can match; the first decides. `hidden`: the second never does."""

    first: Placed
    second: Placed
    hidden: bool


def overlaps(placed: Sequence[Placed], most: int) -> list[Overlap]:
    """Pairs of rules, in the order in which they are tried; at most so many, hidden ones before others."""
    patterns = [one.rule.match.patterns() for one in placed]
    shared_with = _Sharing(patterns)
    hidden: list[Overlap] = []
    shared: list[Overlap] = []
    for late, second in enumerate(placed):
        for early in _bits(shared_with.mask(late)):
            first = placed[early]
            covers = first.rule.max_probability >= second.rule.max_probability and _covers(
                patterns[early], patterns[late]
            )
            if covers or len(shared) < most:
                (hidden if covers else shared).append(Overlap(first, second, covers))
            if covers:
                break
    return (hidden + shared)[:most]


class _Sharing:
    """Which rules before a rule an alert can match as well: in each field that both name, one value fits both.

    Rules are bits of a mask, in order.
    """

    def __init__(self, patterns: Sequence[Patterns]) -> None:
        self._patterns = patterns
        self._named: dict[str, dict[str, int]] = {}  # by field and pattern
        self._known: dict[tuple[str, str], int] = {}
        for place, given in enumerate(patterns):
            for field, own in given.items():
                table = self._named.setdefault(field, {})
                for pattern in own:
                    table[pattern] = table.get(pattern, 0) | 1 << place
        self._any = {field: reduce(or_, table.values()) for field, table in self._named.items()}

    def mask(self, late: int) -> int:
        before = (1 << late) - 1
        for field, own in self._patterns[late].items():
            sharing = ~self._any[field]
            for pattern in own:
                sharing |= self._of(field, pattern)
            before &= sharing
        return before

    def _of(self, field: str, pattern: str) -> int:
        """The rules that name the field with a pattern that shares a value with this one."""
        known = self._known.get((field, pattern))
        if known is None:
            table = self._named[field]
            known = reduce(or_, (mask for other, mask in table.items() if share_value(pattern, other)), 0)
            self._known[field, pattern] = known
        return known


def _bits(mask: int) -> Iterator[int]:
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def _covers(first: Patterns, second: Patterns) -> bool:
    """Whether whatever matches the second surely matches the first."""
    return all(
        field in second and all(any(_allows_all(one, other) for one in own) for other in second[field])
        for field, own in first.items()
    )


def _allows_all(pattern: str, other: str) -> bool:
    if pattern in ("*", other):
        return True
    return not _WILD.search(other) and fnmatchcase(other, pattern)


def share_value(one: str, other: str) -> bool:
    """Whether some text matches both patterns.

    >>> share_value("disk_*", "*_full"), share_value("disk_*", "cpu_*"), share_value("db-[12]", "db-?")
    (True, False, True)
    """
    if not _WILD.search(one):
        return one == other if not _WILD.search(other) else fnmatchcase(one, other)
    if not _WILD.search(other):
        return fnmatchcase(other, one)
    left, right = _TOKEN.findall(one), _TOKEN.findall(other)
    reached = {(0, 0)}
    waiting = [(0, 0)]
    while waiting:
        i, j = waiting.pop()
        if i == len(left) and j == len(right):
            return True
        for step in _steps(left, right, i, j):
            if step not in reached:
                reached.add(step)
                waiting.append(step)
    return False


def _steps(left: list[str], right: list[str], i: int, j: int) -> list[tuple[int, int]]:
    """Where one more letter, or none where a star stands, can lead in both patterns."""
    steps = []
    if i < len(left) and left[i] == "*":
        steps += [(i + 1, j), *([(i, j + 1)] if j < len(right) else [])]
    if j < len(right) and right[j] == "*":
        steps += [(i, j + 1), *([(i + 1, j)] if i < len(left) else [])]
    if not steps and i < len(left) and j < len(right) and _share_letter(left[i], right[j]):
        steps.append((i + 1, j + 1))
    return steps


def _share_letter(one: str, other: str) -> bool:
    """Whether one letter matches both; two sets of letters are taken to share one."""
    if "?" in (one, other) or (len(one) > 1 and len(other) > 1):
        return True
    return fnmatchcase(one, other) if len(one) == 1 else fnmatchcase(other, one)
