"""The charts: what is drawn lies where figures and scale put it, and whatever is found can be drawn."""

import math
import re
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.html import Markup
from stream.lab.judging.report_schema import (
    AgeWeek,
    Band,
    CurvePoint,
    DependenceBin,
    Drift,
    Group,
    Importance,
    Interval,
    ReliabilityBin,
    Week,
)
from stream.lab.reporting import charts
from tests.lab.reporting import sample
from tests.lab.reporting.html import Read, shapes

share = st.floats(0, 1) | st.sampled_from([float("nan"), float("inf"), -float("inf")])
maybe = st.none() | share
amount = st.floats(0, 1e9) | st.just(float("nan"))
number = st.integers(0, 10**9)
name = st.text(max_size=80)
interval = st.builds(Interval, share, maybe, maybe)
day = st.dates(date(2000, 1, 1), date(2100, 1, 1))


def sound(chart: Markup, marks: int | None = None) -> None:
    """Balanced, every attribute that is drawn from is a number, and there are as many dots and bars as `marks`."""
    assert Read(str(chart)).faults == []
    assert marks is None or len(shapes(chart, "circle")) + len(shapes(chart, "rect")) == marks
    for names in ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height", "points"):
        for value in re.findall(rf' {names}="([^"]*)"', chart):
            assert not re.search("nan|inf", value), value


# Scales by hand: a plane 300 high spans x from 46 to 348 and y from 258 (0) to 12 (1); one 240 high has its floor at
# 198, one 220 high at 178.


def test_a_week_is_a_bar_by_its_alerts_and_a_dot_at_its_rate() -> None:
    """Of 100 alerts the bar is as high as the plane, of 50 half of it; the rate's dot is in the week's middle."""
    weeks = [
        Week(start=date(2026, 3, 2), alerts=100, rate=0.25, part="training"),
        Week(start=date(2026, 3, 9), alerts=50, rate=0.5, part="test"),
    ]
    chart = charts.weeks_chart(weeks, datetime(2026, 3, 9, tzinfo=UTC))
    bars = shapes(chart, "rect")
    assert [(bar["class"], bar["y"], bar["height"]) for bar in bars] == [
        ("bar train", "12.0", "186.0"),
        ("bar test", "105.0", "93.0"),
    ]
    assert [(bar["x"], bar["width"]) for bar in bars] == [("57.0", "115.08"), ("194.0", "115.08")]
    assert [(dot["cx"], dot["cy"]) for dot in shapes(chart, "circle")] == [("114.5", "151.5"), ("251.5", "105.0")]
    [split] = shapes(chart, "line", "mark")
    assert (split["x1"], split["x2"]) == ("183.0", "183.0")


def test_a_bin_is_a_dot_with_its_interval() -> None:
    """A bin of score 0.25 and rate 0.5, from 0.4 to 0.7, stands there, its whisker from low to high."""
    chart = charts.reliability_chart([ReliabilityBin(10, 0.25, Interval(0.5, 0.4, 0.7))])
    assert [(dot["cx"], dot["cy"]) for dot in shapes(chart, "circle")] == [("121.5", "135.0")]
    [whisker] = shapes(chart, "line", "whisker")
    assert [whisker[end] for end in ("x1", "y1", "x2", "y2")] == ["121.5", "159.6", "121.5", "85.8"]


def test_a_curve_goes_through_its_points_and_a_band_is_a_ring_on_it() -> None:
    """Points lie at (detection, suppressed), the band's ring at the threshold nearest to its edge."""
    points = [CurvePoint(0.0, 1.0, 0.0), CurvePoint(0.3, 0.5, 0.5), CurvePoint(1.0, 0.0, 1.0)]
    chart = charts.curve_chart({"model": points}, [Band("unsure", 0.29, 0.5, 0.4, 0.2)], 0.5)
    [curve] = shapes(chart, "polyline", "line s1")
    assert curve["points"] == "46.0,12.0 197.0,135.0 348.0,258.0"
    assert [(dot["cx"], dot["cy"]) for dot in shapes(chart, "circle", "edge")] == [("197.0", "135.0")]
    [target] = shapes(chart, "line", "mark")
    assert target["x1"] == "197.0"


def test_dependence_is_a_line_above_the_number_of_alerts() -> None:
    """A rate of 0.5 that gives a mean score of 0.25 is drawn there; a tenth without a score has its bar alone."""
    bins = [DependenceBin(0.0, 0.1, 60, 0.0, 0.0), DependenceBin(0.4, 0.5, 30, 0.5, 0.25), DependenceBin(0.9, 1.0, 3)]
    chart = charts.dependence_chart(bins, "team.rate_7d")
    assert [(dot["cx"], dot["cy"]) for dot in shapes(chart, "circle")] == [("46.0", "172.0"), ("197.0", "132.0")]
    [drawn] = shapes(chart, "polyline", "line s1")
    assert drawn["points"] == "46.0,172.0 197.0,132.0"
    assert [(bar["height"], bar["width"]) for bar in shapes(chart, "rect")] == [
        ("50.0", "28.20"),
        ("25.0", "28.20"),
        ("2.5", "28.20"),
    ]
    assert [text for text in Read(str(chart)).words if text in ("60", "30", "3")] == ["60", "30", "3"]


def test_the_line_of_dependence_stops_at_a_tenth_with_too_few_alerts() -> None:
    """Of three tenths with a score, the last two lie beside each other and the first beyond one without."""
    bins = [DependenceBin(n / 10, (n + 1) / 10, 40, n / 10, 0.5) for n in range(4)]
    bins[1] = DependenceBin(0.1, 0.2, 29)
    chart = charts.dependence_chart(bins, "team.rate_7d")
    assert len(shapes(chart, "circle")) == 3
    [line] = shapes(chart, "polyline", "line s1")
    assert line["points"] == "106.4,92.0 136.6,92.0"


def test_groups_share_the_width() -> None:
    """Three quarters and one quarter of 360 units, one after the other, by colour of verdict."""
    chart = charts.groups_chart([Group("predictable", 3, 30, 0.75), Group("unpredictable", 1, 10, 0.25)])
    assert [(part["class"], part["x"], part["width"]) for part in shapes(chart, "rect")] == [
        ("bar good", "0.0", "270.00"),
        ("bar poor", "270.0", "90.00"),
    ]


def test_importance_is_the_length_of_a_bar() -> None:
    """The largest first; 0.3 fills the 308 units of a scale to 0.3, 0.15 half of them."""
    chart = charts.importance_chart([Importance("b", 0.15, ""), Importance("a", 0.3, "")])
    assert [(bar["y"], bar["width"]) for bar in shapes(chart, "rect")] == [("16.0", "308.00"), ("47.0", "154.00")]
    assert [text for text in Read(str(chart)).words if text in ("a", "b")] == ["a", "b"]


def test_drift_is_a_bar_beside_the_mark_of_chance() -> None:
    """On a scale to 0.4 an index of 0.4 fills 308 units, chance of 0.1 is marked at 77; the colour is the verdict."""
    drifts = [Drift("moved", 0.4, 0.1, True, False), Drift("calm", 0.1, 0.2, False, False)]
    chart = charts.drift_chart([*drifts, Drift("hour", 0.2, 0.1, True, True)])
    assert [(bar["class"], bar["width"]) for bar in shapes(chart, "rect")] == [
        ("bar poor", "308.00"),
        ("bar quiet", "154.00"),
        ("bar s1", "77.00"),
    ]
    assert [mark["x1"] for mark in shapes(chart, "line", "mark")] == ["77.0", "77.0", "154.0"]


def test_ageing_is_two_lines_by_week() -> None:
    """AUC and calibration error of weeks 1 and 2 lie at a quarter and three quarters of the width."""
    weeks = [AgeWeek(1, 60, 0.2, 1.0, 0.0, None), AgeWeek(2, 60, 0.2, 0.5, 0.25, None)]
    chart = charts.ageing_chart(weeks)
    assert [line["points"] for line in shapes(chart, "polyline", "line s1")] == ["121.5,12.0 272.5,95.0"]
    assert [line["points"] for line in shapes(chart, "polyline", "line s2")] == ["121.5,178.0 272.5,136.5"]


EMPTY = {
    "weeks": charts.weeks_chart([], datetime(2026, 3, 9, tzinfo=UTC)),
    "reliability": charts.reliability_chart([]),
    "curve": charts.curve_chart({}, [], 0.95),
    "dependence": charts.dependence_chart([], "team.rate_7d"),
    "groups": charts.groups_chart([]),
    "importance": charts.importance_chart([]),
    "drift": charts.drift_chart([]),
    "ageing": charts.ageing_chart([]),
}
FULL = {
    "weeks": charts.weeks_chart(sample.weeks(), datetime(2026, 3, 9, tzinfo=UTC)),
    "reliability": charts.reliability_chart(sample.bins()),
    "curve": charts.curve_chart({"model": sample.curve(2.0)}, [], 0.95),
    "dependence": charts.dependence_chart(sample.shortcut().dependence_bins, "team.rate_7d"),
    "groups": charts.groups_chart(sample.teams().groups),
    "importance": charts.importance_chart(sample.importances()),
    "drift": charts.drift_chart(sample.drifts()),
    "ageing": charts.ageing_chart(sample.ageing().weeks),
}


@pytest.mark.parametrize("kind", EMPTY)
def test_only_a_chart_of_something_has_marks(kind: str) -> None:
    """Bars, dots and lines of data are there with data, and none without: an empty chart is seen as one."""
    assert marks(EMPTY[kind]) == 0
    assert marks(FULL[kind]) >= 1


def marks(chart: Markup) -> int:
    """Bars, dots and lines but the diagonal."""
    lines = [line for line in shapes(chart, "polyline") if line["class"] != "line ideal"]
    return len(lines) + len(shapes(chart, "rect")) + len(shapes(chart, "circle"))


@given(weeks=st.lists(st.builds(Week, start=day, alerts=number, rate=maybe, part=name), max_size=9), at=day)
def test_weeks(weeks: list[Week], at: date) -> None:
    """Any weeks can be drawn, wherever the split lies."""
    sound(charts.weeks_chart(weeks, datetime(at.year, at.month, at.day, tzinfo=UTC)))


@given(bins=st.lists(st.builds(ReliabilityBin, number, share, interval), max_size=10))
def test_reliability(bins: list[ReliabilityBin]) -> None:
    """Any bins can be drawn."""
    drawn = [each for each in bins if math.isfinite(each.mean_score) and math.isfinite(each.rate.value)]
    sound(charts.reliability_chart(bins), len(drawn))


@given(
    curves=st.dictionaries(name, st.lists(st.builds(CurvePoint, share, share, share), max_size=9), max_size=4),
    bands=st.lists(st.builds(Band, name, share, share, share, maybe), max_size=4),
    target=st.floats(0, 1),
)
def test_curves(curves: dict[str, list[CurvePoint]], bands: list[Band], target: float) -> None:
    """Any curves and bands can be drawn."""
    sound(charts.curve_chart(curves, bands, target))


@pytest.mark.slow
@given(
    bins=st.lists(st.builds(DependenceBin, share, share, number, maybe, maybe), max_size=9),
    of=name,
    groups=st.lists(st.builds(Group, name, number, number, share)),
)
def test_dependence_and_groups(bins: list[DependenceBin], of: str, groups: list[Group]) -> None:
    """Any dependence and any groups can be drawn."""
    sound(charts.dependence_chart(bins, of))
    sound(charts.groups_chart(groups), len(groups))


@given(
    features=st.lists(st.builds(Importance, name, share, name), max_size=30),
    drifts=st.lists(st.builds(Drift, name, amount, amount, st.booleans(), st.booleans()), max_size=30),
)
def test_bars(features: list[Importance], drifts: list[Drift]) -> None:
    """Any importances and drifts can be drawn."""
    sound(charts.importance_chart(features), min(sum(math.isfinite(one.share) for one in features), charts.BARS))
    drawn = sum(math.isfinite(one.psi) and math.isfinite(one.threshold) for one in drifts)
    sound(charts.drift_chart(drifts), min(drawn, charts.BARS))


@given(weeks=st.lists(st.builds(AgeWeek, st.integers(1, 200), number, share, maybe, share, maybe), max_size=30))
def test_ageing(weeks: list[AgeWeek]) -> None:
    """Any weeks after training can be drawn."""
    sound(charts.ageing_chart(weeks))


def test_long_curve_thinned() -> None:
    """A curve of many thousand thresholds is drawn with a few hundred places, its end among them."""
    points = [CurvePoint(n / 9_999, 1 - n / 9_999, n / 9_999) for n in range(10_000)]
    chart = charts.curve_chart({"model": points}, [], 0.95)
    assert len(chart) < 10_000
    assert "46.0,12.0" in chart
