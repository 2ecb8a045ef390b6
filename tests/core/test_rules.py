"""Files of rules: what they say, every mistake with its line, versions, hours."""

from datetime import date
from pathlib import Path

import pytest

from stream.core.active_hours import ActiveHours
from stream.core.errors import RulesError
from stream.core.rules import Placed, parse_rules, read_rules

WHOLE = """
[[rule]]
name = "night-disks"
owner = "payments"
priority = 10
max_probability = 0.1
mode = "close"
risk = 0.05
pause_minutes = 15
close_hours = 2
holdout_floor = 0.1
max_per_hour = 5
active_hours = "mon-fri 22:00-06:00"
expires = 2027-06-30
never_severity = ["critical", "high"]

[rule.match]
team = "payments"
rule = ["disk_*", "inode_low"]
entity = "db-?"
severity = "low"
source = "zabbix"
labels.env = "prod"
"""
SHORT = """
[[rule]]
name = "{name}"
owner = "payments"
match = {{ rule = "{rule}" }}
max_probability = {most}
"""
BROKEN = """# of payments
[[rule]]
name = "Night Disks"
owner = "payments"
match = { rule = "disk_*", entitiy = "db-1" }
max_probability = 1.5
pause_minutes = 90

[[rule]]
name = "no-end"
owner = "payments"
mode = "pause"
max_probability = 0.1
colour = "red"
match = {}

[[rule]]
name = "acts-for-ever"
owner = "payments"
max_probability = 0.1
match = { rule = "x" }
mode = "pause"

[[rule]]
name = "everything"
owner = "payments"
max_probability = 0.1
active_hours = "whenever"
[rule.match]
team = "*"
"""


def short(name: str, rule: str = "disk_*", most: float = 0.1, more: str = "") -> str:
    """A file with one small rule."""
    return SHORT.format(name=name, rule=rule, most=most) + more


def only(text: str) -> Placed:
    """The one rule of a file."""
    (found,) = parse_rules({"rules.toml": text})
    return found


def test_every_key_is_read() -> None:
    """A rule that gives all keys has them as written; it ends with its last day."""
    found = only(WHOLE)
    rule = found.rule
    assert (found.file, found.line) == ("rules.toml", 2)
    assert (rule.name, rule.owner, rule.priority, rule.mode) == ("night-disks", "payments", 10, "close")
    assert (rule.max_probability, rule.risk, rule.holdout_floor) == (0.1, 0.05, 0.1)
    assert (rule.pause_minutes, rule.close_hours, rule.max_per_hour) == (15, 2, 5)
    assert (rule.expires, rule.never_severity) == (date(2027, 6, 30), ("critical", "high"))
    assert rule.match.patterns() == {
        "team": ("payments",),
        "rule": ("disk_*", "inode_low"),
        "entity": ("db-?",),
        "severity": ("low",),
        "source": ("zabbix",),
        "labels.env": ("prod",),
    }
    assert rule.ends_at == 1_814_400_000.0  # 2027-07-01T00:00:00Z


def test_a_rule_that_says_little_does_nothing_but_tell() -> None:
    """The defaults: shadow, 5 % risk, ten minutes, four hours, a floor of 5 %, never on critical, no end."""
    rule = only(short("disks")).rule
    assert (rule.mode, rule.risk, rule.pause_minutes, rule.close_hours) == ("shadow", 0.05, 10.0, 4.0)
    assert (rule.holdout_floor, rule.max_per_hour, rule.never_severity) == (0.05, 20, ("critical",))
    assert rule.ends_at is None


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("pause_minutes = 15", "pause_minutes = 20", True),
        ('mode = "close"', 'mode = "pause"', True),
        ('name = "night-disks"', 'name = "disks"', True),
        ("max_per_hour = 5", "max_per_hour = 6", True),
        ('["disk_*", "inode_low"]', '["inode_low", "disk_*", "disk_*"]', True),
        ("max_probability = 0.1", "max_probability = 0.11", False),
        ("risk = 0.05", "risk = 0.06", False),
        ('env = "prod"', 'env = "test"', False),
        ('entity = "db-?"', 'entity = "db-*"', False),
    ],
)
def test_a_version_is_what_is_proven(old: str, new: str, same: bool) -> None:
    """Match, max_probability and risk make another version; no other key does, nor the order of patterns."""
    assert old in WHOLE
    assert (only(WHOLE).rule.version == only(WHOLE.replace(old, new)).rule.version) is same


def test_the_version_stays_from_release_to_release() -> None:
    """A version is in decisions and tallies that outlive a release, so this one's is written down here."""
    assert only(WHOLE).rule.version == "ec1c8a8d"


def test_every_mistake_is_found_with_its_line_and_mend() -> None:
    """All mistakes of a file at once, each as file:line: what is wrong; what to do."""
    placed, mistakes = read_rules({"team.toml": BROKEN})
    assert placed == []
    told = sorted((mistake.line, str(mistake)) for mistake in mistakes)
    assert [line for line, _ in told] == [3, 5, 6, 7, 14, 15, 22, 28, 29]
    texts = [text for _, text in told]
    assert texts[0].startswith("team.toml:3: name = 'Night Disks': ")
    assert texts[0].endswith("; use small letters, digits, `.`, `_` and `-`")
    assert texts[1] == "team.toml:5: match.entitiy is no key of a rule; did you mean entity?"
    assert "max_probability = 1.5" in texts[2]
    assert texts[3].endswith("; give 1 to 60 minutes")
    assert "colour is no key of a rule" in texts[4]
    assert texts[5].startswith("team.toml:15: match is empty, which would mean every alert; name at least")
    assert texts[6].startswith("team.toml:22: mode = 'pause' without expires; ")
    assert "active_hours = 'whenever': it is no span of hours" in texts[7]
    assert "match means every alert" in texts[8]


def test_a_key_that_is_missing_is_told_at_its_rule() -> None:
    """Each required key that a rule lacks is a mistake of its own."""
    _, mistakes = read_rules({"a.toml": "\n[[rule]]\nname = 'x'\n"})
    assert [str(one) for one in mistakes] == [
        "a.toml:2: owner is missing; add owner",
        "a.toml:2: match is missing; add match",
        "a.toml:2: max_probability is missing; add max_probability",
    ]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("[[rule]]\nname = \n", 2, "this is not TOML"),
        ("a = 1\n[[rules]]\nname = 'x'\n", 1, "'a' is no part"),
        ("\n[[rules]]\nname = 'x'\n", 2, "'rules' is no part"),
        ("\n[rule]\nname = 'x'\n", 2, "`rule` is not a list"),
        ("[[rule]]\nname='x'\nowner='y'\nmatch='z'\nmax_probability=0.1", 4, "match = 'z' is no table"),
    ],
)
def test_what_is_no_file_of_rules(text: str, line: int, problem: str) -> None:
    """Broken TOML, other tables and other keys are told where they stand."""
    _, mistakes = read_rules({"a.toml": text})
    assert mistakes[0].line == line
    assert problem in mistakes[0].fault.problem
    assert mistakes[0].fault.mend


def test_names_are_unique_over_all_files() -> None:
    """The second of two rules with one name is a mistake that names the first."""
    _, mistakes = read_rules({"a.toml": short("disks"), "b.toml": short("disks")})
    assert [str(one) for one in mistakes] == [
        "b.toml:2: name = 'disks' is taken by a.toml:2; give this rule another name"
    ]


def test_rules_are_tried_by_priority_then_file_then_place() -> None:
    """The highest priority first; among equals the file's name, then the place in it."""
    files = {
        "b.toml": short("b1") + short("b2", more="priority = 5\n"),
        "a.toml": short("a1") + short("a2") + short("a3", more="priority = -1\n"),
    }
    assert [one.rule.name for one in parse_rules(files)] == ["b2", "a1", "a2", "b1", "a3"]


def test_files_with_mistakes_are_refused_by_the_first() -> None:
    """The error is one sentence with file, line and mend, and says how many more there are."""
    with pytest.raises(RulesError, match=r"^team.toml:3: name = .* \(and 8 more mistakes\); use small letters"):
        parse_rules({"team.toml": BROKEN})


def test_labels_are_mended_by_a_table() -> None:
    """A pattern in their place would be refused again."""
    _, (mistake,) = read_rules(
        {"team.toml": SHORT.format(name="a", rule="*", most=0.1).replace('rule = "*"', 'labels = "prod"')}
    )
    assert mistake.fault.mend == 'write labels = { env = "test" }, each a pattern or a list of patterns'
    table = SHORT.format(name="a", rule="*", most=0.1).replace('rule = "*"', 'labels = { env = "test" }')
    assert read_rules({"team.toml": table})[1] == []


THURSDAY = 0.0  # 1970-01-01T00:00:00Z
HOUR = 3_600.0


@pytest.mark.parametrize(
    ("span", "inside", "outside"),
    [
        ("09:00-17:00", [9.0, 16.99], [8.99, 17.0]),
        ("22:00-06:00", [22.0, 5.9, 29.9], [6.0, 21.9]),
        ("thu 22:00-06:00", [22.0, 29.9], [5.9, 46.0]),
        ("sat-mon 00:00-24:00", [48.0, 119.9], [47.9, 120.0]),
        ("fri-thu 01:00-02:00", [1.5, 25.5, 97.5], [0.5, 2.0]),
    ],
)
def test_active_hours_cover_their_spans(span: str, inside: list[float], outside: list[float]) -> None:
    """Hours since Thursday midnight UTC that a span covers, or does not: an end is no part of it."""
    hours = ActiveHours([span])
    assert [hours.cover(THURSDAY + at * HOUR) for at in inside] == [True] * len(inside)
    assert [hours.cover(THURSDAY + at * HOUR) for at in outside] == [False] * len(outside)


@pytest.mark.parametrize("span", ["", "9-17", "09:00-09:00", "09:60-10:00", "09:00-25:00", "day 09:00-10:00", "x"])
def test_what_is_no_span_of_hours(span: str) -> None:
    """Other texts raise an error instead of meaning something."""
    with pytest.raises(ValueError, match=r"."):
        ActiveHours([span])


def test_the_rule_in_the_docs_can_be_used() -> None:
    """The example is read as it stands, and every key of a rule has a row in the table."""
    page = (Path(__file__).parents[2] / "docs" / "RULES.md").read_text()
    rule = only(page.split("```toml\n")[1].split("```")[0]).rule
    assert (rule.name, rule.mode) == ("payments-test-hosts", "pause")
    assert [key for key in rule.__struct_fields__ if f"`{key}`" not in page] == []
