"""Figures as text: sensible digits, and a dash for what is not known."""

import math
from datetime import date, datetime

from stream.lab.judging.baselines import ALWAYS_NOISE, title_of
from stream.lab.judging.report_schema import Interval
from stream.models.manifest import LabelWeights

NONE = "–"


def is_known(value: float | None) -> bool:
    """Whether there is a figure to show."""
    return value is not None and math.isfinite(value)


def percent(value: float | None, digits: int = 1) -> str:
    """A share in percent.

    >>> percent(0.4567), percent(0.95, 0), percent(None)
    ('45.7%', '95%', '–')
    """
    return NONE if value is None or not math.isfinite(value) else f"{value:.{digits}%}"


def level(value: float) -> str:
    """A level that someone has set, with no more digits than it needs.

    >>> level(0.95), level(0.995)
    ('95%', '99.5%')
    """
    return f"{value * 100:.4g}%"


def number(value: float | None, digits: int = 3) -> str:
    """A score or an error.

    >>> number(0.12345), number(float("nan"))
    ('0.123', '–')
    """
    return NONE if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def points(value: float | None) -> str:
    """A difference of shares, in percentage points.

    >>> points(0.0183)
    '1.8 points'
    """
    return NONE if value is None or not math.isfinite(value) else f"{value * 100:.1f} points"


def signed(value: float | None, digits: int = 3) -> str:
    """A gain, with its sign.

    >>> signed(0.05), signed(-0.05)
    ('+0.050', '-0.050')
    """
    return NONE if value is None or not math.isfinite(value) else f"{value:+.{digits}f}"


def count(value: int) -> str:
    """A whole number, thousands set apart.

    >>> count(1234567)
    '1,234,567'
    """
    return f"{value:,}"


def bounds(interval: Interval | None, unit: str = "") -> str:
    """The bounds of an interval, nothing where it has none. Units: `%` for shares, `+` for gains.

    >>> bounds(Interval(0.5, 0.4, 0.6)), bounds(Interval(0.5, 0.4, 0.6), "%"), bounds(Interval(0.5))
    ('0.400 to 0.600', '40.0% to 60.0%', '')
    """
    if interval is None or not is_known(interval.low) or not is_known(interval.high):
        return ""
    text_of = {"%": percent, "+": signed}.get(unit, number)
    return f"{text_of(interval.low)} to {text_of(interval.high)}"


def day(value: date | datetime) -> str:
    """A day, as 3 Mar 2025.

    >>> day(date(2025, 3, 3))
    '3 Mar 2025'
    """
    return f"{value.day} {value:%b %Y}"


def moment(value: datetime) -> str:
    """A time of day, UTC."""
    return f"{day(value)}, {value:%H:%M} UTC"


def name_of(name: str) -> str:
    """A score's or verdict's name in words.

    >>> name_of("team_rule_rate"), name_of("always_noise")
    ('team rule rate', 'one rate for all (always_noise)')
    """
    return title_of(name) if name == ALWAYS_NOISE else name.replace("_", " ")


def weights_words(weights: LabelWeights) -> str:
    """How labels were weighed, and how much they tell, in a sentence without its stop.

    >>> weights_words(LabelWeights(held_out=40, effective=212.4, most=20.0, clipped=3))
    '40 held out by rules, each weighing 1/(1 - p_act), at most 20 (3 clipped); effective sample size 212'
    """
    clipped = f"{count(weights.clipped)} clipped" if weights.clipped else "none clipped"
    return (
        f"{count(weights.held_out)} held out by rules, each weighing 1/(1 - p_act), at most {weights.most:g} "
        f"({clipped}); effective sample size {weights.effective:,.0f}"
    )


FILTERS = {
    "percent": percent,
    "level": level,
    "number": number,
    "points": points,
    "signed": signed,
    "count": count,
    "bounds": bounds,
    "day": day,
    "moment": moment,
    "words": name_of,
    "weights": weights_words,
}
