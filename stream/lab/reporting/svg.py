"""What all charts share: a plane with axes, marks on it, and the figure around it. Every text is escaped."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from markupsafe import Markup
from msgspec import Struct

WIDTH = 360
LEFT, RIGHT, TOP, BOTTOM = 46.0, 12.0, 12.0, 42.0
NOTHING = Markup()
Point = tuple[float, float]


class Plane(Struct, frozen=True):
    """The drawing's rectangle: from figures to the 360 units of its width; what lies outside is held at its edge."""

    x: Point
    y: Point
    height: float = 240.0
    right: float = RIGHT

    def px(self, value: float) -> float:
        """Units from the left."""
        return LEFT + _part(value, self.x) * (WIDTH - LEFT - self.right)

    def py(self, value: float) -> float:
        """Units from the top."""
        return TOP + (1.0 - _part(value, self.y)) * (self.height - TOP - BOTTOM)


def _part(value: float, ends: Point) -> float:
    low, high = ends
    if not math.isfinite(value) or high <= low:
        return 0.0
    return min(max((value - low) / (high - low), 0.0), 1.0)


def finite(points: Iterable[tuple[float, float | None]]) -> list[Point]:
    """The points that can be drawn."""
    return [(x, y) for x, y in points if y is not None and math.isfinite(x) and math.isfinite(y)]


def joined(parts: Iterable[Markup]) -> Markup:
    """Marks one after the other."""
    return NOTHING.join(parts)


def drawing(title: str, height: float, *parts: Markup) -> Markup:
    """The whole image, named for those who don't see it."""
    return Markup(
        '<svg viewBox="0 0 {} {:.0f}" width="100%" role="img" aria-label="{}"><title>{}</title>{}</svg>'
    ).format(WIDTH, height, title, title, joined(parts))


def label(x: float, y: float, text: str, anchor: str = "start", kind: str = "") -> Markup:
    """Words at a place."""
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}" class="{}">{}</text>').format(x, y, anchor, kind, text)


def segment(start: Point, end: Point, kind: str) -> Markup:
    """A straight line, in units."""
    return Markup('<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" class="{}"/>').format(*start, *end, kind)


def box(x: float, y: float, width: float, height: float, kind: str) -> Markup:
    """A bar, in units."""
    return Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.2f}" height="{:.1f}" class="{}"/>').format(
        x, y, max(width, 0.0), max(height, 0.0), kind
    )


def dot(plane: Plane, at: Point, kind: str, radius: float = 3.0) -> Markup:
    """A point of the plane."""
    return Markup('<circle cx="{:.1f}" cy="{:.1f}" r="{}" class="{}"/>').format(
        plane.px(at[0]), plane.py(at[1]), radius, kind
    )


def line(plane: Plane, points: Sequence[Point], kind: str) -> Markup:
    """A line through points of the plane."""
    places = " ".join(f"{plane.px(x):.1f},{plane.py(y):.1f}" for x, y in points)
    return Markup('<polyline points="{}" class="line {}"/>').format(places, kind) if len(points) > 1 else NOTHING


def broken_line(plane: Plane, points: Iterable[tuple[float, float | None]], kind: str) -> Markup:
    """A line that stops where there is no figure, with a dot at each that there is."""
    known = dict(finite(points))
    ordered = [(x, known.get(x)) for x, _ in points]
    drawn = [
        line(plane, [(a, b), (c, d)], kind) for (a, b), (c, d) in pairwise(ordered) if b is not None and d is not None
    ]
    return joined(drawn) + joined(dot(plane, at, kind, 2.0) for at in known.items())


def axes(plane: Plane, x_title: str, y_title: str, x_ticks: Sequence[tuple[float, str]] = ()) -> Markup:
    """Both axes' titles and the ticks of the lower one."""
    bottom = plane.height - BOTTOM
    parts = [segment((LEFT, bottom), (WIDTH - plane.right, bottom), "axis")]
    for value, text in x_ticks:
        place = plane.px(value)
        parts += [segment((place, bottom), (place, bottom + 3), "axis"), label(place, bottom + 15, text, "middle")]
    parts.append(label((LEFT + WIDTH - plane.right) / 2, plane.height - 8, x_title, "middle", "name"))
    middle = (TOP + bottom) / 2
    parts.append(
        Markup('<text transform="translate(10 {:.1f}) rotate(-90)" text-anchor="middle" class="name">{}</text>').format(
            middle, y_title
        )
    )
    return joined(parts)


def rows(plane: Plane, ticks: Sequence[tuple[float, str]]) -> Markup:
    """Lines across the plane with what they stand for at the left."""
    return joined(
        segment((LEFT, plane.py(value)), (WIDTH - plane.right, plane.py(value)), "grid")
        + label(LEFT - 5, plane.py(value) + 4, text, "end")
        for value, text in ticks
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
    """A name that fits a chart's width."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def legend(entries: Sequence[tuple[str, str]]) -> Markup:
    """Which mark stands for what: (class, words)."""
    keys = (Markup('<span class="key"><i class="{}"></i>{}</span>').format(kind, text) for kind, text in entries)
    return Markup('<div class="legend">{}</div>').format(joined(keys))
