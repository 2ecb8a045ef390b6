"""The index of rules finds what trying them one by one would find."""

from fnmatch import fnmatchcase

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.rule_index import RuleIndex
from stream.core.rules import MATCH_FIELDS, Placed, Rule

WORDS = ["a", "b", "ab", "a-1", "a-2", "[", "*"]
PATTERNS = [*WORDS, "a*", "?", "[ab]", "*1", "a-?", "[!a]*"]
FIELDS = st.dictionaries(st.sampled_from(MATCH_FIELDS), st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3))
LABEL_PATTERNS = st.dictionaries(st.sampled_from(["env", "zone"]), st.sampled_from(PATTERNS), max_size=2)
ALERTS = st.fixed_dictionaries(
    {
        "team": st.sampled_from(WORDS),
        "rule": st.sampled_from(WORDS),
        "entity": st.sampled_from(WORDS),
        "severity": st.sampled_from([*WORDS, None]),
        "source": st.sampled_from([*WORDS, None]),
        "labels": st.dictionaries(st.sampled_from(["env", "zone", "other"]), st.sampled_from(WORDS)),
    }
)


def make_rules(matches: list[tuple[dict[str, object], float]]) -> list[Placed]:
    """Rules of these matches and probabilities, in this order."""
    return [
        Placed(
            msgspec.convert(
                {"name": f"r{number}", "owner": "o", "match": match, "max_probability": most},
                Rule,
            ),
            "f",
            number,
        )
        for number, (match, most) in enumerate(matches)
    ]


def fits(rule: Rule, alert: dict[str, object]) -> bool:
    """Whether a rule's match fits, by trying each pattern."""
    labels = alert["labels"]
    assert isinstance(labels, dict)
    for field, patterns in rule.match.patterns().items():
        value = labels.get(field.removeprefix("labels.")) if field.startswith("labels.") else alert[field]
        if value is None or not any(fnmatchcase(str(value), pattern) for pattern in patterns):
            return False
    return True


@pytest.mark.slow
@given(
    st.lists(st.tuples(FIELDS, LABEL_PATTERNS, st.sampled_from([0.1, 0.5, 0.9])), max_size=12),
    st.lists(st.tuples(ALERTS, st.floats(0, 1)), min_size=1, max_size=8),
)
def test_the_index_finds_what_trying_each_rule_finds(
    drawn: list[tuple[dict[str, object], dict[str, str], float]], alerts: list[tuple[dict[str, object], float]]
) -> None:
    """For any rules and alerts, asked twice: the first rule that fits with its probability, and all that fit."""
    placed = make_rules([({**match, "labels": labels}, most) for match, labels, most in drawn])
    index = RuleIndex(placed)
    for alert, probability in [*alerts, *alerts]:
        fitting = [one.rule.name for one in placed if fits(one.rule, alert)]
        found = index.first(**alert, probability=probability)  # type: ignore[arg-type]
        names = {one.rule.name: one.rule.max_probability for one in placed}
        expected = next((name for name in fitting if probability <= names[name]), None)
        assert (found.rule.name if found else None) == expected
        assert [one.rule.name for one in index.fitting(**alert)] == fitting  # type: ignore[arg-type]


def test_what_an_alert_lacks_matches_nothing() -> None:
    """A rule that names a severity or label, even by `*`, does not match an alert without it."""
    index = RuleIndex(make_rules([({"severity": "*"}, 1.0), ({"labels": {"env": "*"}}, 1.0)]))
    assert index.first("t", "r", "e", None, None, {}, 0.0) is None
    assert list(index.fitting("t", "r", "e", "", None, {"env": ""}))[1].rule.name == "r1"


def test_no_rules_match_nothing() -> None:
    """An index of nothing can be asked."""
    assert RuleIndex([]).first("t", "r", "e", "s", "x", {"a": "b"}, 0.0) is None
