"""The reports as one self-contained page: tables and SVG, no network, no script. Every text is escaped."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape

from stream.monitoring import queries
from stream.monitoring.report import (
    BAND_FIGURES,
    ESTIMATES,
    FIGURES,
    Bin,
    DriftReport,
    FeatureDrift,
    ModelQuality,
    QualityReport,
)
from stream.console import strip_lines

STYLE = """
:root { color-scheme: light dark; --ink: #1b2330; --soft: #566073; --page: #fff; --rule: #d9dee6; --line: #1f5fbf;
  --other: #c2571a; --bad: #bf3b3b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf1; --soft: #a3adbd; --page: #12161d; --rule: #343d4b;
  --line: #7fb0ff; --other: #f0985c; --bad: #ee7a74; } }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 66rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
p, caption, .soft { color: var(--soft); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tr.bad td { color: var(--bad); font-weight: 600; }
svg { display: block; } svg text { font: 11px system-ui, sans-serif; fill: var(--soft); }
.line { fill: none; stroke: var(--line); stroke-width: 2; } .chance { stroke: var(--other); stroke-dasharray: 4 3; }
.axis { stroke: var(--rule); } .said { fill: var(--line); } .happened { fill: var(--other); }
.key i { display: inline-block; width: .8rem; height: .8rem; margin: 0 .35rem 0 1rem; }
i.said { background: var(--line); } i.happened { background: var(--other); }
"""
WIDE, HIGH = 220.0, 36.0
BAR_WIDE, BAR_HIGH = 640.0, 220.0
LEFT = 44.0


def drift_page(report: DriftReport) -> str:
    """What drifted."""
    drifted = [each for each in report.features if each.drifted]
    untested = sum(each.drifted is None for each in report.features)
    said = f"{len(drifted)} of {len(report.features) - untested} features drifted"
    if untested:
        said += f", {untested} could not be tested"
    if not report.features:
        said = "Prometheus has no figures yet"
    several = len({each.model for each in report.features}) > 1
    figures = ("PSI", "chance", "n", "Jensen-Shannon", "missing", "in training", "PSI over the window")
    head = ("feature", *(("model",) if several else ()), *figures)
    rows = [_row(_drift_cells(each, several), "bad" if each.drifted and each.rings else "") for each in report.features]
    groups = [
        _row((escape(name), _count(told.get("alerts")), _share(told.get("acted_on"))))
        for name, told in report.groups.items()
    ]
    unseen = [_row((escape(key), _share(share))) for key, share in report.unseen.items()]
    body = (
        f"<p>{escape(said)}. A feature has drifted if PSI is above what chance explains and above "
        f"{queries.EFFECT_FLOOR:g}, with {queries.LEAST_OBSERVED} observations or more. The dashed line is chance.</p>",
        _table(head, rows),
        "<h2>Values that training never saw</h2>",
        _table(("key", "share of alerts"), unseen),
        "<h2>By group of teams</h2>",
        _table(("group", "alerts", "acted on"), groups),
    )
    return _page("Is the world changing?", report.window, report.at, body)


def quality_page(report: QualityReport) -> str:
    """How right the models were."""
    until = "nothing yet" if report.matured_until is None else f"alerts raised up to {_when(report.matured_until)}"
    names = {**FIGURES, **BAND_FIGURES, **ESTIMATES}
    head = ("figure", *(f"{each.role} {each.model}" for each in report.models))
    rows = [
        _row(("matured alerts", *(_count(each.matured) for each in report.models))),
        _row(("share matured", *(_share(each.matured_share) for each in report.models))),
        *(
            _row((escape(text), *(_number(each.figures.get(name)) for each in report.models)))
            for name, text in names.items()
        ),
    ]
    body = (
        f"<p>Counted: {escape(until)}. Hold-out alerts and alerts closed by a rule are left out.</p>",
        _table(head, rows),
        *(_calibration(each) for each in report.models),
    )
    return _page("Is it right?", report.window, report.at, body)


def _page(title: str, window: str, at: float, body: Iterable[str]) -> str:
    return strip_lines(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main><h1>{escape(title)}</h1>"
        f'<p class="soft">{escape(window)} up to {_when(at)}, over all scorers.</p>'
        f"{''.join(body)}</main></body></html>\n"
    )


def _table(head: Sequence[str], rows: Sequence[str]) -> str:
    if not rows:
        return "<p>Nothing was counted.</p>"
    cells = "".join(f"<th>{escape(each)}</th>" for each in head)
    return f'<div class="scroll"><table><thead><tr>{cells}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _row(cells: Sequence[str], kind: str = "") -> str:
    """A row; the cells are HTML already."""
    return f'<tr class="{kind}">' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _drift_cells(each: FeatureDrift, several: bool) -> tuple[str, ...]:
    notes = [*([] if each.rings else ["only shown"]), *([f"not tested: {each.untested}"] if each.untested else [])]
    name = escape(each.feature) + (f' <span class="soft">{escape(", ".join(notes))}</span>' if notes else "")
    figures = (_number(each.psi), _number(each.threshold), _count(each.observed), _number(each.jensen_shannon))
    named = (name, escape(each.model)) if several else (name,)
    return (*named, *figures, _share(each.missing), _share(each.missing_reference), _line(each))


def _line(each: FeatureDrift) -> str:
    if len(each.line) < 2:
        return ""
    first, last = each.line[0][0], each.line[-1][0]
    top = max(value for _, value in [*each.line, (0.0, each.threshold or 0.0), (0.0, queries.EFFECT_FLOOR)]) * 1.05

    def down(value: float) -> float:
        return HIGH - 2 - value / top * (HIGH - 4)

    points = " ".join(f"{(at - first) / (last - first) * WIDE:.1f},{down(value):.1f}" for at, value in each.line)
    chance = down(each.threshold or 0.0)
    return (
        f'<svg width="{WIDE:.0f}" height="{HIGH:.0f}" role="img" aria-label="PSI of {escape(each.feature)}">'
        f'<line class="chance" x1="0" x2="{WIDE}" y1="{chance:.1f}" y2="{chance:.1f}"/>'
        f'<polyline class="line" points="{points}"/></svg>'
    )


def _calibration(model: ModelQuality) -> str:
    told = [each for each in model.bins if each.mean is not None and each.rate is not None]
    if not told:
        return ""
    wide = (BAR_WIDE - LEFT) / len(told)
    bars = "".join(_pair(each, LEFT + k * wide, wide) for k, each in enumerate(told))
    rules = "".join(
        f'<line class="axis" x1="{LEFT}" x2="{BAR_WIDE}" y1="{_down(v):.1f}" y2="{_down(v):.1f}"/>'
        f'<text x="{LEFT - 6}" y="{_down(v) + 4:.1f}" text-anchor="end">{v:.0%}</text>'
        for v in (0.0, 0.5, 1.0)
    )
    return (
        f"<h2>Calibration: {escape(model.role)} {escape(model.model)}</h2>"
        '<p class="key"><i class="said"></i>mean score<i class="happened"></i>share acted on; '
        "below: the bin's upper edge, and its alerts</p>"
        f'<div class="scroll"><svg width="{BAR_WIDE:.0f}" height="{BAR_HIGH + 40:.0f}" role="img" '
        f'aria-label="Mean score and share acted on by bin">{rules}{bars}</svg></div>'
    )


def _pair(each: Bin, left: float, wide: float) -> str:
    parts = []
    for k, (kind, value) in enumerate((("said", each.mean or 0.0), ("happened", each.rate or 0.0))):
        x, y = left + wide * (0.15 + 0.35 * k), _down(value)
        parts.append(
            f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{wide * 0.33:.1f}" height="{_down(0) - y:.1f}"/>'
        )
    middle = left + wide / 2
    parts.append(f'<text x="{middle:.1f}" y="{BAR_HIGH + 14:.0f}" text-anchor="middle">{escape(each.upper)}</text>')
    parts.append(f'<text x="{middle:.1f}" y="{BAR_HIGH + 30:.0f}" text-anchor="middle">{each.alerts:,.0f}</text>')
    return "".join(parts)


def _down(share: float) -> float:
    return 10 + (1 - min(max(share, 0.0), 1.0)) * (BAR_HIGH - 10)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
