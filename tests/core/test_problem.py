"""The problem file: what loads, what is refused in one sentence, and what makes another history."""

from pathlib import Path

import pytest

from stream.core.errors import ProblemError
from stream.core.events import Raised, moment
from stream.core.problem import BASELINES, Exclusion, Problem, parse_problem
from tests.servers.kafka import ROOT

TEXT = """
name = "actionable"
question = "Will they?"
[outcome]
actionable = ["worked"]
noise = ["dismissed"]
horizon_hours = 24
[exclude]
visibility_only = []
[history]
labels = ["env"]
[flood]
per_day = 50
[target]
detection = 0.95
"""
WINDOW = "{ from = 2026-03-01T00:00:00Z, to = 2026-03-02T00:00:00Z },"
MANY = '{ rule = "x" },' * 1_001


def window(since: str, until: str) -> str:
    """A line with one maintenance window."""
    return f"windows = [{{ from = {since}, to = {until} }}]"


def changed(line: str, new: str) -> str:
    """The problem file with one line replaced."""
    assert line in TEXT
    return TEXT.replace(line, new)


def test_defaults() -> None:
    """What a short file leaves out: first decides, expiry is noise after five minutes' grace, half a year's memory."""
    problem = parse_problem(TEXT)
    assert (problem.outcome.decides, problem.outcome.on_expiry) == ("first", "noise")
    assert (problem.horizon_seconds, problem.due_seconds) == (86_400, 86_700)
    assert (problem.history.forget_days, problem.ledger_seconds) == (180, 31 * 86_400)
    assert (problem.flood.factor, problem.target.must_beat) == (10, BASELINES)


def test_the_shipped_problem_loads() -> None:
    """The simulated organisation's problem file, as shipped."""
    problem = parse_problem((ROOT / "deploy/problems/simulated.toml").read_text())
    assert problem.history.labels == ["env"]
    assert problem.exclude.visibility_only == [Exclusion(rule="report/*")]


@pytest.mark.parametrize("name", ["uci_incidents", "london_fire_calls"])
def test_the_real_problems_load(shared_data: Path, name: str) -> None:
    """The problem files of the real logs."""
    assert parse_problem((shared_data / f"{name}.toml").read_text()).horizon_seconds == 86_400


@pytest.mark.parametrize(
    ("line", "new", "told"),
    [
        ('name = "actionable"', "", "missing required field `name`"),
        ('name = "actionable"', 'name = "No"', "$.name"),
        ('name = "actionable"', 'name = "a\\n"', "$.name"),
        ('question = "Will they?"', "", "missing required field `question`"),
        ("horizon_hours = 24", "", "missing required field `horizon_hours`"),
        ("horizon_hours = 24", 'horizon_hours = "24"', "$.outcome.horizon_hours"),
        ("horizon_hours = 24", "horizon_hours = 0", "$.outcome.horizon_hours"),
        ("horizon_hours = 24", "horizon_hours = -1", "$.outcome.horizon_hours"),
        ("horizon_hours = 24", "horizon_hours = nan", "$.outcome.horizon_hours"),
        ("horizon_hours = 24", "horizon_hours = inf", "$.outcome.horizon_hours"),
        ("horizon_hours = 24", "horizon_hours = 24\ngrace_minutes = -1", "$.outcome.grace_minutes"),
        ("horizon_hours = 24", "horizon_hours = 24\ngrace_minutes = inf", "$.outcome.grace_minutes"),
        ("horizon_hours = 24", 'horizon_hours = 24\ndecides = "last"', "$.outcome.decides"),
        ("horizon_hours = 24", 'horizon_hours = 24\non_expiry = "actionable"', "$.outcome.on_expiry"),
        ("horizon_hours = 24", "horizon_hours = 24\nhorizon_days = 1", "unknown field `horizon_days`"),
        ('actionable = ["worked"]', "actionable = []", "outcome.actionable is empty"),
        ('actionable = ["worked"]', 'actionable = ["dismissed"]', "kind 'dismissed' is in both outcome.actionable and"),
        ('actionable = ["worked"]', 'actionable = ["closed_by_rule"]', "kind 'closed_by_rule' is noisegate's own"),
        ('actionable = ["worked"]', 'actionable = ["paused_by_rule@person"]', "'paused_by_rule' is noisegate's own"),
        ('actionable = ["worked"]', 'actionable = ["released_by_rule"]', "kind 'released_by_rule' is noisegate's own"),
        ('actionable = ["worked"]', 'actionable = ["@person"]', "'@person' in [outcome] names no kind"),
        ('noise = ["dismissed"]', 'noise = ["maintenance"]', "kind 'maintenance' is noisegate's own"),
        ('noise = ["dismissed"]', 'noise = ["muted@person"]', "kind 'muted' means that nobody was shown the alert"),
        ('noise = ["dismissed"]', 'noise = ["held_out"]', "kind 'held_out' is noisegate's own"),
        ('noise = ["dismissed"]', 'noise = ["expiry"]', "kind 'expiry' is noisegate's own"),
        ('noise = ["dismissed"]', 'noise = ["correction"]', "kind 'correction' is noisegate's own"),
        ('noise = ["dismissed"]', 'noise = []\non_expiry = "unknown"', "outcome.noise is empty"),
        ("visibility_only = []", "visibility_only = [{}]", "exclude.visibility_only holds an empty pattern"),
        ("visibility_only = []", 'visibility_only = [{ rules = "x" }]', "unknown field `rules`"),
        ("visibility_only = []", 'flood_days = [{ team = "pay", rule = "x", day = "someday" }]', "Invalid RFC3339"),
        ("visibility_only = []", f"visibility_only = [{MANY}]", "$.exclude.visibility_only"),
        ("visibility_only = []", window("2026-03-02T00:00:00Z", "2026-03-01T00:00:00Z"), "that ends before"),
        ("visibility_only = []", window("2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z"), "that ends before"),
        ("visibility_only = []", window("2026-03-01T00:00:00", "2026-03-02T00:00:00Z"), "`$.exclude.windows[0].from`"),
        ("visibility_only = []", "windows = [{ from = 2026-03-01T00:00:00Z }]", "missing required field `to`"),
        ("visibility_only = []", f"windows = [{WINDOW * 1_001}]", "$.exclude.windows"),
        ('labels = ["env"]', "episode_minutes = 0", "$.history.episode_minutes"),
        ('labels = ["env"]', "episode_minutes = 1441", "$.history.episode_minutes"),
        ('labels = ["env"]', "episode_minutes = nan", "$.history.episode_minutes"),
        ('labels = ["env"]', 'labels = ["env", "env"]', "history.labels names a label twice"),
        ('labels = ["env"]', 'labels = [""]', "$.history.labels"),
        ('labels = ["env"]', 'labels = ["a\\u0000b"]', "$.history.labels"),
        ('labels = ["env"]', f"labels = {[f'l{n}' for n in range(9)]}", "$.history.labels"),
        ('labels = ["env"]', "forget_days = 1", "history.forget_days must be longer than the horizon"),
        ('labels = ["env"]', "forget_days = inf", "$.history.forget_days"),
        ('labels = ["env"]', "ledger_days = 1", "history.ledger_days must be at least the horizon"),
        ('labels = ["env"]', "ledger_days = nan", "$.history.ledger_days"),
        ("per_day = 50", "per_day = 0", "$.flood.per_day"),
        ("detection = 0.95", "detection = 1.0", "$.target.detection"),
        ("detection = 0.95", 'must_beat = ["luck"]', "$.target.must_beat"),
        ("detection = 0.95", "min_outcomes = 0", "$.target.min_outcomes"),
        ("detection = 0.95", "detection = ", "Invalid value"),
        ("[target]", "[targets]", "unknown field `targets`"),
        ("detection = 0.95", f"x = {'[' * 100_000}", "recursion"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(line: str, new: str, told: str) -> None:
    """Every fault is one line that begins with the file and names the key."""
    with pytest.raises(ProblemError) as refused:
        parse_problem(changed(line, new), "my.toml")
    message = str(refused.value)
    assert message.startswith("my.toml: ")
    assert told in message
    assert "\n" not in message
    assert len(message) < 250


@pytest.mark.parametrize(
    ("line", "new"),
    [
        ('actionable = ["worked"]', 'actionable = ["worked", "escalated"]'),
        ('noise = ["dismissed"]', 'noise = ["dismissed", "closed"]'),
        ("horizon_hours = 24", "horizon_hours = 23"),
        ("horizon_hours = 24", 'horizon_hours = 24\ndecides = "any_actionable"'),
        ("horizon_hours = 24", 'horizon_hours = 24\non_expiry = "unknown"'),
        ("horizon_hours = 24", "horizon_hours = 24\ngrace_minutes = 6"),
        ("visibility_only = []", 'visibility_only = [{ rule = "report/*" }]'),
        ("visibility_only = []", 'flood_days = [{ team = "pay", rule = "disk", day = 2026-03-01 }]'),
        ('labels = ["env"]', 'labels = ["site"]'),
        ('labels = ["env"]', 'labels = ["env"]\nforget_days = 90'),
        ('labels = ["env"]', 'labels = ["env"]\nledger_days = 90'),
        ("visibility_only = []", f"windows = [{WINDOW}]"),
        ('labels = ["env"]', 'labels = ["env"]\nepisode_minutes = 30'),
        ('actionable = ["worked"]', 'actionable = ["worked@person"]'),
        ("per_day = 50", "per_day = 51"),
        ("per_day = 50", "per_day = 50\nfactor = 9"),
    ],
)
def test_another_history_has_another_digest(line: str, new: str) -> None:
    """Whatever changes what the fold does changes the digest, and so the problem's id."""
    assert parse_problem(changed(line, new)).digest != parse_problem(TEXT).digest


@pytest.mark.parametrize(
    ("line", "new"),
    [
        ('name = "actionable"', 'name = "other"'),
        ('question = "Will they?"', 'question = "Really?"'),
        ("detection = 0.95", 'detection = 0.9\nmust_beat = ["team_rate"]'),
        ("detection = 0.95", "min_outcomes = 2000"),
        ("horizon_hours = 24", 'horizon_hours = 24.0\ndecides = "first"\non_expiry = "noise"\ngrace_minutes = 5'),
        ('labels = ["env"]', 'labels = ["env"]\nforget_days = 180'),
        ("per_day = 50", "per_day = 50.0\nfactor = 10"),
        ("visibility_only = []", ""),
        ("visibility_only = []", "flood_days = []"),
        ("visibility_only = []", "windows = []"),
        ('labels = ["env"]', 'labels = ["env"]\nepisode_minutes = 60'),
        ("[exclude]", "# a comment\n[exclude]"),
    ],
)
def test_the_same_history_has_the_same_digest(line: str, new: str) -> None:
    """Name, question, target, spelling and defaults written out change nothing that was folded."""
    assert parse_problem(changed(line, new)).digest == parse_problem(TEXT).digest


def test_a_window_s_digest_is_of_its_moments() -> None:
    """However its zone is written."""
    one = window("2026-03-01T00:00:00Z", "2026-03-01T02:00:00+01:00")
    other = window("2026-03-01T02:00:00+02:00", "2026-03-01T01:00:00Z")
    assert len({parse_problem(changed("visibility_only = []", text)).digest for text in (one, other)}) == 1


def test_problem_files_of_earlier_releases_keep_their_digest() -> None:
    """What the shipped problem file's history and models are known by does not move with what newer releases add."""
    assert parse_problem((ROOT / "deploy/problems/simulated.toml").read_text()).digest == "6071ef19"


@pytest.mark.parametrize(("name", "digest"), [("uci_incidents", "24864d45"), ("london_fire_calls", "13774d8c")])
def test_the_real_problems_keep_their_digest(shared_data: Path, name: str, digest: str) -> None:
    """The same of the real logs' problem files."""
    assert parse_problem((shared_data / f"{name}.toml").read_text()).digest == digest


def test_the_id_is_name_and_digest() -> None:
    """As outcomes and models carry it."""
    problem = parse_problem(TEXT)
    assert problem.id == f"actionable@{problem.digest}"
    assert len(problem.digest) == 8


def excluding(pattern: str) -> Problem:
    """The problem with one exclusion."""
    return parse_problem(changed("visibility_only = []", f"visibility_only = [{pattern}]"))


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ('{ rule = "report/*" }', True),
        ('{ rule = "Report/*" }', False),
        ('{ rule = "report/dail?" }', True),
        ('{ rule = "report" }', False),
        ('{ rule = "report/*", team = "pay" }', True),
        ('{ rule = "report/*", team = "ops" }', False),
        ('{ labels = { env = "test" } }', True),
        ('{ labels = { env = "prod" } }', False),
        ('{ labels = { site = "?*" } }', False),
        ('{ severity = "low" }, { entity = "db-[0-9]" }', True),
        ('{ source = "x", entity = "db-7" }', False),
    ],
)
def test_exclusions_match_by_pattern(pattern: str, meant: bool) -> None:
    """Every pattern of an exclusion must match, case counts, and one exclusion of several is enough."""
    alert = Raised(moment(1e9), "a", "pay", "report/daily", "db-7", labels={"env": "test"})
    assert excluding(pattern).visibility_only(alert) is meant


def test_an_entry_of_one_agent_stands_beside_the_bare_kind() -> None:
    """The same entry in both lists contradicts itself; a kind and its narrower entry do not, and the narrower wins."""
    text = changed('noise = ["dismissed"]', 'noise = ["dismissed", "worked@automation"]')
    rule = parse_problem(text).outcome
    both = {"worked": True, "dismissed": False}
    assert rule.deciding(None) == rule.deciding("person") == both
    assert rule.deciding("automation") == {"worked": False, "dismissed": False}
    assert parse_problem(text).deciding_kinds == {"worked", "dismissed", "closed_by_rule", "paused_by_rule"}
    with pytest.raises(ProblemError, match=r"kind 'worked@person' is in both outcome\.actionable and"):
        parse_problem(TEXT.replace('["worked"]', '["worked@person"]').replace('["dismissed"]', '["worked@person"]'))


def test_a_window_covers_by_time_and_pattern() -> None:
    """Windows are read with their moments and the patterns of an exclusion."""
    text = (
        'windows = [{ from = 2026-03-01T00:00:00Z, to = 2026-03-02T00:00:00Z, team = "pay*", labels = { env = "p*" } }]'
    )
    (read,) = parse_problem(changed("visibility_only = []", text)).exclude.windows
    assert (read.start, read.end) == (moment(1_772_323_200.0), moment(1_772_409_600.0))
    assert read.matches(Raised(moment(1e9), "a", "payments", "r", "e", labels={"env": "prod"}))
    assert not read.matches(Raised(moment(1e9), "a", "payments", "r", "e"))
