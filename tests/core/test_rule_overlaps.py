"""Rules that stand in each other's way, found without an alert."""

from fnmatch import fnmatchcase
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.rule_overlaps import overlaps, share_value
from tests.core.test_rule_index import make_rules

TEXTS = ["".join(letters) for length in range(4) for letters in product("ab", repeat=length)]
PATTERNS = st.text(alphabet="ab*?", max_size=3)


@given(PATTERNS, PATTERNS)
def test_patterns_share_a_value_if_and_only_if_there_is_one(one: str, other: str) -> None:
    """Held against all short texts; where none of them matches both, a longer one would have to."""
    found = any(fnmatchcase(text, one) and fnmatchcase(text, other) for text in TEXTS)
    if len(one.replace("*", "")) + len(other.replace("*", "")) <= 3:
        assert share_value(one, other) is found
    elif found:
        assert share_value(one, other)


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("db-[12]", "db-2", True),
        ("db-[12]", "db-?", True),
        ("db-[12", "db-?12", True),
        ("db-[12]", "db-3", False),
        ("[ab]x", "b?", True),
        ("[ab]x", "cx", False),
    ],
)
def test_sets_of_letters_share_values(one: str, other: str, shared: bool) -> None:
    """A set is one letter, in either pattern."""
    assert share_value(one, other) is share_value(other, one) is shared


def named(matches: list[tuple[dict[str, Any], float]]) -> list[tuple[str, str, bool]]:
    """The overlaps of rules with these matches, by name."""
    return [(one.first.rule.name, one.second.rule.name, one.hidden) for one in overlaps(make_rules(matches), 10)]


def test_a_rule_that_never_decides_is_found() -> None:
    """Everything it matches is matched by one before it, at a probability at least as high."""
    assert named([({"rule": "disk_*"}, 0.2), ({"rule": ["disk_full", "disk_slow"], "team": "a"}, 0.1)]) == [
        ("r0", "r1", True)
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (({"rule": "disk_*"}, 0.1), ({"rule": "disk_full"}, 0.2)),
        (({"rule": "disk_*", "team": "a"}, 0.1), ({"rule": "disk_full"}, 0.1)),
        (({"labels": {"env": "prod"}}, 0.1), ({"team": "a"}, 0.1)),
    ],
)
def test_rules_that_share_some_alerts_overlap(first: tuple[Any, float], second: tuple[Any, float]) -> None:
    """A higher probability, another team or a label leaves the second something to decide."""
    assert named([first, second]) == [("r0", "r1", False)]


def test_rules_of_different_alerts_do_not_overlap() -> None:
    """One field in which no value fits both is enough."""
    assert named([({"rule": "disk_*", "team": "a"}, 0.1), ({"rule": "disk_*", "team": "b*"}, 0.1)]) == []


def test_hidden_rules_come_first_and_the_list_is_cut() -> None:
    """Of many overlaps at most so many are told, those that hide a rule before others."""
    matches: list[tuple[dict[str, Any], float]] = [({"rule": f"r{n}*"}, 0.1 + n / 100) for n in range(5)]
    many = make_rules([*matches, ({"rule": "*x"}, 0.9), ({"rule": "*x"}, 0.9)])
    found = overlaps(many, 3)
    assert [one.hidden for one in found] == [True, False, False]
