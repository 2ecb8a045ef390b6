"""The charts of `noisegate report`: bars and lines lie where figures and scale put them."""

import pytest

from stream.monitoring.page import calibration_chart, drift_line, quality_page
from stream.monitoring.report import Bin, FeatureDrift, ModelQuality, QualityReport
from tests.lab.reporting.html import Read, shapes


def model(*bins: Bin) -> ModelQuality:
    """A champion with these bins."""
    return ModelQuality(model="m", role="champion", matured=9.0, matured_share=None, figures={}, bins=list(bins))


def feature(*line: tuple[float, float]) -> FeatureDrift:
    """A feature with chance at 0.1 and this line."""
    return FeatureDrift(
        model="m", feature="f", observed=200.0, psi=0.2, threshold=0.1, jensen_shannon=None, missing=None,
        missing_reference=None, rings=True, drifted=True, line=list(line),
    )  # fmt: skip


def test_a_bin_is_a_pair_of_bars() -> None:
    """A mean of 0.5 and a rate of 1 are half and all of the 210 units of height; an unknown bin is left out."""
    chart = calibration_chart(model(Bin("0.5", 40.0, 0.5, 1.0), Bin("1.0", 0.0, None, None)))
    assert [(bar["class"], bar["y"], bar["height"]) for bar in shapes(chart, "rect")] == [
        ("bar s1", "115.0", "105.0"),
        ("bar s2", "10.0", "210.0"),
    ]
    assert [(bar["x"], bar["width"]) for bar in shapes(chart, "rect")] == [("133.4", "196.68"), ("342.0", "196.68")]


def test_the_line_of_drift_is_drawn_to_the_highest_value() -> None:
    """The window spans 220 units; the highest of PSI and chance lies a twentieth below the top."""
    drawn = drift_line(feature((0.0, 0.0), (50.0, 0.2), (100.0, 0.1)))
    [line] = shapes(drawn, "polyline")
    assert line["points"] == "0.0,34.0 110.0,3.5 220.0,18.8"
    [chance] = shapes(drawn, "line", "chance")
    assert (chance["x1"], chance["x2"], chance["y1"]) == ("0.0", "220.0", "18.8")


def test_nothing_counted_draws_nothing() -> None:
    """No bin, no chart; one point, no line; the page then says so in words."""
    assert calibration_chart(model()) == ""
    assert drift_line(feature((0.0, 0.2))) == ""
    read = Read(quality_page(QualityReport("7d", 0.0, None, [model(), model(Bin("1.0", 9.0, 0.5, 0.5))])))
    assert read.faults == []
    assert read.headings == ["Calibration: champion m"]
    assert "Counted: nothing yet." in read.text


@pytest.mark.parametrize("value", [0.0, 0.05])
def test_a_calm_line_is_drawn_on_the_scale_of_the_floor(value: float) -> None:
    """Below chance and floor the line stays low: the scale never shrinks to the noise."""
    [line] = shapes(drift_line(feature((0.0, value), (1.0, value))), "polyline")
    assert line["points"].split()[0] == ("0.0,34.0" if not value else "0.0,18.8")
