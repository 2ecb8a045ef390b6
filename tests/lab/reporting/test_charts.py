"""The charts, on whatever is found."""

import re
from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from stream.lab.judging.report_schema import (
    AgeWeek,
    Band,
    CurvePoint,
    Drift,
    Group,
    Importance,
    Interval,
    ReliabilityBin,
    Week,
)
from stream.lab.reporting import charts
from tests.lab.reporting.html import Read

share = st.floats(0, 1) | st.sampled_from([float("nan"), float("inf"), -float("inf")])
maybe = st.none() | share
amount = st.floats(0, 1e9) | st.just(float("nan"))
number = st.integers(0, 10**9)
name = st.text(max_size=80)
interval = st.builds(Interval, share, maybe, maybe)
day = st.dates(date(2000, 1, 1), date(2100, 1, 1))


def sound(chart: Markup) -> None:
    """Balanced, and every attribute that is drawn from is a number."""
    assert Read(str(chart)).faults == []
    for names in ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height", "points"):
        for value in re.findall(rf' {names}="([^"]*)"', chart):
            assert not re.search("nan|inf", value), value


@given(weeks=st.lists(st.builds(Week, start=day, alerts=number, rate=maybe, part=name), max_size=9), at=day)
def test_weeks(weeks: list[Week], at: date) -> None:
    """Any weeks can be drawn, wherever the split lies."""
    sound(charts.weeks_chart(weeks, datetime(at.year, at.month, at.day, tzinfo=UTC)))


@given(bins=st.lists(st.builds(ReliabilityBin, number, share, interval), max_size=10))
def test_reliability(bins: list[ReliabilityBin]) -> None:
    """Any bins can be drawn."""
    sound(charts.reliability_chart(bins))


@given(
    curves=st.dictionaries(name, st.lists(st.builds(CurvePoint, share, share, share), max_size=9), max_size=4),
    bands=st.lists(st.builds(Band, name, share, share, share, maybe), max_size=4),
    target=st.floats(0, 1),
)
def test_curves(curves: dict[str, list[CurvePoint]], bands: list[Band], target: float) -> None:
    """Any curves and bands can be drawn."""
    sound(charts.curve_chart(curves, bands, target))


@given(
    points=st.lists(st.tuples(share, share), max_size=9), groups=st.lists(st.builds(Group, name, number, number, share))
)
def test_dependence_and_groups(points: list[tuple[float, float]], groups: list[Group]) -> None:
    """Any dependence and any groups can be drawn."""
    sound(charts.dependence_chart(points))
    sound(charts.groups_chart(groups))


@given(
    features=st.lists(st.builds(Importance, name, share, name), max_size=30),
    drifts=st.lists(st.builds(Drift, name, amount, amount, st.booleans(), st.booleans()), max_size=30),
)
def test_bars(features: list[Importance], drifts: list[Drift]) -> None:
    """Any importances and drifts can be drawn."""
    sound(charts.importance_chart(features))
    sound(charts.drift_chart(drifts))


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
