"""Text from outside, as people may be shown it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.limits import TITLE_LENGTH
from stream.core.text import display_text, strip_control_characters

STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # controls, formats with the bidi overrides, surrogates, line separators


@given(st.text(max_size=50), st.integers(1, 20))
def test_a_displayed_text_steers_nothing_and_is_bounded(text: str, length: int) -> None:
    """Whatever comes in, nothing that steers a terminal or the direction of writing comes out, nor too much."""
    shown = display_text(text, length)
    assert len(shown) <= length
    assert not {unicodedata.category(letter) for letter in shown} & STEERING


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=50))
def test_a_plain_text_stays_as_it_is(text: str) -> None:
    """Letters, digits, punctuation and symbols of any script are shown unchanged, and again the same."""
    assert display_text(text) == display_text(display_text(text)) == text


@pytest.mark.parametrize("letter", [*"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"])
def test_no_text_turns_another_around(letter: str) -> None:
    """Every character that sets the direction of writing is a space."""
    assert strip_control_characters(f"a{letter}b") == "a b"


def test_a_huge_label_is_cut() -> None:
    """A megabyte becomes a title's length, and says that it was cut."""
    shown = display_text("x" * 1_000_000)
    assert (len(shown), shown[-2:]) == (TITLE_LENGTH, "x…")
