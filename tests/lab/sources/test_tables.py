"""Tables as they come in real life: each is read right, or refused in one sentence that helps."""

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stream.core.errors import LogError
from stream.core.events import Acted, Event, Raised
from stream.eventlog import read_log
from stream.lab.sources.importer import import_table
from stream.lab.sources.mapping import load_mapping
from stream.lab.sources.products import Overrides, mapped_table, product_table
from stream.lab.sources.summary import Summary
from tests.lab.sources.tables import NOW

TWELVE = "%d/%m/%Y %I:%M:%S %p"
BERLIN = {"formats": ["day_first"], "zone": "Europe/Berlin", "encoding": "cp1252"}
SEMICOLON = "sn_semicolon_cp1252_day_first.csv"

READ = [  # table, mapping or product, what is given; alerts, actions, dropped rows by reason, words that are said
    (SEMICOLON, "servicenow", BERLIN, 24, 60, {}, "delimiter ';'"),
    (SEMICOLON, "servicenow", {}, 24, 60, {}, "encoding cp1252 ('Büro'); delimiter ';'; times as day_first"),
    ("sn_day_first_read_as_month_first.csv", "servicenow", {}, 25, 62, {}, "times as day_first"),
    ("sn_twelve_hour.csv", "servicenow", {"formats": [TWELVE]}, 25, 61, {}, ""),
    ("sn_twelve_hour.csv", "servicenow", {}, 25, 61, {}, f"times as {TWELVE}"),
    ("sn_newlines_and_quotes.csv", "servicenow", {}, 15, 36, {}, ""),
    ("sn_updates_shuffled.csv", "servicenow", {}, 8, 33, {"duplicate": 1}, ""),
    ("sn_updates_raw_states.csv", "servicenow", {}, 8, 34, {}, "'incident_state': '8' (1), the first in row 43"),
    ("sn_excel_unicode_text.csv", "servicenow", {}, 10, 24, {}, "encoding utf-16; delimiter tab"),
    ("sn_excel_unicode_text.csv", "servicenow", {"encoding": "utf-16"}, 10, 24, {}, "delimiter tab"),
    ("jira_export.csv", "jira.toml", {}, 20, 16, {}, "'Labels' stands there 3 times, the first with a value counts"),
    ("jira_export.csv", "jira", {}, 20, 20, {}, "times as %d/%b/%y %I:%M %p"),
    ("epoch_milliseconds.csv", "epoch_ms.toml", {}, 20, 29, {}, "'1789391722.000'; --time-format epoch_ms"),
    ("epoch_milliseconds.csv", "epoch_ms.toml", {"formats": ["auto"]}, 20, 33, {}, "times as epoch_ms and epoch"),
    ("icinga_unix_seconds.csv", "epoch_s.toml", {}, 12, 4, {"at_before_floor": 4}, ""),
    ("excel_sep_line.csv", "report.toml", {}, 15, 15, {}, "first line 'sep=;' names the delimiter; header in row 2"),
    ("report_with_title_and_totals.csv", "report.toml", {}, 15, 15, {"blank": 1, "missing_at": 1, "wrong_width": 1},
     "header in row 4"),
    ("delimiter_at_line_end.csv", "report.toml", {}, 15, 15, {}, ""),
    ("delimiter_in_rows_only.csv", "report.toml", {}, 15, 15, {}, ""),
    ("comma_not_quoted.csv", "report.toml", {}, 10, 10, {"wrong_width": 5}, "in row 3: '7 cells, the header has 6"),
    ("one_byte_of_another_encoding.csv", "plain.toml", {}, 29, 29, {"not_utf8": 1}, "the first in row 19: 'A17<E9>'"),
    ("teams_that_look_alike.csv", "plain.toml", {}, 24, 24, {},
     "'payments' (9), 'Payments' (3), 'pay\\u200bments' (3), 'p\\u0430yments' (3), the first of them in row 2"),
    ("years_of_two_digits.csv", "plain.toml", {"formats": ["auto"]}, 10, 10, {}, "%d/%m/%y %H:%M and rfc3339"),
    ("future_and_1970.csv", "plain.toml", {}, 3, 3, {"at_before_floor": 6, "at_in_future": 3, "unreadable_at": 3},
     "12 of 15 rows made nothing"),
    ("not_gzip.csv.gz", "plain.toml", {}, 30, 30, {}, "a file that is named .gz but is not packed"),
]  # fmt: skip
NOT_WRITTEN = [  # a log would be worthless
    ("sn_day_first_read_as_month_first.csv", "servicenow", {"formats": ["month_first"]},
     "16 of 25 rows: month_first can't read the time in 'opened_at', the first in row 2: '14/09/2026 19:38:38'; "
     "--time-format day_first reads all times"),
    ("nothing_ever_acted.csv", "plain.toml", {}, "30 alerts and no action: nobody ever acted, so every alert would"),
]  # fmt: skip
REFUSED = [  # the one sentence
    ("sn_twelve_hour.csv", "servicenow", {"formats": ["day_first"]},
     f"in row 2: '14/09/2026 08:15:08 AM'); AM or PM stands there: --time-format '{TWELVE}' reads all times"),
    ("sn_sys_audit.csv", "servicenow", {}, "is a sys_audit export, which names no team and no rule; export"),
    ("years_of_two_digits.csv", "plain.toml", {"formats": ["day_first"]},
     "'14/09/26 07:27'); years of two digits stand there: --time-format '%d/%m/%y %H:%M' --time-format rfc3339"),
    ("cut_off.csv.gz", "plain.toml", {}, "ends too early: it was cut off; copy or export it again"),
    (SEMICOLON, "servicenow", {"encoding": "utf-8"},
     "line 2 has the byte 96 in 'l\";\"Festplatte voll <96> B<FC>ro K<F6>ln\";\"Closed\"'; leave out the encoding: the "
     "table is then read as cp1252, in which 'Büro' stands there"),
    ("one_byte_of_another_encoding.csv", "plain.toml", {"encoding": "utf-8"},
     "line 19 has the byte E9 in 'A17<E9>,2026-09-17T19:39:24'; correct that row, or leave out the encoding"),
    (SEMICOLON, "servicenow", {"delimiter": ","}, "not delimited by ','; leave out the delimiter, or give ';'"),
]  # fmt: skip


def imported(
    shared_data: Path, folder: Path, name: str, by: str, given: dict[str, Any], accept: bool = False
) -> tuple[Summary, list[Event]]:
    """What became of a table, and the events of the log, if it was written."""
    tables, output = shared_data.parent / "inputs" / "tables", folder / "o.jsonl"
    options = Overrides(**given)
    if by.endswith(".toml"):
        table, mapping = mapped_table(tables / name, tables / by, options)
    else:
        table, mapping = product_table(tables / name, by, options)
    summary = import_table(table, mapping, output, now=NOW, accept=accept)
    return summary, [line.event for line in read_log(output)] if summary.written else []


def said(summary: Summary) -> str:
    """All that is said of an import."""
    return "; ".join(summary.read_as) + " | " + " ".join(finding.text for finding in summary.findings)


@pytest.mark.parametrize(
    ("name", "by", "given", "alerts", "actions", "dropped", "words"),
    READ,
    ids=[f"{of[0]}-{of[1]}-{of[2]}" for of in READ],
)
def test_a_table_is_read(
    shared_data: Path, tmp_path: Path, name: str, by: str, given: dict[str, Any], alerts: int, actions: int,
    dropped: dict[str, int], words: str,
) -> None:  # fmt: skip
    """Its alerts, its actions and what could not be used are as they should be, and what was found is said."""
    summary, events = imported(shared_data, tmp_path, name, by, given)
    assert (summary.alerts, summary.actions) == (alerts, actions)
    assert len(events) == alerts + actions
    assert {reason: of.count for reason, of in summary.dropped_rows.items()} == dropped
    assert words in said(summary)


@pytest.mark.parametrize(("name", "by", "given", "words"), NOT_WRITTEN, ids=[of[0] for of in NOT_WRITTEN])
def test_a_worthless_log_is_not_written(
    shared_data: Path, tmp_path: Path, name: str, by: str, given: dict[str, Any], words: str
) -> None:
    """The finding says why, and there is no file unless that is accepted."""
    summary, _ = imported(shared_data, tmp_path, name, by, given)
    assert (summary.written, list(tmp_path.iterdir())) == (False, [])
    assert words in " ".join(finding.text for finding in summary.findings if finding.worthless)
    summary, events = imported(shared_data, tmp_path, name, by, given, accept=True)
    assert len(events) == summary.alerts + summary.actions > 0


@pytest.mark.parametrize(("name", "by", "given", "words"), REFUSED, ids=[f"{of[0]}-{of[2]}" for of in REFUSED])
def test_what_cannot_be_read_is_one_sentence(
    shared_data: Path, tmp_path: Path, name: str, by: str, given: dict[str, Any], words: str
) -> None:
    """It names the file, shows the value and its row, and what it says helps."""
    with pytest.raises(LogError) as caught:
        imported(shared_data, tmp_path, name, by, given)
    assert str(shared_data.parent / "inputs" / "tables" / name) in str(caught.value)
    assert words in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_two_digit_years_are_of_this_century(shared_data: Path, tmp_path: Path) -> None:
    """Never the year 26, and never 1926."""
    _, events = imported(shared_data, tmp_path, "years_of_two_digits.csv", "plain.toml", {"formats": ["auto"]})
    assert {event.at.year for event in events} == {2026}


def test_pm_is_afternoon(shared_data: Path, tmp_path: Path) -> None:
    """12:32 AM is half past midnight, and 03:50 PM is ten to four in London's summer, an hour before UTC."""
    zone = {"zone": "Europe/London"}
    _, events = imported(shared_data, tmp_path, "sn_twelve_hour.csv", "servicenow", zone)
    at = {event.alert_id: f"{event.at:%d %H:%M}" for event in events if isinstance(event, Raised)}
    assert (at["INC0010041"], at["INC0010060"]) == ("14 14:50", "17 23:32")


def test_texts_are_whole(shared_data: Path, tmp_path: Path) -> None:
    """Letters of another encoding, line ends within quotes and what a spreadsheet would run are text of the title."""
    _, events = imported(shared_data, tmp_path, SEMICOLON, "servicenow", {})
    assert {event.team for event in events} == {"Zahlungsverkehr", "Netz Süd"}  # type: ignore[union-attr]
    assert "Preis 5 € falsch" in {event.title for event in events if isinstance(event, Raised)}
    _, events = imported(shared_data, tmp_path, "sn_newlines_and_quotes.csv", "servicenow", {})
    titles = {event.title for event in events if isinstance(event, Raised)}
    assert {"line one\nline two", '=HYPERLINK("http://x.example.net","click")'} <= titles


def test_updates_are_in_the_order_of_time(shared_data: Path, tmp_path: Path) -> None:
    """A re-opened incident is worked on again, and the team stays the first one."""
    _, events = imported(shared_data, tmp_path, "sn_updates_shuffled.csv", "servicenow", {})
    kinds = [event.kind for event in events if isinstance(event, Acted) and event.alert_id == "INC0010042"]
    assert kinds == ["commented", "worked", "commented", "reassigned", "resolved", "worked"]
    teams = Counter((event.alert_id, event.team) for event in events)  # type: ignore[union-attr]
    assert len(teams) == 8


def test_raw_states_are_understood(shared_data: Path, tmp_path: Path) -> None:
    """2 is worked, 6 resolved, and a count with a thousands comma is a change of the team."""
    _, events = imported(shared_data, tmp_path, "sn_updates_raw_states.csv", "servicenow", {})
    kinds = Counter(event.kind for event in events if isinstance(event, Acted))
    assert kinds["resolved"] == 6
    assert kinds["reassigned"] > 0
    assert kinds["worked"] > 0


def test_every_shared_mapping_is_read(shared_data: Path) -> None:
    """All mappings beside the tables are mapping files."""
    paths = sorted((shared_data.parent / "inputs" / "tables").glob("*.toml"))
    assert len([msgspec.to_builtins(load_mapping(path)) for path in paths]) == len(paths) > 0


def test_every_shared_table_is_tested(shared_data: Path) -> None:
    """No table beside the project is left out here."""
    names = {of[0] for table in (READ, NOT_WRITTEN, REFUSED) for of in table}
    assert {path.name for path in (shared_data.parent / "inputs" / "tables").glob("*.csv*")} <= names
