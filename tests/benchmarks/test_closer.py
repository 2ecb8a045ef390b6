"""The closer's benchmark: its rules are those of the benchmark of rules, and its part says what was reached."""

from benchmarks.closer import BEGIN, END, section
from benchmarks.closer_process import RULES, rule_text
from benchmarks.rules import make_rules
from stream.core.rules import parse_rules

DOCUMENT = {
    "command": "python -m benchmarks.closer",
    "date": "2026-11-26T12:00:00",
    "machine": {"processor": "P", "system": "S"},
    "load": 1.5,
    "backlog": {"alerts": 1_000, "decided": 100, "alerts_per_second": 12_000.0, "cpu_microseconds_per_alert": 20.0},
    "paced": [
        {
            "alerts_per_second": rate,
            "decided": 10,
            "p50_milliseconds": 5.0,
            "p99_milliseconds": p99,
            "largest_milliseconds": 200.0,
        }
        for rate, p99 in ((500.0, 60.0), (2_000.0, 140.0))
    ],
}


def test_the_files_hold_the_rules_that_were_made() -> None:
    """With the same matches, so that the two benchmarks measure the same rules."""
    parsed = parse_rules({"rules.toml": "\n".join(map(rule_text, range(RULES)))})
    assert [one.rule.match.patterns() for one in parsed] == [one.rule.match.patterns() for one in make_rules(RULES)]


def test_the_part_says_what_was_reached() -> None:
    """The highest of the rates at which decisions are in time."""
    text = section(DOCUMENT)
    assert "| 2,000 | 10 | 5 | 140 | 200 |" in text
    assert "10,000 alerts/s with 500 rules: reached" in text
    assert "within 100 ms at p99: reached up to 500 alerts/s of these." in text
    assert BEGIN != END
