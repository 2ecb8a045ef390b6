"""The page's HTML: Jinja2 with everything escaped, and the filters and drawings that templates use."""

import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stream.core.events import moment, words_for
from stream.html import Markup, joined
from stream.svg import box, drawing
from stream.triage.detail import strip_words
from stream.triage.view import encode

PAGES = Path(__file__).with_name("pages")
STATIC = Path(__file__).with_name("static")
TEXT_LENGTH = 2_000
_STEP, _BAR, _HEIGHT = 7.0, 5.0, 14.0
_BAR_WIDTH = 86.0


def safe_text(text: object, most: int = TEXT_LENGTH) -> str:
    """Outside text that can't move what stands beside it: no control or direction characters, bounded.

    >>> safe_text("disk \\u202efull\\x1b[31m")
    'disk  full [31m'
    """
    cut = str(text)
    shown = cut if len(cut) <= most else f"{cut[:most]}…"
    if shown.isascii() and shown.isprintable():
        return shown
    return "".join(" " if unicodedata.category(letter)[0] == "C" else letter for letter in shown)


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
    made.filters.update(safe_text=safe_text, percent=percent, utc=utc, iso=iso)
    functions: dict[str, Callable[..., Any]] = {
        "alert_url": alert_url,
        "list_url": list_url,
        "team_url": team_url,
        "rule_url": rule_url,
        "strip": strip,
        "probability_bar": probability_bar,
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
