"""Names that look alike to people and are others to machines: case, spaces, what can't be seen, and letters of
other scripts."""

import unicodedata
from collections.abc import Iterable

NO_TEAM = frozenset(
    ("null", "none", "nil", "n/a", "na", "#n/a", "nan", "-", "--", "?", "unknown", "unassigned", "undefined", "empty",
     "(empty)", "(blank)", "(none)", "blank", "not assigned", "tbd", "0")
)  # fmt: skip
_LATIN = str.maketrans(
    "аеорсухіјѕԁһԛԝв" + "αενορτυικ" + "ı" + "0",
    "aeopcyxijsdhqwb" + "aevoptuik" + "i" + "o",
)


def skeleton(name: str) -> str:
    """What a name looks like: names with one skeleton look alike.

    >>> skeleton("Payments ") == skeleton("pay\\u200bments") == skeleton("p\\u0430yments") == skeleton("PAYMENTS")
    True
    """
    seen = "".join(
        letter for letter in unicodedata.normalize("NFKC", name) if unicodedata.category(letter) not in ("Cf", "Cc")
    )
    return " ".join(seen.casefold().replace("_", " ").replace("-", " ").split()).translate(_LATIN)


def look_alikes(names: Iterable[str]) -> list[list[str]]:
    """Groups of names that look alike, each in the order given; the groups in the order of their first names."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(skeleton(name), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def escaped_name(name: str) -> str:
    """The name in quotes, with an escape for each letter beyond ASCII: so look-alikes can be told apart.

    >>> escaped_name("p\\u0430y")
    "'p\\\\u0430y'"
    """
    return ascii(name)


def is_no_team(name: str) -> bool:
    """Whether a team's name stands for nobody, such as NULL or (empty)."""
    return name.strip().casefold() in NO_TEAM
