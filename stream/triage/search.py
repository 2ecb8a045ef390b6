"""The list's search: the words of `q` as a test of a row, and the orders of rows as browsers took them. Pure."""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from shlex import shlex

from msgspec import Struct

from stream.core import limits
from stream.triage.view import Counts, NamedView, Query, Row, RowPage, Sort

PAGE_ROWS = 200
WORDS = 50  # of one search; more are left out
ANY = "any"
STATE = "state"
Test = Callable[[Row], bool]

VIEWS: tuple[NamedView, ...] = (
    NamedView(name="open", title="All open", q=""),
    NamedView(name="likely", title="Likely actionable", q="band:likely_actionable", sort="probability"),
    NamedView(name="unsure", title="Unsure", q="band:unsure", sort="probability"),
    NamedView(name="unscored", title="Not enough history", q="band:unscored"),
    NamedView(name="snoozed", title="Snoozed", q="state:snoozed"),
    NamedView(name="done", title="Decided", q="state:decided,ended"),
)

_FIELDS: Mapping[str, Callable[[Row], Sequence[str]]] = {
    "team": lambda row: (row.team,),
    "rule": lambda row: (row.rule,),
    "entity": lambda row: (row.entity,),
    "severity": lambda row: (row.severity,),
    "source": lambda row: (row.source,),
    "band": lambda row: (row.band,),
    "evidence": lambda row: (row.evidence,),
    "flag": lambda row: row.flags,
    STATE: lambda row: (row.state,),
}


class Word(Struct, frozen=True):
    """One word of a search: `name` is empty for a word that is looked for in all texts of a row."""

    name: str
    values: tuple[str, ...]
    negated: bool = False


def parse_words(text: str) -> list[Word]:
    """The words of a search; an unknown `name:` is a plain word.

    >>> [(word.name, word.values, word.negated) for word in parse_words('disk -team:payments,web rule:"disk full"')]
    [('', ('disk',), False), ('team', ('payments', 'web'), True), ('rule', ('disk full',), False)]
    """
    return [_word(part) for part in _split(text)[:WORDS] if part.strip("-")]


def matcher(text: str) -> Test:
    """Whether a row matches every word of a search; without `state:` only open rows do."""
    words = parse_words(text)
    if not any(word.name == STATE for word in words):
        words.append(Word(STATE, ("open",)))
    tests = [_test(word) for word in words]
    return lambda row: all(test(row) for test in tests)


def resolve_view(query: Query) -> Query:
    """The query with the words and the order of the view that it names; what the URL says itself wins."""
    view = next((one for one in VIEWS if one.name == query.view), None)
    if view is None or query.q:
        return query
    return Query(q=view.q, sort=view.sort, view=query.view, alert=query.alert)


def order_key(sort: Sort) -> Callable[[Row], tuple[float, float, str]]:
    """The order of rows: newest first, or the likeliest to be acted on first and then the newest."""
    if sort == "probability":
        return lambda row: (-1.0 if row.probability is None else row.probability, row.latest_at, row.key)
    return lambda row: (row.latest_at, row.raised_at, row.key)


class Snapshots:
    """The newest orders, by name; the oldest is forgotten.

    Args:
        name: gives each a name that nobody guesses.
        most: how many are kept.
    """

    def __init__(self, name: Callable[[], str], most: int = limits.TRIAGE_SNAPSHOTS) -> None:
        self._name, self._most = name, most
        self._orders: dict[str, tuple[str, ...]] = {}

    def take(self, rows: Mapping[str, Row], query: Query) -> str:
        """Keep the order of all rows that match now; returns its name."""
        query = resolve_view(query)
        test, order = matcher(query.q), order_key(query.sort)
        found = sorted((row for row in rows.values() if test(row)), key=order, reverse=True)
        name = self._name()
        self._orders[name] = tuple(row.key for row in found)
        if len(self._orders) > self._most:
            del self._orders[next(iter(self._orders))]
        return name

    def keys(self, name: str) -> tuple[str, ...] | None:
        """The keys of an order; None where it is forgotten."""
        return self._orders.get(name)

    def page(
        self, name: str, rows: Mapping[str, Row], seq: int, counts: Counts, offset: int = 0, limit: int = PAGE_ROWS
    ) -> RowPage | None:
        """A part of an order, with the rows as they are now; rows that are gone are left out. None: it is forgotten."""
        keys = self._orders.get(name)
        if keys is None:
            return None
        if name in self._orders:  # what is used is not the oldest
            self._orders[name] = self._orders.pop(name)
        some = islice(keys, offset, offset + min(limit, PAGE_ROWS))
        shown = [rows[key] for key in some if key in rows]
        return RowPage(seq=seq, snapshot=name, total=len(keys), offset=offset, rows=shown, counts=counts)


def _split(text: str) -> list[str]:
    """Words at blanks, but for quoted ones; a quote that is never closed is an ordinary character."""
    lexer = shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters, lexer.escape, lexer.quotes = True, "", "", '"'
    try:
        return list(lexer)
    except ValueError:
        return text.split()


def _word(part: str) -> Word:
    negated = part.startswith("-")
    name, colon, rest = part.removeprefix("-").partition(":")
    if colon and name.casefold() in _FIELDS:
        return Word(name.casefold(), tuple(one.strip() for one in rest.split(",")), negated)
    return Word("", (part.removeprefix("-").casefold(),), negated)


def _test(word: Word) -> Test:
    if not word.name:
        text = word.values[0]
        return lambda row: (text in _text_of(row)) != word.negated
    if ANY in word.values and word.name == STATE:
        return lambda row: True
    values = frozenset(value.casefold() for value in word.values)
    field = _FIELDS[word.name]
    return lambda row: any(one.casefold() in values for one in field(row)) != word.negated


def _text_of(row: Row) -> str:
    return "\n".join((row.title, row.rule, row.entity, row.team, row.severity)).casefold()
