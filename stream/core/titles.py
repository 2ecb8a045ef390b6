"""Titles as tokens: words in lower case with their numbers masked, each as a hash, so that no model holds a name.

"Disk 91% full on db-7" and "Disk 95% full on db-12" are the same tokens. A hash hides a word from readers of a
manifest, not from somebody who tries a dictionary.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

TITLE = "title"
SIDES = ("title", "title_high", "title_low")
"""What is encoded of the rates of a title's tokens: their mean, the highest and the lowest."""
TOKENS_MOST = 32  # of one title, the first ones
_HASH_BYTES = 8
_REMEMBERED = 8_192
_NUMBER, _WORD = re.compile(r"\d+"), re.compile(r"[\w#]*[^\W\d_][\w#]*")


def words_of(title: str) -> list[str]:
    """The words of a title, each once, in the order of the title.

    >>> words_of("Disk 91% full on db-7, p99 high on db-7")
    ['disk', 'full', 'on', 'db', 'p#', 'high']
    """
    return _words(_masked(title))


def tokens_of(title: str | None) -> tuple[str, ...]:
    """The tokens of a title; one of the empty text where it has no word.

    >>> tokens_of("Disk 91% full") == tokens_of("disk 7 % full"), tokens_of(None) == tokens_of("99")
    (True, True)
    """
    return _tokens(_masked(title or ""))


def _masked(title: str) -> str:
    return _NUMBER.sub("#", title.lower())


def _words(masked: str) -> list[str]:
    return list(dict.fromkeys(_WORD.findall(masked)))[:TOKENS_MOST]


@lru_cache(_REMEMBERED)  # without their numbers, titles repeat
def _tokens(masked: str) -> tuple[str, ...]:
    return tuple(_hashed(word) for word in _words(masked) or ("",))


@lru_cache(_REMEMBERED)
def _hashed(word: str) -> str:
    return blake2b(word.encode("utf-8", "surrogatepass"), digest_size=_HASH_BYTES).hexdigest()


def sides_of(rates: Sequence[float]) -> tuple[float, float, float]:
    """Mean, highest and lowest of the rates of a title's known tokens, of which there is one at least."""
    return sum(rates) / len(rates), max(rates), min(rates)


def encode_titles(
    table: Mapping[str, float], titles: Sequence[str | None], global_rate: float
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.bool_]]:
    """float64[N] by `SIDES`, and whether the table has any token of each title; else its rates are the global one."""
    find = table.get
    found: dict[str, tuple[tuple[float, float, float], bool]] = {}
    rows, known = [], []
    for title in titles:
        masked = _masked(title or "")
        pair = found.get(masked)
        if pair is None:
            rates = [rate for token in _tokens(masked) if (rate := find(token)) is not None]
            pair = found[masked] = sides_of(rates or (global_rate,)), bool(rates)
        rows.append(pair[0])
        known.append(pair[1])
    columns = np.array(rows, dtype=np.float64).reshape(-1, len(SIDES)).T
    return dict(zip(SIDES, columns, strict=True)), np.array(known, dtype=np.bool_)
