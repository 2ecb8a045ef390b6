"""Matchers of Alertmanager's silences: `=`, `!=`, `=~` and `!~`, the last two anchored at both ends.

Alertmanager's expressions (RE2) take linear time whatever is matched; Python's do not. One that could take long here,
or that Python reads otherwise, is not matched: Alertmanager itself says which alerts a silence suppresses.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from msgspec import Struct

from stream.core import limits

_STEPS = 4_000_000  # of a match in the worst case: about 0.1 s
_FOREIGN = (
    "[:",
    "--",
    "&&",
    "~~",
    "||",
)  # in a set: Python has no named classes, and warns of what may be a set of sets
_ENDLESS = float("inf")


class Matcher(Struct, frozen=True):
    """One condition on a label; a label that is not there has the empty value."""

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True

    def matches(self, labels: Mapping[str, str]) -> bool | None:
        """Whether the labels meet it; None where that can't be found out in time.

        >>> [Matcher("job", "db.*", is_regex=True).matches({"job": job}) for job in ("db-7", "a db", "db")]
        [True, False, True]
        """
        value = labels.get(self.name, "")
        if not self.is_regex:
            return (value == self.value) == self.is_equal
        pattern = compile_pattern(self.value)
        if pattern is None or len(value) > limits.LABEL_VALUE_LENGTH:
            return None
        return (pattern.fullmatch(value) is not None) == self.is_equal


def match_all(matchers: Sequence[Matcher], labels: Mapping[str, str]) -> bool | None:
    """Whether labels meet every matcher; None where that can't be found out in time. No matchers match nothing."""
    found = [matcher.matches(labels) for matcher in matchers]
    if False in found:
        return False
    return None if None in found else bool(found)


@lru_cache(maxsize=1_000)
def compile_pattern(text: str) -> re.Pattern[str] | None:
    """The expression, for `fullmatch`; None where it is Alertmanager's alone, or could take too long."""
    if len(text) > limits.PATTERN_LENGTH or worst_steps(text) > _STEPS:
        return None
    try:
        return re.compile(text, re.ASCII)
    except (re.error, RecursionError, OverflowError):
        return None


def worst_steps(text: str, length: int = limits.LABEL_VALUE_LENGTH) -> float:
    """How many steps a backtracking match of a text of `length` may take, about and from above.

    Each open repetition multiplies by the length, each optional piece by two, each group by its branches; a repeated
    group, a back-reference or a set that Python may read otherwise is without end.

    >>> worst_steps("db-.*|web-[0-9]+"), worst_steps("x?(a|b|c)(d|e)"), worst_steps("(a+)+")
    (2000.0, 12.0, inf)
    """
    branches, steps = [0.0], [1.0]  # of each group that is open: finished branches, and the present one
    place, after_group = 0, False
    while place < len(text):
        sign = text[place]
        if sign == "\\":
            if text[place + 1 : place + 2].isdigit():
                return _ENDLESS
            place, after_group = place + 2, False
            continue
        if sign == "[":
            end = _end_of_set(text, place)
            if _is_foreign(text[place + 1 : end - 1]):
                return _ENDLESS
            place, after_group = end, False
            continue
        if sign == "(":
            branches.append(0.0)
            steps.append(1.0)
            if text.startswith("(?", place):
                place += 1  # its `?` repeats nothing
        elif sign == ")":
            if len(steps) == 1:
                return _ENDLESS
            group = branches.pop() + steps.pop()
            steps[-1] *= group
        elif sign == "|":
            branches[-1] += steps[-1]
            steps[-1] = 1.0
        elif sign in "*+{?":
            if after_group and sign != "?":
                return _ENDLESS
            if not (place and text[place - 1] in "*+}?" and sign == "?"):
                steps[-1] *= 2.0 if sign == "?" else length
        after_group = sign == ")"
        place += 1
    return branches[0] + steps[0] if len(steps) == 1 else _ENDLESS


def _is_foreign(inner: str) -> bool:
    return inner.removeprefix("^").startswith("[") or any(sign in inner for sign in _FOREIGN)


def _end_of_set(text: str, start: int) -> int:
    """The place after a set such as `[^]a-z]` that begins at `start`."""
    place = start + 1
    if text.startswith("^", place):
        place += 1
    if text.startswith("]", place):
        place += 1
    while place < len(text) and text[place] != "]":
        place += 2 if text[place] == "\\" else 1
    return place + 1
