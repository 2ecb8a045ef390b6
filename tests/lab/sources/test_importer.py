"""Tables into event logs: both forms, what is dropped, and that nothing is lost in silence."""

import gzip
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.core.errors import LogError
from stream.core.events import Acted, Raised, moment, seconds
from stream.lab.sources.mapping import parse_mapping
from stream.lab.sources.summary import Dropped, Summary
from stream.lab.sources.table import Table
from tests.lab.sources.tables import ALERT, ALERT_HEADER, ALERT_ROW, UPDATE, UPDATE_HEADER, imported

WORDS = ("", "?", "A", "B", "fixed", "Active", "a\x00b", 'q"', "two\nlines", "x" * 300)
TIMES = ("2026-03-01", "01/03/2026 10:00", "02/03/2026", "30/02/2026", "0001-01-01", "31/12/9999")
CELLS = st.sampled_from(WORDS) | st.sampled_from(TIMES) | st.text(max_size=5)


def test_one_row_an_alert(tmp_path: Path) -> None:
    """A row makes its alert and an action, with the actor under a pseudonym and missing labels left out."""
    later = "A2,2026-03-01T10:00:00+01:00,storage,disk,,?,,,,\n"
    events, summary = imported(ALERT_HEADER + ALERT_ROW + later, ALERT, tmp_path, "o.jsonl.gz")
    second, first, acted = events
    assert isinstance(first, Raised)
    assert isinstance(second, Raised)
    assert isinstance(acted, Acted)
    assert (first.rule, first.entity, first.labels) == ("disk/full", "db-7", {"env": "prod"})
    assert (second.rule, second.entity, second.labels) == ("disk", "unknown", {})
    assert (acted.team, acted.kind, acted.action_id) == ("payments", "remediated", "A1-001")
    assert acted.actor is not None
    assert len(acted.actor) == 10
    assert "ana" not in acted.actor
    assert (summary.rows, summary.alerts, summary.actions, summary.written) == (2, 2, 1, True)
    assert (summary.dropped_rows, summary.dropped_actions) == ({}, {})


def test_one_row_an_update(tmp_path: Path) -> None:
    """The earliest row raises, in whatever order they stand; the team stays that of the raise."""
    rows = [
        "A,01/03/2026 12:00,b,disk,h,Closed,x",
        "A,01/03/2026 11:00,b,disk,h,Active,x",
        "A,1/3/2026 10:00,a,disk,h,New,x",
        "A,01/03/2026 12:00,b,disk,h,Closed,x",
        "A,01/03/2026 13:00,b,disk,h,Strange,x",
    ]
    events, summary = imported(UPDATE_HEADER + "\n".join(rows) + "\n", UPDATE, tmp_path)
    assert isinstance(events[0], Raised)
    assert events[0].at == moment(seconds(events[0].at))
    assert f"{events[0].at:%H:%M}" == "09:00"  # Berlin is an hour ahead
    assert [event.kind for event in events if isinstance(event, Acted)] == ["reassigned", "closed"]
    assert {event.team for event in events if isinstance(event, Acted)} == {"a"}
    assert summary.dropped_rows == {"duplicate": Dropped(1, 5), "no_kind": Dropped(1, 6)}


@pytest.mark.parametrize(
    ("lines", "agent"),
    [
        ("", None),
        ('automation = ["AN*"]\n', "automation"),
        ('automation = ["bot"]\n', "person"),
        ("[[action]]\n", "automation"),
    ],
)
def test_who_did_it(tmp_path: Path, lines: str, agent: str | None) -> None:
    """By patterns of automation users, by the action's own `agent`, else nobody says; names stay pseudonyms."""
    mapping = ALERT.replace("[[action]]", '[[action]]\nagent = "automation"') if "action" in lines else lines + ALERT
    events, _ = imported(ALERT_HEADER + ALERT_ROW, mapping, tmp_path)
    acted = events[1]
    assert isinstance(acted, Acted)
    assert (acted.agent, len(acted.actor or "")) == (agent, 10)


def test_a_kind_that_ends_in_an_agent_is_refused(tmp_path: Path) -> None:
    """In the mapping with the mend, in a table's cell as a dropped action: no event may carry it."""
    with pytest.raises(LogError, match="kind 'closed@person' ends in @person or @automation; set agent instead"):
        parse_mapping(ALERT.replace('"dismissed"', '"closed@person"'))
    mapping = ALERT.replace('kinds = { fixed = "remediated", noise = "dismissed" }', "")
    _, summary = imported(ALERT_HEADER + ALERT_ROW.replace("fixed", "closed@person"), mapping, tmp_path)
    assert summary.dropped_actions == {"kind_ends_in_agent": Dropped(1, 2, "closed@person")}


def test_raises_come_before_actions_of_the_same_time(tmp_path: Path) -> None:
    """At one moment an action never stands before an alert."""
    same = ALERT_ROW.replace("10:20", "10:00")
    events, _ = imported(ALERT_HEADER + same + same.replace("A1", "A2"), ALERT, tmp_path)
    assert [type(event) for event in events] == [Raised, Raised, Acted, Acted]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("A1", "", "missing_alert_id"),
        ("payments", " ? ", "missing_team"),
        ("2026-03-01T10:00:00Z", "yesterday", "unreadable_at"),
        ("2026-03-01T10:00:00Z", "1999-01-01", "at_before_floor"),
        ("payments", "p" * 257, "team_too_long"),
        ("db-7", "d\x00", "entity_nul"),
        ("prod", "prod,more", "wrong_width"),
        ("A1", "GOOD", "duplicate"),
        (ALERT_ROW, "\n", "blank"),
    ],
)
def test_rows_are_dropped_by_reason(tmp_path: Path, old: str, new: str, reason: str) -> None:
    """Each reason is counted with the first row it was met in."""
    bad = ALERT_ROW.replace(old, new)
    events, summary = imported(ALERT_HEADER + ALERT_ROW.replace("A1", "GOOD") + bad + bad, ALERT, tmp_path)
    assert len(events) == 2
    assert {name: (of.count, of.first_row) for name, of in summary.dropped_rows.items()} == {reason: (2, 3)}


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("2026-03-01T10:20:00Z", "2026-03-01T09:20:00Z", "before_its_raise"),
        ("2026-03-01T10:20:00Z", "later", "unreadable_closed"),
        ("fixed", "strange", "no_kind"),
        ("A1", "A" * 256, "action_id_too_long"),
    ],
)
def test_actions_are_dropped_by_reason(tmp_path: Path, old: str, new: str, reason: str) -> None:
    """An action that can't be used is counted; its alert stands."""
    events, summary = imported(ALERT_HEADER + ALERT_ROW.replace(old, new), ALERT, tmp_path)
    assert len(events) == 1
    assert {name: (of.count, of.first_row) for name, of in summary.dropped_actions.items()} == {reason: (1, 2)}


@pytest.mark.slow
@settings(deadline=None)  # each example writes a file to disk
@given(st.lists(st.lists(CELLS, min_size=10, max_size=10), max_size=12))
def test_every_row_of_alerts_is_accounted_for(cells: list[list[str]]) -> None:
    """Form alert: each row ends in an alert or in a counted reason."""
    summary = _accounted(ALERT_HEADER + ALERT_ROW, ALERT, cells)
    assert summary.rows == summary.alerts + sum(dropped.count for dropped in summary.dropped_rows.values())


@pytest.mark.slow
@settings(deadline=None)  # each example writes a file to disk
@given(st.lists(st.lists(CELLS, min_size=7, max_size=7), max_size=12))
def test_every_row_of_updates_is_accounted_for(cells: list[list[str]]) -> None:
    """Form update: each row ends in an alert, in an action or in a counted reason."""
    summary = _accounted(UPDATE_HEADER + "Z,01/03/2026,a,disk,h,New,x\n", UPDATE, cells)
    dropped = sum(dropped.count for dropped in summary.dropped_rows.values())
    assert summary.rows == summary.alerts + summary.actions + dropped


def _accounted(text: str, mapping: str, cells: list[list[str]]) -> Summary:
    quoted = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) + "\n" for row in cells]
    with TemporaryDirectory() as folder:
        events, summary = imported(text + "".join(quoted), mapping, Path(folder))
    assert summary.rows == 1 + len(cells)
    assert len(events) == summary.alerts + summary.actions
    return summary


def test_a_missing_column_is_told_with_the_nearest(tmp_path: Path) -> None:
    """The mapping's key, the column and what comes near it stand in one sentence."""
    text = ALERT_HEADER.replace("outcome", "outcomes") + ALERT_ROW
    with pytest.raises(LogError, match=r"no column 'outcome', which \[\[action\]\] 1: kind_column .* 'outcomes'"):
        imported(text, ALERT, tmp_path)
    with pytest.raises(LogError, match=r"columns\.labels\.env"):
        imported(ALERT_HEADER.replace("env", "environ") + ALERT_ROW, ALERT, tmp_path)


def test_nothing_is_left_behind_when_it_fails(tmp_path: Path) -> None:
    """Where no row can be used the old log stays as it was, and no temporary file is there."""
    (tmp_path / "o.jsonl").write_text("old")
    with pytest.raises(LogError, match=r"none of its 1 rows became an event \(unreadable_at: 1"):
        imported(ALERT_HEADER + ALERT_ROW.replace("2026-03-01T", "T"), ALERT, tmp_path)
    assert (tmp_path / "o.jsonl").read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} == {"o.jsonl", "table.csv"}
    with pytest.raises(LogError, match="can't be written"):
        imported(ALERT_HEADER + ALERT_ROW, ALERT, tmp_path, "none/o.jsonl")
    with pytest.raises(LogError, match=r"does not end in \.jsonl or"):
        imported(ALERT_HEADER + ALERT_ROW, ALERT, tmp_path, "o.csv")


def test_encodings_delimiters_and_gzip(tmp_path: Path) -> None:
    """A packed table with semicolons in another encoding is read; in the wrong one it is told."""
    packed = tmp_path / "t.csv.gz"
    packed.write_bytes(gzip.compress("a;b\nÄ;1\n".encode("cp1252")))
    table = Table(packed, ";", "cp1252")
    assert list(table.rows([0], Summary(), lambda *_: None)) == [(2, ("Ä",))]
    with pytest.raises(
        LogError, match=r"is not utf-8 throughout: line 2 has the byte C4 in .* read as cp1252, in which 'Ä'"
    ):
        list(Table(packed, ";", "utf-8").rows([0], Summary(), lambda *_: None))
    with pytest.raises(LogError, match="encoding = 'klingon' is not known"):
        Table(packed, ";", "klingon")


@pytest.mark.parametrize(
    ("text", "told"), [("", "is empty"), (",\n", "is empty"), ("a,b,a\n", "no column 'id'.*'a', 'b'")]
)
def test_tables_without_a_good_header(tmp_path: Path, text: str, told: str) -> None:
    """A row must name the columns."""
    with pytest.raises(LogError, match=told):
        imported(text, ALERT, tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('team = "team"', 'taem = "team"', "unknown field `taem` - at `\\$.columns`"),
        ('team = "team"', "", "columns.team is missing"),
        ('at = "closed"', "", "has no `at`"),
        ('kind_column = "outcome"', "", "either kind or kind_column"),
        ('actor = "who"', 'changed = "who"', "changed is for form = 'update'"),
        ('form = "alert"', 'form = "alert"\ntime = {zone = "Mars/Base"}', "time.zone = 'Mars/Base' is not known"),
        ('form = "alert"', 'form = "alert"\ntime = {format = "iso"}', "time.format = 'iso' is not known"),
        ('form = "alert"', 'form = "alert"\ndelimiter = ";;"', "delimiter"),
        ('form = "alert"', 'form = "rows"', "Invalid enum value 'rows'"),
        ('at = "opened"', 'at = "opened"\nraised_at = "x"', "columns.raised_at is for form"),
    ],
)
def test_bad_mappings_name_the_field(old: str, new: str, told: str) -> None:
    """What is wrong in a mapping is told by its name."""
    with pytest.raises(LogError, match=told):
        parse_mapping(ALERT.replace(old, new))
