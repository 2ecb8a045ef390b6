"""Figures of teams and rules."""

import csv
from io import StringIO

import pytest

from stream.triage.teams import TeamFigures, as_csv, as_markdown
from tests.triage.records import NOW, enriched, outcome


def figures(*records: object) -> TeamFigures:
    """Figures of these records."""
    made = TeamFigures()
    made.take(records)  # type: ignore[arg-type]  # records of a test
    return made


def test_each_alert_counts_once() -> None:
    """A record that comes again, or scored after unscored, is no second alert."""
    team = figures(enriched(probability=None), enriched(), enriched(), outcome(), outcome()).teams["payments"]
    rule = team.rules["disk_full"]
    assert (team.alerts, team.decided, team.acted, team.since) == (1, 1, 0, NOW)
    assert (rule.alerts, rule.scored, rule.mean) == (1, 1, 0.07)


def test_rules_worth_mending_are_volume_times_noise() -> None:
    """Many alerts with a low probability come before few, and before many that people act on."""
    records = [enriched(f"A{n}", n, 0.1, rule="chatty") for n in range(20)]
    records += [enriched(f"B{n}", n, 0.9, rule="useful") for n in range(30)]
    records += [enriched(f"C{n}", n, 0.0, rule="rare") for n in range(4)]
    worst = figures(*records).teams["payments"].worth_mending()
    assert [(one.rule, round(one.worth, 6)) for one in worst] == [("chatty", 18.0), ("rare", 4.0), ("useful", 3.0)]


def test_calibration_is_by_tenths() -> None:
    """An outcome counts in the tenth of the champion's score, with the score and whether it was acted on."""
    team = figures(outcome("A1"), outcome("A2", "actionable", "worked")).teams["payments"]
    assert (team.bins[0].decided, team.bins[0].acted) == (2, 1)
    assert team.bins[0].probability == pytest.approx(0.14)


@pytest.mark.parametrize("fields", [{"name": "unknown"}, {"flags": ["flood"]}, {"flags": ["visibility_only"]}])
def test_what_is_not_judged_does_not_count(fields: dict[str, object]) -> None:
    """Unknown outcomes, floods and alerts for reading are in no figure."""
    assert figures(outcome(**fields)).teams.get("payments") is None  # type: ignore[arg-type]  # fields of a test


def test_a_team_is_called_predictable_when_its_scores_tell() -> None:
    """With scores that part what is acted on from noise; not with too few outcomes, nor with scores that don't."""
    model = "2026-03-01-a1b2c3d4"
    told = [outcome(f"N{n}", scores={model: 0.1}) for n in range(40)]
    told += [outcome(f"A{n}", "actionable", "worked", scores={model: 0.9}) for n in range(40)]
    assert figures(*told).teams["payments"].verdict == "predictable"
    assert figures(*told[:60]).teams["payments"].verdict == "not enough outcomes to tell"
    same = [outcome(one.alert_id, one.outcome, scores={model: 0.5}) for one in told]
    assert figures(*same).teams["payments"].verdict.startswith("hard to predict")


def test_the_tables_hold_any_name() -> None:
    """A rule whose name would break a table, or be a spreadsheet's formula, is one cell of text."""
    hostile = '=1+1","|x|\n# y'
    rules = figures(enriched(rule=hostile)).teams["payments"].worth_mending()
    rows = list(csv.reader(StringIO(as_csv(rules))))
    assert rows[1][0] == f"'{hostile}"
    assert len(as_markdown("payments", rules).splitlines()) == 5


def test_drills_are_in_no_figure() -> None:
    """The team of drills is left out."""
    assert figures(enriched(team="noisegate-drill")).teams == {}
