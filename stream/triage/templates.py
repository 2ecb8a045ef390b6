"""The page's HTML: Jinja2 with everything escaped, and the filters and drawings that templates use."""

import math
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stream.core.events import moment, words_for
from stream.core.scoring import push_words
from stream.core.text import display_text
from stream.html import Markup, joined
from stream.rule_standing import pace_words
from stream.rule_state import DayBound
from stream.svg import SHARES, Plane, axes, box, broken_line, dot, drawing, finite, line, rows, segment, steps
from stream.triage.detail import strip_words
from stream.triage.teams import Bin
from stream.triage.view import encode

PAGES = Path(__file__).with_name("pages")
STATIC = Path(__file__).with_name("static")
_STEP, _BAR, _HEIGHT = 7.0, 5.0, 14.0
_BAR_WIDTH = 86.0
_CHART_HEIGHT = 300.0
_BOUND_WIDTH, _BOUND_HEIGHT = 640.0, 240.0
_TIMES_LIMIT = 4.0
_PUSH_WIDTH, _PUSH_LOGITS = 172.0, 1.5  # a weaker push fills no half of it


def percent(share: float | None) -> str:
    """A share for people; a dash where there is none.

    >>> percent(0.07), percent(0.999), percent(None)
    ('7 %', '>99 %', '–')
    """
    if share is None:
        return "–"
    if 0.0 < share < 0.005:
        return "<1 %"
    return ">99 %" if 0.995 <= share < 1.0 else f"{100 * share:.0f} %"


def utc(at: float | None) -> str:
    """A time for people, in UTC; empty where there is none.

    >>> utc(86_400.0)
    '1970-01-02 00:00:00Z'
    """
    return "" if at is None else f"{moment(at):%Y-%m-%d %H:%M:%SZ}"


def iso(at: float | None) -> str:
    """A time as the attribute `datetime` of `<time>` wants it."""
    return "" if at is None else f"{moment(at):%Y-%m-%dT%H:%M:%SZ}"


def ago(at: float | None, now: float) -> str:
    """How long ago a time is, or in how long it comes.

    >>> ago(100.0, 160.0), ago(7_360.0, 160.0)
    ('60 s', 'in 2 h')
    """
    if at is None:
        return ""
    return words_for(now - at) if at <= now else f"in {words_for(at - now)}"


def alert_url(team: str, alert_id: str) -> str:
    """The address of an alert's page."""
    return f"/alerts/{_part(team)}/{_part(alert_id)}"


def list_url(team: str, alert_id: str) -> str:
    """The address of the list with an alert opened in it."""
    return f"/?alert={_part(f'{_part(team)}/{_part(alert_id)}')}"


def team_url(team: str) -> str:
    """The address of a team's page."""
    return f"/teams/{_part(team)}"


def rule_url(rule: str) -> str:
    """The address of a rule's page."""
    return f"/rules/{_part(rule)}"


def strip(outcomes: Sequence[int]) -> Markup:
    """The last outcomes as bars, newest first: high for acted on, low for noise."""
    if not outcomes:
        return Markup()
    bars = [
        box(_STEP * n, 1.0 if one else 5.0, _BAR, 12.0 if one else 4.0, "a" if one else "n")
        for n, one in enumerate(outcomes)
    ]
    return drawing(strip_words(outcomes), _HEIGHT, joined(bars), width=_STEP * len(outcomes), fixed=True)


def probability_bar(share: float | None) -> Markup:
    """A probability as a bar; nothing where there is none."""
    if share is None:
        return Markup()
    parts = [box(0.0, 4.0, _BAR_WIDTH, 4.0, "rail"), box(0.0, 2.0, _BAR_WIDTH * share, 8.0, "fill")]
    return drawing(f"probability {percent(share)}", 12.0, joined(parts), width=_BAR_WIDTH, fixed=True)


def push_bar(by: float, strongest: float) -> Markup:
    """A push on a score as a bar from the middle: to the right for more, to the left for less; in logits."""
    half = _PUSH_WIDTH / 2.0
    long = half * abs(by) / max(abs(strongest), _PUSH_LOGITS)
    middle = segment((half, 0.0), (half, 12.0), "axis")
    bar = box(half if by > 0.0 else half - long, 2.0, long, 8.0, "a" if by > 0.0 else "n")
    return drawing(f"odds {odds(by)}", 12.0, bar, middle, width=_PUSH_WIDTH, fixed=True)


def calibration_chart(bins: Sequence[Bin]) -> Markup:
    """The share acted on against the mean score of each tenth, with its 95 % interval, beside the diagonal."""
    plane = Plane((0.0, 1.0), (0.0, 1.0), _CHART_HEIGHT, right=20.0, left=56.0)
    marks = []
    for one in bins:
        for x, y in finite([(one.mean, one.rate)] if one.mean is not None else []):
            low, high = one.interval
            marks.append(segment((plane.px(x), plane.py(low)), (plane.px(x), plane.py(high)), "whisker"))
            marks.append(dot(plane, (x, y), "s1", 4.0))
    return drawing(
        "Calibration: the share acted on against the score; the table below has the figures",
        plane.height,
        rows(plane, SHARES),
        line(plane, [(0.0, 0.0), (1.0, 1.0)], "ideal"),
        *marks,
        axes(plane, "mean score", "share acted on", SHARES),
        fixed=True,
    )


def bound_chart(bounds: Sequence[DayBound]) -> Markup:
    """The bound of a rule's proof day by day, beside its limit; nothing for fewer than two days.

    Bounds begin near 1, so the drawing ends a few times above the limit, and what lies higher is held at its edge.
    """
    if len(bounds) < 2:
        return Markup()
    limit = max(one.limit for one in bounds)
    latest = next((one.bound for one in reversed(bounds) if one.bound is not None), None) or 0.0
    first, last = bounds[0].day, bounds[-1].day
    top = min(1.0, max(_TIMES_LIMIT * limit, 1.2 * latest))
    plane = Plane((float(first), float(last)), (0.0, top), _BOUND_HEIGHT, width=_BOUND_WIDTH, right=20.0, left=56.0)
    ticks = [(float(day), f"{moment(day * 86_400.0):%m-%d}") for day in sorted({first, (first + last) // 2, last})]
    return drawing(
        f"The bound day by day: {percent(latest)} now, limit {percent(bounds[-1].limit)}",
        plane.height,
        rows(plane, [(value, f"{100.0 * value:g}%") for value in steps(top) if value <= top]),
        line(plane, [(float(one.day), one.limit) for one in bounds], "ideal"),
        broken_line(plane, [(float(one.day), one.bound) for one in bounds], "whisker s1"),
        axes(plane, "day (UTC)", "bound of the share acted on", ticks),
        width=plane.width,
        fixed=True,
    )


def odds(by: float) -> str:
    """A push as what it multiplies the odds by.

    >>> odds(0.7), odds(-0.7)
    ('× 2.0', '× 0.50')
    """
    factor = math.exp(by)
    return f"× {factor:.1f}" if factor >= 1.0 else f"× {factor:.2f}"


def state_json(state: object) -> Markup:
    """Data as JSON that may stand in a `script` element: nothing in it can end the element."""
    text = encode(state).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters.update(display_text=display_text, percent=percent, utc=utc, iso=iso, odds=odds, push_words=push_words)
    functions: dict[str, Callable[..., Any]] = {
        "alert_url": alert_url,
        "list_url": list_url,
        "team_url": team_url,
        "rule_url": rule_url,
        "strip": strip,
        "probability_bar": probability_bar,
        "push_bar": push_bar,
        "calibration_chart": calibration_chart,
        "bound_chart": bound_chart,
        "pace_words": pace_words,
    }
    made.globals.update(functions)
    return made


def render(name: str, now: float, **context: Any) -> str:
    """A page as HTML; `now` is what its relative times are relative to, seconds since 1970."""
    template = _environment().get_template(name)

    def relative(at: float | None) -> str:
        return ago(at, now)

    return template.render(now=now, ago=relative, **context)


def _part(text: str) -> str:
    return quote(text, safe="")
