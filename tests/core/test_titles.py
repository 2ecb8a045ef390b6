"""Titles as tokens: numbers, case and names do not count; rates of known tokens are encoded, new ones are unseen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.events import Raised, moment
from stream.core.features import TITLE_FEATURES, table
from stream.core.frame import Priors, is_prior_key
from stream.core.titles import SIDES, TITLE, TOKENS_MOST, encode_titles, tokens_of, words_of

DISK, FULL, ON = tokens_of("disk full on")


def alert(title: str | None) -> Raised:
    """An alert with this title."""
    return Raised(moment(1e9), "a", "pay", "disk", "db", title=title)


@given(st.text(max_size=200))
def test_any_title_has_tokens_without_its_words(title: str) -> None:
    """One token at least, at most so many, each a hash of sixteen hex digits; the same for the same words."""
    tokens = tokens_of(title)
    assert 1 <= len(tokens) <= TOKENS_MOST
    assert all(len(token) == 16 and set(token) <= set("0123456789abcdef") for token in tokens)
    assert tokens_of(title) == tokens
    assert len(set(tokens)) == len(tokens)


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_numbers_do_not_count(one: int, other: int) -> None:
    """Whatever their value, within a word or alone."""
    assert tokens_of(f"disk {one}% on db-{one}, p{one}") == tokens_of(f"disk {other}% on db-{other}, p{other}")


def test_words_are_found_in_any_script() -> None:
    """Letters of any language make words; signs and lone numbers do not."""
    assert words_of("Die Platte ist VOLL: 99 %") == ["die", "platte", "ist", "voll"]
    assert words_of("ディスク 95% 警告") == ["ディスク", "警告"]
    assert words_of("12:30 -- 7/8") == []


def test_rates_of_known_tokens_are_encoded() -> None:
    """Mean, highest and lowest of those that training knew; a title of new words has the global rate, and is unseen."""
    rates, known = encode_titles({DISK: 0.2, FULL: 0.8}, ["Disk full!", "disk on fire", "all new", None], 0.3)
    assert {side: values.tolist() for side, values in rates.items()} == {
        "title": [0.5, 0.2, 0.3, 0.3],
        "title_high": [0.8, 0.2, 0.3, 0.3],
        "title_low": [0.2, 0.2, 0.3, 0.3],
    }
    assert known.tolist() == [True, True, False, False]
    none, of_none = encode_titles({}, [], 0.3)
    assert [len(values) for values in none.values()] == [0] * len(SIDES)
    assert len(of_none) == 0


def test_an_absent_title_is_a_value_of_its_own() -> None:
    """As with other keys: where training saw many alerts without a title, they have their rate."""
    (empty,) = tokens_of(None)
    rates, known = encode_titles({empty: 0.9}, [None, "", "12"], 0.3)
    assert rates["title"].tolist() == [0.9] * 3
    assert known.all()


def test_priors_encode_titles_beside_the_rest() -> None:
    """The same encoder: the key `title` is one table and three values."""
    priors = Priors(0.3, {"rule": {"disk": 0.6}, TITLE: {ON: 0.1}})
    encoded, known = priors.encode_known([alert("full on"), alert("nothing known")])
    assert set(encoded) == {"rule", *SIDES}
    assert encoded["title_low"].tolist() == [0.1, 0.3]
    assert {key: seen.tolist() for key, seen in known.items()} == {"rule": [True, True], TITLE: [True, False]}
    assert is_prior_key(TITLE)


def test_the_table_has_the_features_of_titles_only_with_their_rates() -> None:
    """And they are the last of the priors, by their own names."""
    assert set(TITLE_FEATURES) <= set(table((), ("rule", TITLE)))
    assert not set(TITLE_FEATURES) & set(table((), ("rule",)))


def test_titles_do_not_enter_the_sum_of_shifts() -> None:
    """So that a model without their three features knows nothing of titles."""
    from stream.core.frame import Decayed, Frame

    rows = np.full((1, 1 + 19 * 4), np.nan)
    rows[:, 0] = 1e9
    bare = {"rule": np.array([0.6])}
    with_titles = {**bare, **{side: np.array([0.9]) for side in SIDES}}
    frames = [Frame(Decayed(rows), encoded, 0.3, ()) for encoded in (bare, with_titles)]
    assert frames[0].shifts() == pytest.approx(frames[1].shifts(), abs=0.0)
