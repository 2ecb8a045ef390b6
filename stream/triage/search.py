"""The list's search: the words of `q` as a test of a row, and the orders of rows."""

from collections.abc import Callable, Mapping, Sequence
from shlex import shlex

from msgspec import Struct

from stream.triage.view import NamedView, Query, Row, Sort

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
