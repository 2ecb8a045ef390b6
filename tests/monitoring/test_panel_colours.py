"""Colours of the dashboards' figures: what is bad when low does not stay green."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.monitoring.panels import panels

DASHBOARDS = sorted((Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards").glob("*.json"))
FIGURES = [
    (path.stem, panel)
    for path in DASHBOARDS
    for panel in panels(json.loads(path.read_text()))
    if panel["type"] in ("stat", "gauge")
]
NEUTRAL = {"text"}
AT_0_AND_1 = {  # the colour of the worst and of the best value that a share or a switch can have
    "Scorers": ("red", "green"),
    "Kafka": ("red", "green"),
    "Redis": ("red", "green"),
    "Wrong histories": ("green", "red"),
    "Detection": ("red", "green"),
    "Share matured, 7d": ("orange", "green"),
    "Alerts": ("orange", "orange"),
    "Observations, 24h": ("orange", "orange"),
    "Unscored": ("green", "red"),
    "Too late": ("green", "red"),
    "Waiting": ("green", "green"),
    "Champion's age": ("green", "green"),
    "Features that drifted, 24h": ("green", "orange"),
    "Features that drifted, 7d": ("green", "orange"),
    "PSI of the score, 24h": ("green", "orange"),
    "Likely noise, acted on": ("green", "orange"),
    "Brakes on": ("green", "orange"),
}


def colour(panel: Any, value: float) -> str:
    """The colour that Grafana gives a value: that of the last step that begins at or below it."""
    found = ""
    for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]:
        if step["value"] is None or step["value"] <= value:
            found = step["color"]
    return found


def judged(panel: Any) -> bool:
    """Whether the figure has colours that say good or bad."""
    return len(panel["fieldConfig"]["defaults"]["thresholds"]["steps"]) > 1


@pytest.mark.parametrize(("page", "panel"), FIGURES, ids=lambda each: each if isinstance(each, str) else each["title"])
def test_a_figure_with_limits_says_which_side_is_bad(page: str, panel: Any) -> None:
    """The description names the bad side, and the colours agree; a figure without limits has no colour of its own."""
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    if not judged(panel):
        assert {step["color"] for step in steps} <= NEUTRAL, page
        return
    low, high = steps[0]["color"], steps[-1]["color"]
    said = panel["description"].rsplit("Bad when ", 1)[-1]
    assert (low == "green", high == "green", said) in ((False, True, "low."), (True, False, "high.")), page
    values = [step["value"] for step in steps[1:]]
    assert values == sorted(values)
    assert len({step["color"] for step in steps}) == len(steps), "a limit that changes no colour"


@pytest.mark.parametrize(
    "panel", [panel for _, panel in FIGURES if judged(panel)], ids=lambda panel: str(panel["title"])
)
def test_colours_at_0_and_1(panel: Any) -> None:
    """No scorer, no history and no detection are red, and 1 of each is green; what is bad when high is the reverse."""
    assert (colour(panel, 0), colour(panel, 1)) == AT_0_AND_1[panel["title"]]


def test_no_scorer_is_a_figure() -> None:
    """Where Prometheus knows no scorer at all the figure is 0, which is red, and not `no data`."""
    [panel] = [panel for _, panel in FIGURES if panel["title"] == "Scorers"]
    assert panel["targets"][0]["expr"].endswith("or vector(0)")
