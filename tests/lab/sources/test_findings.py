"""What is odd about an import is said with numbers, the first row and a mend; and nothing is said of a sound one."""

from pathlib import Path

import pytest

from stream.core.errors import LogError
from stream.core.events import Raised
from stream.lab.sources.findings import LEAST
from stream.lab.sources.summary import Dropped, Finding
from tests.lab.sources.tables import imported, product_imported

MAPPING = """
form = "alert"
automation = ["bot"]
[columns]
alert_id = "id"
at = "opened"
team = "team"
rule = "rule"
entity = "host"
[[action]]
at = "closed"
kind_column = "how"
kinds = { fixed = "worked", noise = "dismissed" }
actor = "who"
[[action]]
at = "closed"
kind = "closed"
actor = "who"
"""
HEADER = "id,opened,team,rule,host,closed,how,who\n"


def rows(count: int = 24, /, **cells: str) -> list[str]:
    """Sound rows, an hour apart, two teams, two kinds, two people; `cells` stand in all of them."""
    made = []
    for number in range(count):
        day, hour = 1 + number // 24, number % 24
        row = {
            "id": f"A{number}", "opened": f"2026-03-{day:02} {hour:02}:10", "team": ("web", "db")[number % 2],
            "rule": "disk", "host": "h", "closed": f"2026-03-{day:02} {hour:02}:40",
            "how": ("fixed", "noise")[number % 3 == 0], "who": ("ana", "bo")[number % 2],
        } | cells  # fmt: skip
        made.append(",".join(row.values()) + "\n")
    return made


def found(folder: Path, lines: list[str], mapping: str = MAPPING) -> list[Finding]:
    """The findings of an import of these rows."""
    return imported(HEADER + "".join(lines), mapping, folder)[1].findings


def test_of_a_sound_table_nothing_is_said(tmp_path: Path) -> None:
    """Two teams, two kinds, people, times of day: no finding."""
    assert found(tmp_path, rows()) == []


@pytest.mark.parametrize(
    ("cells", "words", "worthless"),
    [
        ({"closed": ""}, "24 alerts and no action", True),
        ({"who": "bot"}, "No action is by a person: all 24 are by automation ('worked' 16, 'dismissed' 8)", True),
        ({"how": "fixed"}, "All 24 actions are 'worked': only whether one came", False),
        ({"how": "odd"}, "does not know these values of 'how': 'odd' (24), the first in row 2", False),
        ({"who": ""}, "Nobody says whether a person or automation did the 24 actions", False),
        ({"team": "web"}, "All 24 alerts belong to one team, 'web'", False),
        ({"opened": "2026-03-01 00:05"}, "All 24 alerts have one time, as that of an export", True),
        ({"opened": "2026-03-01"}, "24 of 24 alerts have a day without a time of day, the first in row 2", False),
    ],
)
def test_what_holds_for_all_rows(tmp_path: Path, cells: dict[str, str], words: str, worthless: bool) -> None:
    """Each is one sentence; a log that teaches nothing is said to be worthless."""
    told = [finding for finding in found(tmp_path, rows(**cells)) if words in finding.text]
    assert [finding.worthless for finding in told] == [worthless]


@pytest.mark.parametrize(
    ("some", "words"),
    [
        ({"team": "NULL"}, "6 alerts belong to the team 'NULL', the first in row 26; if that means nobody, add it to"),
        (
            {"team": "WEB"},
            "look alike and have histories of their own: 'web' (12), 'WEB' (6), the first of them in row 2",
        ),
        ({"team": "d\u200bb"}, "'db' (12), 'd\\u200bb' (6)"),
        ({"closed": "2026-03-01 00:00"}, "6 of 30 actions: before their alert was raised, the first in row 26"),
    ],
)
def test_what_holds_for_some_rows(tmp_path: Path, some: dict[str, str], words: str) -> None:
    """The first row and the value are shown."""
    odd = [row.replace("A", "B") for row in rows(30, **some)[24:]]
    findings = found(tmp_path, rows() + odd)
    assert [finding.worthless for finding in findings if words in finding.text] == [False]


def test_rules_that_do_not_repeat(tmp_path: Path) -> None:
    """A title in the place of a rule is said."""
    titles = [row.replace(",disk,", f",disk {number} full,") for number, row in enumerate(rows())]
    assert any(finding.text.startswith("24 rules for 24 alerts") for finding in found(tmp_path, titles))


@pytest.mark.parametrize("count", [LEAST - 1, LEAST])
def test_what_holds_for_all_rows_takes_enough_of_them(tmp_path: Path, count: int) -> None:
    """One row below the named number nothing is said of rules that don't repeat, of one team, or of quick users."""
    some = rows(count, team="web", who="robo")
    quick = [row.replace(",disk,", f",disk {at} full,").replace(":40", ":10") for at, row in enumerate(some)]
    texts = [finding.text for finding in found(tmp_path, quick)]
    said = [any(words in text for text in texts) for words in ("rules for", "to one team", "within 10 seconds")]
    assert said == [count == LEAST] * 3


def test_a_quote_that_is_not_closed(tmp_path: Path) -> None:
    """What follows it would be one cell: that is said with its row, and such a log is worthless."""
    lost = rows(400)
    lost[20] = lost[20].replace(",disk,", ',"disk,')
    (told,) = [finding for finding in found(tmp_path, lost) if finding.worthless]
    assert "1 of 21 rows: a quote that is not closed, so that the lines after it were read as one cell" in told.text
    assert "the first in row 22: '380 lines in one cell: disk,h," in told.text


def test_headers_that_come_again_are_no_rows(tmp_path: Path) -> None:
    """Of tables put together each header is counted, and nothing else is said."""
    _, summary = imported(HEADER + "".join(rows()) + HEADER + "".join(rows(30)[24:]), MAPPING, tmp_path)
    assert (summary.alerts, summary.findings) == (30, [])
    assert summary.dropped_rows == {"repeated_header": Dropped(1, 26)}


def test_one_id_in_two_teams(tmp_path: Path) -> None:
    """The id, both teams and the row are named."""
    twice = [row.replace(",web,", ",net,").replace(",db,", ",net,") for row in rows()[:3]]
    words = "3 ids stand in more than one team, the first in row 26: 'A0' in 'web' and 'net'"
    assert [finding.about for finding in found(tmp_path, rows() + twice) if words in finding.text] == ["teams"]


def test_a_user_that_closes_within_seconds(tmp_path: Path) -> None:
    """A quarter of all actions within seconds of their alerts is a program's; known automation is not named again."""
    quick = [row.replace("ana", "robo").replace(":40", ":10") for row in rows()]
    words = "'robo' did 12 of 24 actions within 10 seconds of the alert"
    assert any(words in finding.text for finding in found(tmp_path, quick))
    known = MAPPING.replace('["bot"]', '["bot", "robo"]')
    assert not any("within 10 seconds" in finding.text for finding in found(tmp_path, quick, known))


def test_a_day_that_may_be_a_month(tmp_path: Path) -> None:
    """The reading without long gaps is taken and said; where nothing tells, the log is worthless until it is given."""
    march = [f"A{day},{day:02}/03/2025 10:00,web,disk,h,{day:02}/03/2025 11:00,fixed,ana\n" for day in range(1, 13)]
    (told,) = [finding for finding in found(tmp_path, march) if finding.about == "times"]
    assert not told.worthless
    gaps = "as day_first the longest time without an alert is 1 day, as month_first it is 31 days"
    assert f"day_first is taken: {gaps}" in told.text
    one = ["A,01/02/2026 10:00,web,disk,h,01/02/2026 11:00,fixed,ana\n"]
    (told,) = [finding for finding in found(tmp_path, one) if finding.about == "times"]
    assert told.worthless
    assert told.text.endswith("give --time-format day_first or --time-format month_first.")
    given = MAPPING.replace("[columns]", 'time = { format = "month_first" }\n[columns]')
    (told,) = [finding for finding in found(tmp_path, march, given) if finding.about == "times"]
    assert told.text.endswith("if days stand where months were read, give --time-format day_first.")


def test_one_day_over_twelve_shows_that_days_were_read_as_months(tmp_path: Path) -> None:
    """One unreadable time of many is enough, as the others were then read wrongly without a word."""
    given = MAPPING.replace("[columns]", 'time = { format = "month_first" }\n[columns]')
    days = [f"A{day},{day:02}/03/2025 10:00,web,disk,h,{day:02}/03/2025 11:00,fixed,ana\n" for day in range(1, 14)]
    (told,) = [finding for finding in found(tmp_path, days, given) if finding.worthless]
    assert "1 of 13 rows: month_first can't read the time in 'opened'" in told.text
    assert "--time-format day_first reads all" in told.text


def test_a_table_of_updates_read_as_alerts(tmp_path: Path) -> None:
    """Most rows repeat an id: that is said, with the form that reads them."""
    (told,) = [finding for finding in found(tmp_path, rows() * 3) if finding.about == "rows"]
    assert told.worthless
    assert "48 of 72 rows: an alert that stands there already" in told.text
    assert "form = 'update'" in told.text


def test_utf8_that_was_read_as_something_else(tmp_path: Path) -> None:
    """The word as it became and how it would read are shown."""
    given = 'encoding = "cp1252"\n' + MAPPING
    (told,) = [finding for finding in found(tmp_path, rows(host="Büro"), given) if finding.about == "encoding"]
    assert told.text.endswith("was read as cp1252: 'Büro' became 'BÃ¼ro'; leave out the encoding.")


def test_nothing_that_steers_a_terminal_is_said(tmp_path: Path) -> None:
    """Cells come into sentences without control characters."""
    with pytest.raises(LogError) as caught:
        imported(HEADER + "".join(rows(opened="\x1b[2J\x07soon")), MAPPING, tmp_path)
    assert str(caught.value).isprintable()
    findings = found(tmp_path, rows(how="\x1b]0;owned\x07", team="\x1b[31m"))
    assert all(finding.text.isprintable() for finding in findings)


def test_a_jira_export_needs_no_mapping(tmp_path: Path) -> None:
    """Month names in the language of the site, columns repeated for each value, and resolutions that are told apart."""
    text = (
        "Summary,Issue key,Status,Priority,Resolution,Assignee,Created,Resolved,Component/s,Component/s,Project key\n"
        "disk,OPS-1,Done,High,Done,ana,14/Okt/26 1:06 PM,14/Okt/26 2:06 PM,,storage,OPS\n"
        "disk,OPS-2,Done,High,Won't Do,ana,15/Okt/26 1:06 PM,15/Okt/26 2:06 PM,net,,OPS\n"
        "disk,OPS-3,Done,High,,ana,16/Okt/26 1:06 PM,16/Okt/26 2:06 PM,net,,OPS\n"
    )
    events, summary = product_imported(text, tmp_path, "jira")
    assert f"{events[0].at:%Y-%m-%d %H:%M}" == "2026-10-14 13:06"
    assert [event.rule if isinstance(event, Raised) else event.kind for event in events] == [  # type: ignore[union-attr]
        "storage", "worked", "net", "dismissed", "net", "resolved",
    ]  # fmt: skip
    assert "'Component/s' stands there 2 times, the first with a value counts" in summary.read_as


@pytest.mark.parametrize(
    "text",
    [
        "Severity,Time,Recovery time,Status,Host,Problem,Ack\n"
        "High,2026-10-14 10:00:00,2026-10-14 10:05:00,RESOLVED,db-7,Disk full,No\n",
        "eventid,clock,r_clock,name,severity,acknowledged,hosts\n11,1791972000,1791972300,Disk full,4,0,db-7\n",
    ],
)
def test_a_zabbix_export_needs_no_mapping(tmp_path: Path, text: str) -> None:
    """Problems as the page exports them, and as the API gives them; that no person acted is said."""
    events, summary = product_imported(text, tmp_path, "zabbix")
    assert [f"{event.at:%Y-%m-%d %H:%M}" for event in events] == ["2026-10-14 10:00", "2026-10-14 10:05"]
    assert (events[0].rule, events[0].entity) == ("Disk full", "db-7")  # type: ignore[union-attr]
    assert any(finding.text.startswith("No action is by a person") for finding in summary.findings if finding.worthless)
