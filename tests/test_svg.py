"""SVG and HTML: figures to units, text escaped once, a page that stands alone."""

import doctest

import pytest

from stream import html, svg
from stream.html import Markup, escaped, page, row, table
from stream.lab.reporting import formats
from stream.svg import NOTHING, Plane, column, drawing, label, line
from tests.lab.reporting.html import Read, shapes


@pytest.mark.parametrize("module", [html, svg, formats])
def test_examples_in_docstrings_hold(module: object) -> None:
    """The doctests print what they say."""
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]  # a module


def test_figures_become_units_within_the_margins() -> None:
    """The ends of the figures are the plane's edges, their middle its middle; what is beyond stays at the edge."""
    plane = Plane((0.0, 10.0), (0.0, 1.0), height=100.0, width=200.0, left=20.0, right=30.0, top=5.0, bottom=15.0)
    assert [plane.px(x) for x in (-5.0, 0.0, 5.0, 10.0, 99.0)] == [20.0, 20.0, 95.0, 170.0, 170.0]
    assert [plane.py(y) for y in (-1.0, 0.0, 0.5, 1.0, 2.0)] == [85.0, 85.0, 45.0, 5.0, 5.0]
    assert plane.floor == 85.0
    assert plane.px(float("nan")) == 20.0


def test_a_column_stands_on_the_floor() -> None:
    """Half of the scale is half of the plane's height, down to its floor."""
    plane = Plane((0.0, 1.0), (0.0, 8.0), height=100.0, top=10.0, bottom=10.0)
    [bar] = shapes(column(plane, 3.0, 4.0, 7.0, "bar"), "rect")
    assert (bar["x"], bar["y"], bar["width"], bar["height"]) == ("3.0", "50.0", "7.00", "40.0")


def test_one_point_makes_no_line() -> None:
    """A line needs two points."""
    plane = Plane((0.0, 1.0), (0.0, 1.0))
    assert line(plane, [(0.5, 0.5)], "s1") == NOTHING
    assert len(shapes(line(plane, [(0.0, 0.0), (1.0, 1.0)], "s1"), "polyline")) == 1


def test_text_is_escaped_once_and_markup_never() -> None:
    """A name cannot become a tag, wherever it stands; what is HTML already is not escaped a second time."""
    evil = "<script>\"'&"
    for made in (label(0, 0, evil), drawing(evil, 10), table([evil], [row([evil])]), html.legend([("s1", evil)])):
        read = Read(made)
        assert "script" not in read.seen
        assert read.faults == []
        assert evil in read.text
    assert escaped(escaped("a&b")) == "a&amp;b"
    assert row([Markup("<b>x</b>")]) == '<tr class=""><td><b>x</b></td></tr>'


def test_a_page_stands_alone() -> None:
    """One document with its own style, no address, and a policy that loads nothing."""
    made = page("<t>", Markup("<p>body</p>"), "p { margin: 0; }", banner="made up & such")
    read = Read(made)
    assert made.startswith("<!DOCTYPE html>")
    assert read.faults == []
    assert read.links == []
    assert "default-src 'none'" in made
    assert read.text == "<t> made up & such body"
    assert "p { margin: 0; }" in made
    assert "banner" not in page("t", Markup()).split("</style>")[1]
