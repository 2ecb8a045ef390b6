"""What all dashboards share: variables, links, and panels that have a title, a description, a unit and thresholds."""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeVar

from grafana_foundation_sdk.builders import barchart, dashboard, prometheus, stat, table, text, timeseries
from grafana_foundation_sdk.builders.common import GraphThresholdsStyleConfig, ReduceDataOptions
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.text import TextMode
from msgspec import Struct

CLOSING = "noisegate-closing"
SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
TITLES = {
    "noisegate-service": "Is it working?",
    "noisegate-quality": "Is it right?",
    "noisegate-drift": "Is the world changing?",
    CLOSING: "What would rules do?",
    "noisegate-team": "One team group",
}
JOB, INSTANCE, MODEL, GROUP, FEATURE = (
    f'{name}=~"${name}"' for name in ("job", "instance", "model", "group", "feature")
)
RATE = "$__rate_interval"
SHARE, COUNT, SECONDS, PLAIN = "percentunit", "short", "s", "none"

GOOD, NEUTRAL = "green", "text"  # Grafana's colours; `text` is that of the page's own words
Bad = Literal["high", "low"]
Steps = Sequence[tuple[float, str]]
Queries = Mapping[str, str]  # legend: expression
P = TypeVar("P", stat.Panel, timeseries.Panel, barchart.Panel, table.Panel)


class Limits(Struct, frozen=True):
    """The colours of a figure: `steps` begin at their value, `base` is the colour below them all."""

    bad: Bad
    base: str
    steps: Steps


def bad_above(*limits: tuple[float, str]) -> Limits:
    """Good when low: each limit, in ascending order, gives the colour from there on."""
    return Limits("high", GOOD, limits)


def bad_below(*limits: tuple[float, str]) -> Limits:
    """Good when high: each limit, in ascending order, gives the colour below it.

    >>> bad_below((0.5, "red"), (0.8, "orange")).steps
    [(0.5, 'orange'), (0.8, 'green')]
    """
    colours = [colour for _, colour in limits]
    steps = [(at, above) for (at, _), above in zip(limits, [*colours[1:], GOOD], strict=True)]
    return Limits("low", colours[0], steps)


def page(uid: str, description: str, since: str, shown: str = "history_up") -> dashboard.Dashboard:
    """A dashboard with what all have: data source, job, links to the others.

    `shown` is a metric that the jobs to choose from expose; a link to a page about other jobs takes no variables along.
    """
    built = (
        dashboard.Dashboard(TITLES[uid])
        .uid(uid)
        .description(description)
        .tags(["noisegate"])
        .timezone("browser")
        .readonly()
        .time(f"now-{since}", "now")
        .refresh("1m")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(values("job", "Job", f"noisegate_{shown}"))
    )
    for other, title in TITLES.items():
        if other != uid:
            link = dashboard.DashboardLink(title).type(models.DashboardLinkType.LINK).url(f"/d/{other}")
            built.link(link.tooltip(title).icon("dashboard").keep_time(True).include_vars(CLOSING not in (uid, other)))
    return built


def values(name: str, label: str, series: str, *, multi: bool = True) -> dashboard.QueryVariable:
    """A variable with the values that a label has; `multi` allows several, and all."""
    variable = (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(f"label_values({series}, {name})")
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(multi)
    )
    return variable.include_all(True).all_value(".+") if multi else variable


def models_of(series: str) -> dashboard.QueryVariable:
    """The variable of the model's version."""
    return values("model", "Model", f'{series}{{job=~"$job"}}')


def number(title: str, why: str, query: str, unit: str, limits: Limits | None = None, wide: int = 4) -> stat.Panel:
    """One figure; its limits colour it, and the description says on which side it is bad."""
    panel = stat.Panel().no_value("no data").color_mode(common.BigValueColorMode.VALUE)
    panel.reduce_options(ReduceDataOptions().calcs(["lastNotNull"])).span(wide).height(4)
    if limits is None:
        return _filled(panel, title, why, {"": query}, unit, (), base=NEUTRAL)
    return _filled(panel, title, f"{why} Bad when {limits.bad}.", {"": query}, unit, limits.steps, base=limits.base)


def lines(
    title: str, why: str, queries: Queries, unit: str, steps: Steps = (), wide: int = 8, least: float | None = 0.0
) -> timeseries.Panel:
    """Figures over time; a threshold is drawn as a line."""
    panel = timeseries.Panel().line_width(1).fill_opacity(5).span(wide).height(8)
    if least is not None:
        panel.min(least)
    if steps:
        panel.thresholds_style(GraphThresholdsStyleConfig().mode(common.GraphTresholdsStyleMode.DASHED))
    return _filled(panel, title, why, queries, unit, steps)


def bars(title: str, why: str, queries: Queries, unit: str, label: str, wide: int = 8) -> barchart.Panel:
    """Figures of now side by side, one group of bars a value of `label`."""
    panel = barchart.Panel().x_field(label).span(wide).height(8).min(0)
    _filled(panel, title, why, queries, unit, (), instant=True)
    return panel.transformations(_joined(label, list(queries)))


def rows(
    title: str, why: str, queries: Queries, label: str, units: Mapping[str, str], wide: int = 24, high: int = 12
) -> table.Panel:
    """A table with one row a value of `label` and one column a query."""
    panel = table.Panel().span(wide).height(high)
    _filled(panel, title, why, queries, PLAIN, (), instant=True)
    for column, unit in units.items():
        panel.override_by_name(column, [models.DynamicConfigValue(id_val="unit", value=unit)])
    return panel.transformations(_joined(label, list(queries)))


def words(title: str, content: str, wide: int = 24, high: int = 4) -> text.Panel:
    """Text, as Markdown."""
    return text.Panel().title(title).description(title).mode(TextMode.MARKDOWN).content(content).span(wide).height(high)


def row(title: str) -> dashboard.Row:
    """Begins a new part."""
    return dashboard.Row(title)


def _filled(
    panel: P,
    title: str,
    why: str,
    queries: Queries,
    unit: str,
    steps: Steps,
    instant: bool = False,
    base: str = GOOD,
) -> P:
    panel.title(title).description(why).datasource(SOURCE).unit(unit)
    coloured = [models.Threshold(value=None, color=base), *(models.Threshold(value=at, color=c) for at, c in steps)]
    panel.thresholds(dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(coloured))
    for letter, (legend, expression) in zip("ABCDEFGHIJKLMN", queries.items(), strict=False):
        query = prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(letter).datasource(SOURCE)
        panel.with_target(query.instant().format(PromQueryFormat.TABLE) if instant else query.range())
    return panel


def _joined(label: str, columns: Sequence[str]) -> list[models.DataTransformerConfig]:
    """Tables of instant queries as one: joined by the label, each value column by the name of its query."""
    names = {f"Value #{letter}": name for letter, name in zip("ABCDEFGHIJKLMN", columns, strict=False)}
    if len(columns) == 1:
        names = {"Value": columns[0], **names}
    kept = {"include": {"pattern": f"^({label}|Value.*)$"}}
    return [
        models.DataTransformerConfig(id_val="joinByField", options={"byField": label, "mode": "outer"}),
        models.DataTransformerConfig(id_val="filterFieldsByName", options=kept),
        models.DataTransformerConfig(id_val="organize", options={"renameByName": names}),
    ]
