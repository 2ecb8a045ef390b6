"""The pages of `noisegate report`: drift and quality, as tables and charts."""

from datetime import UTC, datetime

from stream.html import Markup, escaped, joined, legend, page, row, table
from stream.monitoring.queries import drift
from stream.monitoring.report import (
    BAND_FIGURES,
    ESTIMATES,
    FIGURES,
    DriftReport,
    FeatureDrift,
    ModelQuality,
    QualityReport,
    drift_verdicts,
    quality_verdicts,
)
from stream.svg import Plane, column, drawing, label, line, rows, segment

_STYLE = """main { max-width: 66rem; } h1 { margin: 1rem 0; }
h2 { font-size: 1.15rem; margin: 2rem 0 1rem; padding-top: 0; border-top: 0; }
p { color: var(--soft); margin: 1rem 0; } p.verdict { color: var(--ink); font-weight: 600; }
p.soft { font-size: 1rem; } table { min-width: 0; }
th, td { padding: .3rem .7rem; vertical-align: middle; } th { color: var(--ink); }
tr.bad td { color: var(--poor); font-weight: 600; } .chance { stroke: var(--s2); stroke-dasharray: 4 3; }
"""
_HALVES = tuple((share, f"{share:.0%}") for share in (0.0, 0.5, 1.0))


def drift_page(report: DriftReport) -> str:
    """The drift report as one HTML page, the most drifted feature first."""
    several = len({each.model for each in report.features}) > 1
    figures = ("PSI", "chance", "n", "Jensen-Shannon", "missing", "in training", "PSI over the window")
    head = ("feature", *(("model",) if several else ()), *figures)
    features = [
        row(_drift_cells(each, several), "bad" if each.drifted and each.rings else "") for each in report.features
    ]
    unseen = [row((key, _share(share))) for key, share in report.unseen.items()]
    groups = [
        row((name, _count(found.get("alerts")), _share(found.get("acted_on")))) for name, found in report.groups.items()
    ]
    verdicts = drift_verdicts(report) or [f"Prometheus has no drift figures over {report.window} yet."]
    body = (
        *map(_verdict, verdicts),
        _paragraph(
            f"A feature has drifted where PSI is above what chance explains and above "
            f"{drift.EFFECT_FLOOR:g}, from {drift.LEAST_OBSERVED} observations on. The broken line is chance."
        ),
        table(head, features),
        _heading("Values that training never saw"),
        table(("key", "share of alerts"), unseen),
        _heading("By group of teams"),
        table(("group", "alerts", "acted on"), groups),
    )
    return _page("Is the world changing?", report.window, report.at, joined(body))


def quality_page(report: QualityReport) -> str:
    """The quality report as one HTML page: figures of champion and challenger, and their calibration."""
    until = "nothing yet" if report.matured_until is None else f"alerts raised up to {_when(report.matured_until)}"
    names = {**FIGURES, **BAND_FIGURES, **ESTIMATES}
    head = ("figure", *(f"{each.role} {each.model}" for each in report.models))
    figures = [
        row(("matured alerts", *(_count(each.matured) for each in report.models))),
        row(("share matured", *(_share(each.matured_share) for each in report.models))),
        *(row((text, *(_number(each.figures.get(name)) for each in report.models))) for name, text in names.items()),
    ]
    verdicts = quality_verdicts(report) or [f"Prometheus has no quality figures over {report.window} yet."]
    body = (
        *map(_verdict, verdicts),
        _paragraph(f"Counted: {until}. Hold-out and rule-closed alerts are not in it."),
        table(head, figures),
        *(calibration_chart(each) for each in report.models),
    )
    return _page("Is it right?", report.window, report.at, joined(body))


def _page(title: str, window: str, at: float, body: Markup) -> str:
    scope = Markup(f'<p class="soft">{escaped(window)} up to {_when(at)}, over all scorers.</p>')
    return page(title, joined([Markup(f"<h1>{escaped(title)}</h1>"), scope, body]), _STYLE)


def _heading(text: str) -> Markup:
    return Markup(f"<h2>{escaped(text)}</h2>")


def _verdict(sentence: str) -> Markup:
    return Markup(f'<p class="verdict">{escaped(sentence)}</p>')


def _paragraph(text: str) -> Markup:
    return Markup(f"<p>{escaped(text)}</p>")


def _drift_cells(each: FeatureDrift, several: bool) -> tuple[str, ...]:
    notes = [*([] if each.rings else ["only shown"]), *([f"not tested: {each.untested}"] if each.untested else [])]
    note = f' <span class="soft">{escaped(", ".join(notes))}</span>' if notes else ""
    name = Markup(f"{escaped(each.feature)}{note}")
    figures = (_number(each.psi), _number(each.threshold), _count(each.observed), _number(each.jensen_shannon))
    named = (name, each.model) if several else (name,)
    return (*named, *figures, _share(each.missing), _share(each.missing_reference), drift_line(each))


def drift_line(each: FeatureDrift) -> Markup:
    """A feature's PSI over the window as a line, beside what chance explains; nothing for fewer than two points."""
    if len(each.line) < 2:
        return Markup()
    chance = each.threshold or 0.0
    top = max(drift.EFFECT_FLOOR, chance, *(value for _, value in each.line)) * 1.05
    ends = (each.line[0][0], each.line[-1][0])
    plane = Plane(ends, (0.0, top), height=36.0, width=220.0, left=0.0, right=0.0, top=2.0, bottom=2.0)
    limit = segment((0.0, plane.py(chance)), (plane.width, plane.py(chance)), "chance")
    drawn = line(plane, each.line, "s1")
    return drawing(f"PSI of {each.feature}", plane.height, limit, drawn, width=plane.width, fixed=True)


def calibration_chart(model: ModelQuality) -> Markup:
    """Mean score and share acted on of each bin, as pairs of bars; nothing where no bin has both."""
    bins = [(each, each.mean, each.rate) for each in model.bins if each.mean is not None and each.rate is not None]
    if not bins:
        return Markup()
    plane = Plane((0.0, len(bins)), (0.0, 1.0), height=260.0, width=640.0, left=44.0, right=0.0, top=10.0, bottom=40.0)
    wide = plane.px(1.0) - plane.px(0.0)
    bars = []
    for place, (each, mean, rate) in enumerate(bins):
        bars.append(column(plane, plane.px(place + 0.15), mean, wide * 0.33, "bar s1"))
        bars.append(column(plane, plane.px(place + 0.5), rate, wide * 0.33, "bar s2"))
        bars.append(label(plane.px(place + 0.5), plane.floor + 14, each.upper, "middle"))
        bars.append(label(plane.px(place + 0.5), plane.floor + 30, f"{each.alerts:,.0f}", "middle"))
    title = "Mean score and share acted on by bin"
    chart = drawing(title, plane.height, rows(plane, _HALVES), *bars, width=plane.width, fixed=True)
    parts = (
        _heading(f"Calibration: {model.role} {model.model}"),
        legend([("s1", "mean score"), ("s2", "share acted on; below: the bin's upper edge, and its alerts")]),
        Markup(f'<div class="scroll">{chart}</div>'),
    )
    return joined(parts)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
