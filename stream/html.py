"""HTML pages that stand alone: one file, without network or script. Every text is escaped."""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from stream.console import strip_lines

_STYLE = Path(__file__).with_name("html.css")


class Markup(str):
    """Text that is HTML already: it is not escaped again, here or in a jinja2 template."""

    __slots__ = ()

    def __html__(self) -> str:
        """The text as it stands, which is how template engines ask for it."""
        return str(self)


def escaped(text: str) -> Markup:
    """The text as HTML; markup stays as it is.

    >>> escaped("a < b"), escaped(Markup("<b>a</b>"))
    ('a &lt; b', '<b>a</b>')
    """
    return text if isinstance(text, Markup) else Markup(escape(text))


def joined(parts: Iterable[Markup]) -> Markup:
    """Markup one after the other."""
    return Markup("".join(parts))


def page(title: str, body: Markup, style: str = "", banner: str = "") -> str:
    """A whole page.

    Args:
        title: what the browser shows.
        body: what stands in `<main>`.
        style: rules beside those of all pages (html.css).
        banner: a line above everything else; none where it is empty.
    """
    above = f'<header class="banner">{escaped(banner)}</header>\n' if banner else ""
    return strip_lines(f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{escaped(title)}</title>
<style>
{_STYLE.read_text(encoding="utf-8")}{style}</style>
</head>
<body>
{above}<main>
{body}
</main>
</body>
</html>
""")


def table(head: Sequence[str], rows: Sequence[Markup]) -> Markup:
    """A table that scrolls by itself where the screen is narrow; a sentence where it has no rows."""
    if not rows:
        return Markup("<p>Nothing was counted.</p>")
    cells = "".join(f"<th>{escaped(each)}</th>" for each in head)
    return Markup(
        f'<div class="scroll"><table><thead><tr>{cells}</tr></thead><tbody>{joined(rows)}</tbody></table></div>'
    )


def row(cells: Iterable[str], kind: str = "") -> Markup:
    """A row of a table; `kind` is its CSS class."""
    return Markup(f'<tr class="{kind}">' + "".join(f"<td>{escaped(cell)}</td>" for cell in cells) + "</tr>")


def legend(entries: Sequence[tuple[str, str]]) -> Markup:
    """What each mark of a chart stands for: (CSS class, words)."""
    keys = "".join(f'<span class="key"><i class="{kind}"></i>{escaped(text)}</span>' for kind, text in entries)
    return Markup(f'<div class="legend">{keys}</div>')


def page_address(template: str, team: str, alert_id: str) -> str:
    """The address of an alert's page: `{team}` and `{alert_id}` of the template filled in; empty where that is.

    >>> page_address("https://ops/{team}/{alert_id}", "a b", "x/1")
    'https://ops/a%20b/x%2F1'
    """
    return template.replace("{team}", quote(team, "")).replace("{alert_id}", quote(alert_id, ""))
