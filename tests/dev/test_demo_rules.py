"""The rules that the demo shows: what they are, and what the summary says of them."""

from stream.core.rules import parse_rules
from stream.dev.demo.rules import RULES, RuleFigures, rule_figures, rules_sentence
from stream.rule_files import read_rule_files
from stream.simulation.catalogue import TEAMS
from tests.core.outcomes import HOUR, PROBLEM, T0, outcome

SIMULATED = {"simulated": "true", "env": "dev"}


def test_rules_are_of_the_simulated_organisation_and_in_shadow() -> None:
    """None may ever act, their owners and teams are simulated ones, and they match nothing but simulated alerts."""
    rules = [one.rule for one in parse_rules(read_rule_files([RULES]))]
    teams = {team.name for team in TEAMS}
    for rule in rules:
        assert rule.mode == "shadow"
        assert rule.owner in teams
        assert rule.match.labels["simulated"] in ("true", ("true",), ["true"])
        named = rule.match.team or ()
        assert {named} if isinstance(named, str) else set(named) <= teams


def test_figures_are_those_of_a_backtest() -> None:
    """An alert goes to the first rule that matches. A critical one is matched and not paused; one whose outcome nobody
    knows is not judged."""
    erp = {"team": "legacy-erp", "labels": SIMULATED}
    outcomes = [
        outcome("A1", T0, "noise", **erp),
        outcome("A2", T0 + HOUR, "actionable", **erp),
        outcome("A3", T0 + 2 * HOUR, "unknown", **erp),
        outcome("A4", T0 + 3 * HOUR, "actionable", severity="critical", **erp),
        outcome("B1", T0, "actionable", team="payments", labels=SIMULATED),
        outcome("C1", T0, "noise", team="legacy-erp"),
    ]
    found = rule_figures(outcomes, PROBLEM)
    assert found == [
        RuleFigures("legacy-erp-quiet", 4, 3, 2, 1),
        RuleFigures("data-science-jobs", 0, 0, 0, 0),
        RuleFigures("outside-production", 1, 1, 1, 1),
    ]
    sentence = rules_sentence(found)
    assert "legacy-erp-quiet would have paused 3 of 4 alerts, 1 of them acted on; data-science-jobs" in sentence
    assert sentence.endswith("only what is raised after a rule's first load counts.")
