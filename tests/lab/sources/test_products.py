"""Exports of products by the built-in mappings."""

from pathlib import Path

import pytest

from stream.core.errors import LogError
from stream.core.events import Acted, Raised
from tests.lab.sources.tables import product_imported

INCIDENTS = """number,opened_at,assignment_group,category,subcategory,cmdb_ci,priority,short_description,resolved_at,\
resolved_by,closed_at,closed_by
INC1,2026-03-01 10:00:00,Storage,Hardware,Disk,db-7,3 - Moderate,Disk,2026-03-01 11:00:00,ana,2026-03-08 11:00:00,system
INC2,2026-03-01 10:30:00,Storage,Hardware,,,4 - Low,,,,,
"""
UPDATES = """number,incident_state,active,reassignment_count,sys_mod_count,opened_at,sys_updated_by,sys_updated_at,\
category,subcategory,location,assignment_group,priority
INC1,New,true,0,0,29/2/2016 01:16,u1,29/2/2016 01:23,c55,s170,l143,group-56,3 - Moderate
INC1,Active,true,0,1,29/2/2016 01:16,u2,29/2/2016 08:53,c55,s170,l143,group-56,3 - Moderate
INC1,Active,true,1,2,29/2/2016 01:16,u2,29/2/2016 09:53,c55,s170,l143,group-57,3 - Moderate
INC1,Awaiting User Info,true,1,3,29/2/2016 01:16,u2,29/2/2016 10:53,c55,s170,l143,group-57,3 - Moderate
INC1,Resolved,true,1,4,29/2/2016 01:16,u2,29/2/2016 11:29,c55,s170,l143,group-57,3 - Moderate
INC1,Closed,false,1,5,29/2/2016 01:16,system,5/3/2016 12:00,c55,s170,l143,group-57,3 - Moderate
"""


def test_the_incident_table(tmp_path: Path) -> None:
    """An incident is raised when opened; resolved and closed are its actions, closed by the machine told apart."""
    events, summary = product_imported(INCIDENTS, tmp_path)
    first = events[0]
    assert isinstance(first, Raised)
    assert (first.team, first.rule, first.entity, first.source) == ("Storage", "Hardware/Disk", "db-7", "servicenow")
    assert [event.kind for event in events if isinstance(event, Acted)] == ["resolved", "auto_closed"]
    assert (summary.alerts, summary.dropped_rows, summary.dropped_actions) == (2, {}, {})


def test_one_row_an_update_of_an_incident(tmp_path: Path) -> None:
    """Every update is an action of the kind that its state and counts tell."""
    events, summary = product_imported(UPDATES, tmp_path)
    assert f"{events[0].at:%H:%M}" == "01:16"
    kinds = [event.kind for event in events if isinstance(event, Acted)]
    assert kinds == ["worked", "reassigned", "commented", "resolved", "auto_closed"]
    assert {event.team for event in events if isinstance(event, Acted)} == {"group-56"}
    assert summary.dropped_rows == {}


def test_who_did_it_is_told_by_the_account(tmp_path: Path) -> None:
    """System and integration users are automation, others are persons; where nobody is named nobody is told."""
    events, _ = product_imported(UPDATES, tmp_path)
    assert [event.agent for event in events if isinstance(event, Acted)] == ["person"] * 4 + ["automation"]
    integration = UPDATES.replace("u2,29/2/2016 11:29", "Monitoring.Integration,29/2/2016 11:29")
    events, _ = product_imported(integration, tmp_path)
    assert [event.agent for event in events if isinstance(event, Acted)][-2:] == ["automation"] * 2
    events, _ = product_imported(INCIDENTS, tmp_path)
    assert [event.agent for event in events if isinstance(event, Acted)] == ["person", "automation"]
    unnamed = INCIDENTS.replace(",ana,", ",,")
    events, _ = product_imported(unnamed, tmp_path)
    assert [event.agent for event in events if isinstance(event, Acted)] == [None, "automation"]


def test_accounts_of_ones_own_are_automation_too(tmp_path: Path) -> None:
    """Patterns given name further accounts, whatever their case."""
    events, _ = product_imported(UPDATES, tmp_path, automation=["U?"])
    assert [event.agent for event in events if isinstance(event, Acted)] == ["automation"] * 5


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("documentkey,tablename,fieldname,oldvalue,newvalue,user,sys_created_on\n", "is a sys_audit export"),
        ("number,assignment_grp,category,opened_at\n", "no column 'assignment_group'.* 'assignment_grp'"),
        (
            "number,assignment_group,category,open_time\n",
            "no column 'opened_at'.*'open_time'.*import mapping servicenow ",
        ),
    ],
)
def test_other_exports_are_told(tmp_path: Path, text: str, told: str) -> None:
    """What is no incident export is refused in one sentence."""
    with pytest.raises(LogError, match=told):
        product_imported(text, tmp_path)
