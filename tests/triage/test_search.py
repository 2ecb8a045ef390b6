"""The list's search, orders and snapshots."""

import pytest

from stream.triage.search import Snapshots, matcher, resolve_view
from stream.triage.view import Counts, Query, Row


def row(key: str = "k", **fields: object) -> Row:
    """An open row."""
    values: dict[str, object] = {
        "team": "payments",
        "rule": "disk full",
        "entity": "db-7",
        "alert_id": "A1",
        "title": "Disk 91 % on db-7",
        "raised_at": 1.0,
        "latest_at": 1.0,
        "words": "",
        "band": "likely_actionable",
        "severity": "high",
    }
    return Row(key=key, **(values | fields))  # type: ignore[arg-type]  # values of a test


@pytest.mark.parametrize(
    "words",
    [
        *("", "disk", "DISK db-7", "team:payments", "team:web,payments", 'rule:"disk full"', "-web"),
        *("band:likely_actionable", "state:open", "state:any", "-team:web", "severity:HIGH"),
    ],
)
def test_what_matches(words: str) -> None:
    """Words in any case in any text, exact values of a field, and words turned around."""
    assert matcher(words)(row())


@pytest.mark.parametrize("words", ["web", "-disk", "team:pay", "-team:payments", "band:unsure", "state:ended", "x:y"])
def test_what_does_not_match(words: str) -> None:
    """A field's value must be whole, and every word must hold."""
    assert not matcher(words)(row())


def test_the_list_shows_what_is_open() -> None:
    """Without a word about the state, what is decided, ended or suppressed is left out of a new order."""
    states = ("open", "snoozed", "suppressed", "decided", "ended")
    assert [state for state in states if matcher("disk")(row(state=state))] == ["open"]


def test_a_quote_that_is_never_closed_is_a_character() -> None:
    """A search that is half typed finds what it says so far."""
    assert matcher('"disk')(row(title='5" disk "disk'))


def test_a_named_view_is_its_words_and_order() -> None:
    """`?view=likely` is a band by probability, unless the address has words of its own."""
    assert resolve_view(Query(view="likely")).sort == "probability"
    assert resolve_view(Query(view="likely", q="disk")).q == "disk"


def test_an_order_stays_as_it_was_taken() -> None:
    """What changes after the snapshot keeps its place; what is gone is left out; a forgotten one is None."""
    names = iter(("one", "two", "three"))
    snapshots = Snapshots(lambda: next(names), most=2)
    rows = {key: row(key, latest_at=at) for key, at in (("a", 1.0), ("b", 2.0), ("c", 3.0))}
    name = snapshots.take(rows, Query())
    rows["a"] = row("a", latest_at=9.0, state="ended")
    del rows["c"]
    page = snapshots.page(name, rows, 7, Counts())
    assert page is not None
    assert ([one.key for one in page.rows], page.total, page.seq) == (["b", "a"], 3, 7)
    assert [one.key for one in rows.values() if one.state == "ended"] == ["a"]
    snapshots.take(rows, Query())
    snapshots.take(rows, Query())
    assert snapshots.page(name, rows, 7, Counts()) is None


def test_by_probability_unscored_rows_come_last() -> None:
    """The likeliest first, and of equal ones the newest."""
    snapshots = Snapshots(lambda: "one")
    shares = {"a": (0.2, 1.0), "b": (None, 9.0), "c": (0.9, 1.0), "d": (0.2, 2.0)}
    rows = {key: row(key, probability=share, latest_at=at) for key, (share, at) in shares.items()}
    assert snapshots.keys(snapshots.take(rows, Query(sort="probability"))) == ("c", "d", "a", "b")
