"""Matchers meet labels as Alertmanager's do, and none takes long."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.sources.matchers import Matcher, compile_pattern, match_all, worst_steps

LABELS = {"job": "db-7", "env": "prod", "path": "a\nb"}


@pytest.mark.parametrize(
    ("matcher", "expected"),
    [
        (Matcher("job", "db-7"), True),
        (Matcher("job", "db"), False),
        (Matcher("job", "db-7", is_equal=False), False),
        (Matcher("job", "db", is_equal=False), True),
        (Matcher("job", "db", is_regex=True), False),  # anchored at both ends
        (Matcher("job", "db-.+", is_regex=True), True),
        (Matcher("job", "x|db-7", is_regex=True), True),  # the anchors hold for each branch
        (Matcher("job", "db|b-7", is_regex=True), False),
        (Matcher("job", "(?i)DB-7", is_regex=True), True),
        (Matcher("job", "db-.+", is_regex=True, is_equal=False), False),
        (Matcher("absent", ""), True),  # a label that is not there is empty
        (Matcher("absent", ".*", is_regex=True), True),
        (Matcher("absent", ".+", is_regex=True), False),
        (Matcher("absent", "x", is_equal=False), True),
        (Matcher("path", "a.b", is_regex=True), False),  # a dot is no line end
        (Matcher("path", "a\nb$", is_regex=True), True),
        (Matcher("job", "(a+)+", is_regex=True), None),
        (Matcher("job", r"\pL+", is_regex=True), None),
        (Matcher("job", "[[:alpha:]]+", is_regex=True), None),
        (Matcher("job", "[d[:alpha:]]b-7", is_regex=True), None),
        (Matcher("job", "[^[]b-7", is_regex=True), None),
        (Matcher("job", "[a||b]+", is_regex=True), None),
        (Matcher("job", "db-7||x", is_regex=True), True),
    ],
)
def test_one_matcher(matcher: Matcher, expected: bool | None) -> None:
    """Each operator, anchors, absent labels; None where it is not known."""
    assert matcher.matches(LABELS) is expected


def test_all_matchers_must_hold() -> None:
    """One that fails decides, whatever can't be known; none match nothing, as Alertmanager has no such silence."""
    unknown, fails, holds = Matcher("job", "(a+)+", is_regex=True), Matcher("env", "test"), Matcher("env", "prod")
    assert match_all([holds, unknown], LABELS) is None
    assert match_all([fails, unknown], LABELS) is False
    assert match_all([holds, holds], LABELS) is True
    assert match_all([], LABELS) is False


@pytest.mark.parametrize(
    "text",
    [
        "(a+)+b", "(a|a)*b", "(?:a*)*", "(a{2,}){3}", "a?" * 30 + "a" * 30, "(a|a)" * 30 + "b", ".*.*.*.*b",
        r"(a+)\1", "(", ")", "a)", "[", "x" * 1001, "a{1,5}{1,5}{1,5}{1,5}",
    ],
)  # fmt: skip
def test_what_could_take_long_is_not_compiled(text: str) -> None:
    """Expressions that take exponential time, or are none, are left to Alertmanager."""
    assert compile_pattern(text) is None


@pytest.mark.parametrize(
    "text", ["db-.*|web-.*|api-[0-9]+", r"db-7\.example\.net:\d+", "(a|b)c?[)(+*]*", "", "[^]]+", "a+?"]
)
def test_what_people_write_is_compiled(text: str) -> None:
    """Branches, sets, escapes and lazy repetitions are usual, and quick."""
    assert compile_pattern(text) is not None


@settings(deadline=None)
@given(st.text("ab|()*+?.[]{}\\^$1,:-", max_size=14))
def test_no_expression_takes_long(text: str) -> None:
    """Whatever is compiled is through with its worst texts at once, and nothing raises."""
    pattern = compile_pattern(text)
    if pattern is None:
        return
    begun = time.process_time()
    for worst in ("a" * 300 + "!", "ab" * 150 + "!", "b" * 300):
        pattern.fullmatch(worst)
    assert time.process_time() - begun < 2.0, (text, worst_steps(text))


@settings(deadline=None)
@given(st.text("abc", max_size=4), st.sampled_from(["a*b", "a|bc", "[ab]+", "(a|b)c", "b?c?", "a.c"]))
def test_matching_is_the_anchored_expression(value: str, text: str) -> None:
    """The same as a search between the two anchors."""
    assert Matcher("x", text, is_regex=True).matches({"x": value}) == bool(re.search(rf"\A(?:{text})\Z", value))
