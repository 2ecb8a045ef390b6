"""Who did it is decided by a stated table, of which every line decides something."""

from pathlib import Path

import pytest

from stream.core.errors import SettingsError
from stream.core.kinds import KINDS, RESERVED
from stream.sources.agents import IGNORED, NOBODY, RAISED, USER, AgentTable, load_agents
from tests.servers.kafka import ROOT
from tests.sources.sender import Sender, acted, alert, group, raised, shipped_agents

TABLE = shipped_agents()
LINES = [
    (source, number, event, by)
    for source, table in TABLE.sources.items()
    for number, line in enumerate(table.lines, start=1)
    for event in line.event
    for by in line.by
]
EXAMPLE = ROOT / "deploy" / "agents.toml"


@pytest.mark.parametrize(("source", "number", "event", "by"), LINES)
def test_every_line_decides(source: str, number: int, event: str, by: str) -> None:
    """Each event and doer of each line reaches that line: none is hidden behind another; and it says which it was."""
    line = TABLE.sources[source].lines[number - 1]
    decided = TABLE.decide(source, event.replace("*", "x").upper(), by.replace("*", "something"))
    assert decided is not None
    assert decided.why.startswith(f"{source} line {number}: ")
    assert (decided.kind, decided.agent) == (line.kind, line.agent)


@pytest.mark.parametrize("source", TABLE.sources)
def test_every_kind_is_known(source: str) -> None:
    """The table speaks the words of problem files, and none that only noisegate may write."""
    kinds = {line.kind for line in TABLE.sources[source].lines}
    assert kinds <= (set(KINDS) - RESERVED) | {RAISED, IGNORED}


def test_whoever_acts_is_person_or_automation() -> None:
    """Every line that is an act says who; a person's lines are those by `user` and no others."""
    for source, table in TABLE.sources.items():
        for line in table.lines:
            if line.kind in (RAISED, IGNORED):
                assert line.agent is None
            else:
                assert line.agent == ("person" if line.by == (USER,) else "automation"), (source, line)


@pytest.mark.parametrize(
    ("source", "event", "by", "accounts", "expected"),
    [
        ("pagerduty", "incident.resolved", USER, ["PU1", "Kim Berg"], "resolved person"),
        ("pagerduty", "incident.resolved", USER, ["PU1", "Deploy-Bot"], "auto_closed automation"),
        ("pagerduty", "incident.resolved", "service", [], "ended automation"),
        ("pagerduty", "incident.resolved", NOBODY, [], "auto_closed automation"),
        ("pagerduty", "incident.escalated", NOBODY, [], "escalated automation"),
        ("opsgenie", "Close", "integration", [], "ended automation"),
        ("opsgenie", "Close", "policy", [], "auto_closed automation"),
        ("servicenow", "resolved", USER, ["svc_alertmanager"], "ended automation"),
        ("alertmanager", "resolved", NOBODY, [], "ended automation"),
        ("grafana", "resolved", NOBODY, [], "ended automation"),
    ],
)
def test_decisions(source: str, event: str, by: str, accounts: list[str], expected: str) -> None:
    """What the design says of each source."""
    decided = TABLE.decide(source, event, by, accounts)
    assert decided is not None
    assert f"{decided.kind} {decided.agent}" == expected


def test_what_the_table_does_not_name_is_not_decided() -> None:
    """Neither another event nor another source."""
    assert TABLE.decide("pagerduty", "incident.workflow.completed", USER) is None
    assert TABLE.decide("zabbix", "resolved", USER) is None


def test_more_accounts_of_machines() -> None:
    """A source's options add to the table's; the reason names the pattern, and the table before is as it was."""
    more = TABLE.with_accounts({"pagerduty": ["kim*"], "zabbix": ["x"]})
    decided = more.decide("pagerduty", "incident.acknowledged", USER, [None, "Kim Berg"])
    assert decided is not None
    assert decided.agent == "automation"
    assert decided.why.endswith("; its account is listed as kim*")
    assert more.is_machine("pagerduty", "KIM")
    assert not TABLE.is_machine("pagerduty", "KIM")


def test_jira_service_management_reads_opsgenies_table() -> None:
    """One form, one table, under either name; accounts of one are those of the other."""
    more = TABLE.with_accounts({"jsm": ["kim*"]})
    assert more.decide("jsm", "Close", USER, ["kim"]) == more.decide("opsgenie", "Close", USER, ["kim"])
    assert more.is_machine("jsm", "kim.berg")
    assert more.worked_seconds("jsm") == more.worked_seconds("opsgenie") == 300.0


def test_the_example_is_the_shipped_table() -> None:
    """Who copies it begins with what runs without it."""
    example = load_agents(EXAMPLE)
    assert example.sources == TABLE.sources


def write(tmp_path: Path, text: str) -> AgentTable:
    """The tables with a file of this text."""
    path = tmp_path / "agents.toml"
    path.write_text(text, encoding="utf-8")
    return load_agents(path)


def test_a_file_replaces_the_sources_that_it_names(tmp_path: Path) -> None:
    """The others stay as shipped."""
    table = write(tmp_path, '[grafana]\nworked_minutes = 3\nlines = [{ event = "resolved", kind = "resolved" }]')
    decided = table.decide("grafana", "resolved", NOBODY)
    assert decided is not None
    assert (decided.kind, decided.agent) == ("resolved", None)
    assert table.worked_seconds("grafana") == 180.0
    assert table.sources["pagerduty"] == TABLE.sources["pagerduty"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[grafana", "not TOML"),
        ("[zabbix]\nlines = []", "no source; use one of pagerduty"),
        ("grafana = 3", "Expected `object`"),
        ("[grafana]\nline = []", "line"),
        ('[grafana]\nlines = [{ event = "resolved" }]', "kind"),
        ('[grafana]\nlines = [{ event = [], kind = "ended" }]', "event"),
        ('[grafana]\nlines = [{ event = "resolved", kind = "ended", agent = "robot" }]', "robot"),
        ('[grafana]\nlines = [{ event = "resolved", kind = "held_out" }]', "'held_out' is noisegate's own"),
        ('[grafana]\nlines = [{ event = "resolved", kind = "ended@person" }]', "as `agent`"),
        ('[grafana]\nlines = [{ event = "resolved", kind = "ignored", agent = "person" }]', "leave it out"),
        ("[grafana]\nworked_minutes = -1\nlines = []", "worked_minutes"),
    ],
)
def test_faults_of_a_file(tmp_path: Path, text: str, said: str) -> None:
    """Each names the file, the source and what is wrong."""
    with pytest.raises(SettingsError) as refused:
        write(tmp_path, text)
    assert said in str(refused.value)
    assert str(tmp_path / "agents.toml") in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """The setting is named."""
    with pytest.raises(SettingsError, match=r"agents = .* can't be read"):
        load_agents(tmp_path / "none.toml")


@pytest.mark.parametrize("source", ["alertmanager", "grafana"])
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{ event = "resolved", kind = "auto_closed", agent = "automation" }', [("auto_closed", "automation")]),
        ('{ event = "resolved", kind = "resolved" }', [("resolved", None)]),
        ('{ event = "resolved", kind = "ignored" }', []),
        ('{ event = "gone", kind = "ended" }', []),
    ],
)
def test_the_table_says_what_a_resolved_alert_is(
    tmp_path: Path, source: str, line: str, expected: list[tuple[str, str | None]]
) -> None:
    """Kind and agent are the table's; the firing is over whatever the kind, so that its next start is another alert."""
    file = tmp_path / "agents.toml"
    file.write_text(f"[{source}]\nlines = [{line}]\n")
    sender = Sender(agents=load_agents(file))
    first = sender.post(source, group(alert()))
    ended = sender.post(source, group(alert("resolved", endsAt="2026-11-24T11:00:00Z")))
    assert [(act.kind, act.agent) for act in acted(ended)] == expected
    assert ended.ignored == ([] if expected else ["resolved"])
    again = sender.post(source, group(alert(startsAt="2026-11-24T11:30:00Z")))
    assert [one.alert_id != raised(first)[0].alert_id for one in raised(again)] == ([True] if expected else [])
