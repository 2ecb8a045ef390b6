"""The charts of report.html, each from a section of the judgement; what is no number is left out."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time

from stream.html import Markup, joined, legend
from stream.lab.judging.report_schema import (
    AgeWeek,
    Band,
    CurvePoint,
    DependenceBin,
    Drift,
    Group,
    Importance,
    ReliabilityBin,
    Week,
)
from stream.lab.reporting.formats import day, is_known, level, name_of, number, percent
from stream.svg import (
    LEFT,
    SHARES,
    WIDTH,
    Plane,
    axes,
    box,
    broken_line,
    column,
    dot,
    drawing,
    finite,
    label,
    line,
    rows,
    segment,
    shortened,
    steps,
)

_SHARES = (0.0, 1.0)
_DAY = 86_400.0
_MOST = 200  # points of a curve; more can't be told apart
BARS = 20
_TITLE, _DIGIT = 22.0, 6.5  # units that an axis' title and a digit of its ticks take
_EDGES = ("1", "2", "3")
VERDICTS = {"predictable": "good", "not yet": "fair", "unpredictable": "poor"}


def weeks_chart(weeks: Sequence[Week], split_at: datetime) -> Markup:
    """The chart of alerts a week as bars, the share acted on as a line, the split marked."""
    starts = [datetime.combine(week.start, time(), UTC).timestamp() for week in weeks]
    scale = steps(max((week.alerts for week in weeks), default=1) or 1)
    first, last = min(starts, default=0.0), max(starts, default=0.0) + 7 * _DAY
    ticks = [(value, f"{value:,.0f}") for value in scale]
    left = max(LEFT, _TITLE + _DIGIT * max(len(text) for _, text in ticks))
    plane = Plane((first, last), (0.0, scale[-1]), right=40.0, left=left)
    rate = Plane(plane.x, _SHARES, right=40.0, left=left)
    wide = plane.px(first + 7 * _DAY) - plane.px(first)
    bars = []
    for start, week in zip(starts, weeks, strict=True):
        kind = {"training": "train", "test": "test"}.get(week.part, "both")
        bars.append(column(plane, plane.px(start) + wide * 0.08, week.alerts, wide * 0.84, f"bar {kind}"))
    middles = [(start + 3.5 * _DAY, week.rate) for start, week in zip(starts, weeks, strict=True)]
    split = plane.px(split_at.timestamp())
    mark = segment((split, plane.top - 6), (split, plane.floor), "mark")
    side = [label(WIDTH - 36, rate.py(value) + 4, text) for value, text in SHARES]
    ends = [(first + 5 * _DAY, day(weeks[0].start)), (last - 8 * _DAY, day(weeks[-1].start))] if len(weeks) > 3 else []
    chart = drawing(
        "Alerts a week and the share acted on",
        plane.height,
        rows(plane, ticks),
        *bars,
        broken_line(rate, middles, "s2"),
        mark,
        *side,
        axes(plane, "week of raising (UTC)", "alerts a week", ends),
    )
    keys = [("train", "training"), ("test", "test"), ("both", "both"), ("s2", "share acted on (right axis)")]
    return joined([chart, legend(keys)])


def reliability_chart(bins: Sequence[ReliabilityBin]) -> Markup:
    """The chart of share acted on against mean score, with intervals, beside the diagonal."""
    plane = Plane(_SHARES, _SHARES, 300.0)
    marks = []
    for each in bins:
        for x, y in finite([(each.mean_score, each.rate.value)]):
            for (_, low), (_, high) in zip(finite([(x, each.rate.low)]), finite([(x, each.rate.high)]), strict=False):
                marks.append(segment((plane.px(x), plane.py(low)), (plane.px(x), plane.py(high)), "whisker"))
            marks.append(dot(plane, (x, y), "s1", 3.5))
    return drawing(
        "Reliability: share acted on against the score",
        plane.height,
        rows(plane, SHARES),
        line(plane, [(0.0, 0.0), (1.0, 1.0)], "ideal"),
        *marks,
        axes(plane, "mean score of the bin (%)", "share acted on (%)", SHARES),
    )


def curve_chart(curves: Mapping[str, Sequence[CurvePoint]], bands: Sequence[Band], target: float) -> Markup:
    """The chart of noise suppressed against detection, a line a score; the model's band edges are dots on the first."""
    plane = Plane(_SHARES, _SHARES, 300.0)
    lines = [
        line(plane, sorted(finite((p.detection, p.suppressed) for p in _thinned(points))), kind)
        for kind, points in zip(("s1", "s2", "s3"), curves.values(), strict=False)
    ]
    marks, edges = _edges(plane, next(iter(curves.values()), ()), bands)
    place = plane.px(target)
    mark = segment((place, plane.top), (place, plane.floor), "mark")
    chart = drawing(
        "Noise suppressed against detection",
        plane.height,
        rows(plane, SHARES),
        mark,
        *lines,
        *marks,
        axes(plane, "detection: share of actionable kept (%)", "noise suppressed (%)", SHARES),
    )
    keys = [*zip(("s1", "s2", "s3"), map(name_of, curves), strict=False), ("mark", f"target {level(target)}")]
    return joined([chart, legend([*keys, *edges])])


def _edges(
    plane: Plane, points: Sequence[CurvePoint], bands: Sequence[Band]
) -> tuple[list[Markup], list[tuple[str, str]]]:
    """A numbered ring at the lower edge of each band that has one, and what the numbers stand for."""
    marks: list[Markup] = []
    keys: list[tuple[str, str]] = []
    for edge, band in zip(_EDGES, (one for one in bands if one.low > 0 and points), strict=False):
        distances = [abs(one.threshold - band.low) for one in points]
        near = points[distances.index(min(distances))]
        for at in finite([(near.detection, near.suppressed)]):
            above = label(plane.px(at[0]) + 7, plane.py(at[1]) - 5, edge, kind="name halo")
            marks += [dot(plane, at, "edge", 4.0), above]
            keys.append(("edge", f"{edge} {band.name}, from {percent(band.low)}"))
    return marks, keys


def _thinned(points: Sequence[CurvePoint]) -> Sequence[CurvePoint]:
    return points if len(points) <= _MOST else [*points[:: len(points) // _MOST + 1], points[-1]]


def dependence_chart(bins: Sequence[DependenceBin], of: str) -> Markup:
    """The chart of the mean score if every alert had this rate, above how many alerts have it.

    The line stops at a tenth with too few alerts.
    """
    upper = Plane(_SHARES, _SHARES, 290.0, bottom=118.0)
    most = max((each.count for each in bins), default=0) or 1
    lower = Plane(_SHARES, (0.0, most), upper.height, top=upper.floor + 26)
    bars = []
    for each in bins:
        start, end = lower.px(each.low), lower.px(each.high)
        bars.append(column(lower, start + 1, each.count, end - start - 2, "bar quiet"))
        bars.append(label((start + end) / 2, lower.py(each.count) - 3, f"{each.count:,}", "middle", "small"))
    points = [((each.low + each.high) / 2 if each.rate is None else each.rate, each.score) for each in bins]
    return drawing(
        f"Mean score by {of}, and how many alerts have each rate",
        upper.height,
        rows(upper, SHARES),
        line(upper, [(0.0, 0.0), (1.0, 1.0)], "ideal"),
        broken_line(upper, points, "s1"),
        axes(upper, "", "mean score (%)"),
        *bars,
        axes(lower, f"{shortened(of)} (%)", "alerts", SHARES),
    )


def groups_chart(groups: Sequence[Group]) -> Markup:
    """The chart of each verdict's share of alerts, as one bar."""
    total, left = sum(max(g.share, 0.0) for g in groups if is_known(g.share)) or 1.0, 0.0
    parts, keys = [], []
    for group in groups:
        kind = VERDICTS.get(group.verdict, "fair")
        wide = (max(group.share, 0.0) if is_known(group.share) else 0.0) / total * WIDTH
        parts.append(box(left, 4, wide, 34, f"bar {kind}"))
        if wide > 44:
            parts.append(label(left + wide / 2, 26, percent(group.share, 0), "middle", f"on {kind}"))
        left += wide
        keys.append((kind, f"{group.verdict}: {group.teams:,} teams, {percent(group.share)} of alerts"))
    axis = [label(0, 54, "0%"), label(WIDTH / 2, 54, "share of judged alerts (%)", "middle", "name")]
    axis.append(label(WIDTH, 54, "100%", "end"))
    return joined([drawing("Share of alerts by the teams' verdict", 60, *parts, *axis), legend(keys)])


def importance_chart(features: Sequence[Importance]) -> Markup:
    """The chart of the features' shares of gain, the largest first."""
    drawn = sorted((f for f in features if is_known(f.share)), key=lambda f: -f.share)[:BARS]
    scale = steps(max((f.share for f in drawn), default=0.1) or 0.1)
    entries = [(f.feature, f.share, percent(f.share), "s1") for f in drawn]
    return _bars("Importance of features", entries, scale[-1], "share of all gain in the trees (%)", {})


def drift_chart(drifts: Sequence[Drift]) -> Markup:
    """The chart of each feature's drift, the largest first, beside what chance would give."""
    drawn = sorted((d for d in drifts if is_known(d.psi) and is_known(d.threshold)), key=lambda d: -d.psi)[:BARS]
    scale = steps(max([d.psi for d in drawn] + [d.threshold for d in drawn] + [0.01]))
    kinds = {True: "poor", False: "s1", None: "quiet"}
    entries = [(d.feature, d.psi, number(d.psi), "quiet" if d.shown_only else kinds[d.drifted]) for d in drawn]
    marks = {at: d.threshold for at, d in enumerate(drawn)}
    chart = _bars("Drift by feature", entries, scale[-1], "population stability index (no unit)", marks)
    keys = [
        ("s1", "as before"),
        ("poor", "drifted"),
        ("quiet", "shown only, or not tested"),
        ("mark", "chance would give at most"),
    ]
    return joined([chart, legend(keys)])


def _bars(
    title: str, entries: Sequence[tuple[str, float, str, str]], high: float, axis: str, marks: Mapping[int, float]
) -> Markup:
    room, parts = WIDTH - 52.0, []
    for at, (name, value, text, kind) in enumerate(entries):
        top = at * 31.0
        wide = min(max(value, 0.0) / high, 1.0) * room
        parts += [label(0, top + 12, shortened(name, 52)), box(0, top + 16, wide, 9, f"bar {kind}")]
        end = wide
        if at in marks:
            place = min(max(marks[at], 0.0) / high, 1.0) * room
            parts.append(segment((place, top + 14), (place, top + 27), "mark"))
            end = max(wide, place)
        parts.append(label(end + 5, top + 25, text))
    bottom = len(entries) * 31.0
    return drawing(title, bottom + 22, joined(parts), label(0, bottom + 15, axis, kind="name"))


def ageing_chart(weeks: Sequence[AgeWeek]) -> Markup:
    """The chart of AUC and calibration error by week after training."""
    plane = Plane((0.5, max((w.week for w in weeks), default=1) + 0.5), _SHARES, 220.0)
    tick = max(1, len(weeks) // 8 + (len(weeks) > 8))
    chart = drawing(
        "AUC and calibration error by week after training",
        plane.height,
        rows(plane, [(n / 4, f"{n / 4:.2f}") for n in range(5)]),
        broken_line(plane, [(float(w.week), w.auc) for w in weeks], "s1"),
        broken_line(plane, [(float(w.week), w.ece) for w in weeks], "s2"),
        axes(plane, "weeks after training", "AUC, error (0 to 1)", [(w.week, str(w.week)) for w in weeks[::tick]]),
    )
    return joined([chart, legend([("s1", "AUC (higher is better)"), ("s2", "calibration error (lower is better)")])])
