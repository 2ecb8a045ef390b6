"""The page of who did it shows the table that the code reads, and the numbers that it uses."""

import re

import pytest

from stream.core.kinds import KINDS
from stream.sources import opsgenie, pagerduty, replays, servicenow, signatures, silences, worked
from stream.sources.agents import IGNORED, RAISED, SourceAgents
from tests.servers.kafka import ROOT
from tests.sources.sender import shipped_agents

PAGE = (ROOT / "docs" / "INTAKE.md").read_text(encoding="utf-8")
TABLES = shipped_agents().sources


def rendered(table: SourceAgents) -> str:
    """The lines of a source as the page shows them."""
    rows = ["| line | event | by | kind | agent |", "|---|---|---|---|---|"]
    for number, line in enumerate(table.lines, start=1):
        events = " ".join(f"`{event}`" for event in line.event)
        by = "anything else" if line.by == ("*",) and line.agent else " ".join(f"`{word}`" for word in line.by)
        by = "" if by == "`*`" else by
        rows.append(f"| {number} | {events} | {by} | `{line.kind}` | {line.agent or ''} |")
    return "\n".join(rows)


@pytest.mark.parametrize("source", TABLES)
def test_the_page_has_the_table(source: str) -> None:
    """Each line of the source, in its order; what is shown here is what is to be put there."""
    shown = PAGE.split(f"<!-- {source} -->\n\n")[1].split("\n\n")[0]
    assert shown == rendered(TABLES[source])
    minutes = TABLES[source].worked_minutes
    if minutes:
        assert f"(`worked_minutes = {minutes:g}`)" in PAGE


def test_every_kind_of_the_tables_is_explained() -> None:
    """In the page about problem files, which lists them."""
    problem = (ROOT / "docs" / "PROBLEM.md").read_text(encoding="utf-8")
    kinds = {line.kind for table in TABLES.values() for line in table.lines} - {RAISED, IGNORED}
    assert kinds <= set(KINDS)
    assert all(f"`{kind}`" in problem for kind in kinds)


@pytest.mark.parametrize("reader", [pagerduty, opsgenie, servicenow], ids=lambda reader: str(reader.__name__))
def test_default_places_are_places(reader: object) -> None:
    """A default names nothing that its reader does not give; those of PagerDuty stand in the page."""
    defaults, known = getattr(reader, "DEFAULTS"), getattr(reader, "PLACES")  # noqa: B009 - a module as an object
    for name in ("team", "rule", "entity", "severity"):
        for place in getattr(defaults, name):
            assert re.sub(r"^(tag|detail):.*", r"\1:NAME", place) in known
    for place in pagerduty.PLACES:
        assert f"`{place}`" in PAGE


def test_numbers_of_the_page() -> None:
    """Limits and times are those of the code."""
    options = silences.WatchOptions()
    assert f"at most {options.brief_alerts} firing alerts" in PAGE
    assert (options.brief_seconds, options.renewal_seconds, options.gone_seconds) == (3600.0, 15 * 60.0, 5 * 60.0)
    assert f"for {worked.KEPT_SECONDS / 86_400:.0f} days" in PAGE
    assert (replays.KEPT_SECONDS, signatures.WINDOW_SECONDS) == (3 * 86_400.0, 300.0)
    assert signatures.PAGERDUTY_HEADER in PAGE.lower()
    assert signatures.GRAFANA_HEADER in PAGE.lower()
