"""Which rules stand in each other's way, found from their files alone."""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import cache
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
    hidden: list[Overlap] = []
    shared: list[Overlap] = []
    for late, second in enumerate(placed):
        for early in range(late):
            first = placed[early]
            if not _may_share(patterns[early], patterns[late]):
                continue
            covers = first.rule.max_probability >= second.rule.max_probability and _covers(
                patterns[early], patterns[late]
            )
            (hidden if covers else shared).append(Overlap(first, second, covers))
            if covers or len(shared) > 10 * most:
                break
    return (hidden + shared)[:most]


def _may_share(first: Patterns, second: Patterns) -> bool:
    """Whether an alert can match both: in each field that both name, a pattern of each allows one value."""
    return all(
        any(share_value(one, other) for one in first[field] for other in second[field])
        for field in first
        if field in second
    )


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


@cache
def share_value(one: str, other: str) -> bool:
    """Whether some text matches both patterns.

    >>> share_value("disk_*", "*_full"), share_value("disk_*", "cpu_*"), share_value("db-[12]", "db-?")
    (True, False, True)
    """
    if not _WILD.search(one):
        return fnmatchcase(one, other)
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
    if len(one) > 1 and len(other) > 1:
        return True
    if len(one) > 1 or one == "?":
        one, other = other, one
    return one == "?" or fnmatchcase(one, other)
