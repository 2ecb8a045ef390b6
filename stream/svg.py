"""SVG charts: a plane with axes, marks on it, and the drawing around it. Every text is escaped."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from msgspec import Struct

from stream.html import Markup, escaped, joined

WIDTH = 360.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 12.0, 12.0, 42.0
NOTHING = Markup()
Point = tuple[float, float]


class Plane(Struct, frozen=True):
    """The rectangle of a drawing in which figures are drawn to scale; what lies outside is held at its edge.

    `x` and `y` are the figures at its ends. The drawing is `width` by `height` units, the plane what the four margins
    leave of it.
    """

    x: Point
    y: Point
    height: float = 240.0
    right: float = RIGHT
    width: float = WIDTH
    left: float = LEFT
    top: float = TOP
    bottom: float = BOTTOM

    def px(self, value: float) -> float:
        """Units from the left of the drawing."""
        return self.left + _part(value, self.x) * (self.width - self.left - self.right)

    def py(self, value: float) -> float:
        """Units from the top of the drawing."""
        return self.top + (1.0 - _part(value, self.y)) * (self.height - self.top - self.bottom)

    @property
    def floor(self) -> float:
        """The lower edge, units from the top of the drawing."""
        return self.height - self.bottom


def _part(value: float, ends: Point) -> float:
    low, high = ends
    if not math.isfinite(value) or high <= low:
        return 0.0
    return min(max((value - low) / (high - low), 0.0), 1.0)


def finite(points: Iterable[tuple[float, float | None]]) -> list[Point]:
    """The points that can be drawn."""
    return [(x, y) for x, y in points if y is not None and math.isfinite(x) and math.isfinite(y)]


def drawing(title: str, height: float, *parts: Markup, width: float = WIDTH, fixed: bool = False) -> Markup:
    """A whole image, named for those who don't see it: as wide as its place, or as wide as its units (`fixed`)."""
    size = f'width="{width:.0f}" height="{height:.0f}"' if fixed else 'width="100%"'
    name = escaped(title)
    return Markup(
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" {size} role="img" aria-label="{name}"><title>{name}</title>'
        f"{joined(parts)}</svg>"
    )


def label(x: float, y: float, text: str, anchor: str = "start", kind: str = "") -> Markup:
    """Words at a place, in units; `anchor` is start, middle or end."""
    return Markup(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escaped(text)}</text>')


def segment(start: Point, end: Point, kind: str) -> Markup:
    """A straight line, in units."""
    (x1, y1), (x2, y2) = start, end
    return Markup(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>')


def box(x: float, y: float, width: float, height: float, kind: str) -> Markup:
    """A filled rectangle, in units."""
    wide, high = max(width, 0.0), max(height, 0.0)
    return Markup(f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.2f}" height="{high:.1f}" class="{kind}"/>')


def column(plane: Plane, x: float, value: float, width: float, kind: str) -> Markup:
    """A bar that stands on the plane's floor: from `x` and `width` wide in units, as high as its value."""
    top = plane.py(value)
    return box(x, top, width, plane.floor - top, kind)


def dot(plane: Plane, at: Point, kind: str, radius: float = 3.0) -> Markup:
    """A point of the plane."""
    return Markup(f'<circle cx="{plane.px(at[0]):.1f}" cy="{plane.py(at[1]):.1f}" r="{radius}" class="{kind}"/>')


def line(plane: Plane, points: Sequence[Point], kind: str) -> Markup:
    """A line through points of the plane; nothing for fewer than two."""
    places = " ".join(f"{plane.px(x):.1f},{plane.py(y):.1f}" for x, y in points)
    return Markup(f'<polyline points="{places}" class="line {kind}"/>') if len(points) > 1 else NOTHING


def broken_line(plane: Plane, points: Iterable[tuple[float, float | None]], kind: str) -> Markup:
    """A line that stops where there is no figure, with a dot at each that there is."""
    known = dict(finite(points))
    ordered = [(x, known.get(x)) for x, _ in points]
    drawn = [
        line(plane, [(a, b), (c, d)], kind) for (a, b), (c, d) in pairwise(ordered) if b is not None and d is not None
    ]
    return joined([*drawn, *(dot(plane, at, kind, 2.0) for at in known.items())])


def axes(plane: Plane, x_title: str, y_title: str, x_ticks: Sequence[tuple[float, str]] = ()) -> Markup:
    """Both axes' titles and the ticks of the lower one; an empty title is left out."""
    end = plane.width - plane.right
    parts = [segment((plane.left, plane.floor), (end, plane.floor), "axis")]
    for value, text in x_ticks:
        place = plane.px(value)
        parts += [segment((place, plane.floor), (place, plane.floor + 3), "axis")]
        parts.append(label(place, plane.floor + 15, text, "middle"))
    if x_title:
        parts.append(label((plane.left + end) / 2, plane.height - 8, x_title, "middle", "name"))
    turned = f"translate(10 {(plane.top + plane.floor) / 2:.1f}) rotate(-90)"
    parts.append(Markup(f'<text transform="{turned}" text-anchor="middle" class="name">{escaped(y_title)}</text>'))
    return joined(parts)


def rows(plane: Plane, ticks: Sequence[tuple[float, str]]) -> Markup:
    """Lines across the plane with what they stand for at the left."""
    return joined(
        mark
        for value, text in ticks
        for mark in (
            segment((plane.left, plane.py(value)), (plane.width - plane.right, plane.py(value)), "grid"),
            label(plane.left - 5, plane.py(value) + 4, text, "end"),
        )
    )


SHARES: tuple[tuple[float, str], ...] = tuple((n / 4, f"{n * 25}%") for n in range(5))


def steps(high: float) -> list[float]:
    """Round numbers from 0 to the first that is not below `high`, four or so.

    >>> steps(870)
    [0.0, 250.0, 500.0, 750.0, 1000.0]
    """
    rough = max(high, 1e-9) / 4
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= rough * 0.999_999)
    return [step * n for n in range(math.ceil(high / step * 0.999_999) + 1)] or [0.0, step]


def shortened(text: str, limit: int = 44) -> str:
    """A name that fits a chart's width.

    >>> shortened("team_rule_rate", 8)
    'team_ru…'
    """
    return text if len(text) <= limit else text[: limit - 1] + "…"
