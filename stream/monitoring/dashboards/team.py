"""One team group: what its alerts, habits and scores look like."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from stream.monitoring.dashboards.panels import (
    COUNT,
    GROUP,
    JOB,
    SHARE,
    bad_above,
    bad_below,
    lines,
    number,
    page,
    row,
    values,
)
from stream.monitoring.queries import quality
from stream.monitoring.queries.promql import increase, recorded, total

HERE = (JOB, GROUP)
SERVED = (*HERE, 'role!="challenger"')


def dashboard() -> Dashboard:
    """The page."""
    built = page("noisegate-team", "Alerts and scores of one group of teams (setting team_groups).", "30d")
    built.with_variable(values("group", "Team group", 'noisegate_team_alerts_total{job=~"$job"}', multi=False))
    for part in (_now, _over_time):
        part(built)
    return built


def _week(name: str, *matchers: str) -> str:
    return recorded(name, "7d", *SERVED, *matchers)


def _now(built: Dashboard) -> None:
    built.with_row(row("$group, seven days"))
    for panel in (
        number("Alerts", "Alerts raised in seven days.", f"sum({recorded('team_alerts', '7d', *HERE)})", COUNT),
        number(
            "Acted on",
            "Share of the decided alerts that were acted on.",
            f"max({recorded('team_rate', '7d', *HERE)})",
            SHARE,
        ),
        number(
            "Matured", "Matured alerts that the figures beside it rest on.", f"sum({_week('quality_alerts')})", COUNT
        ),
        number(
            "Detection",
            "Share of the actionable alerts above the band likely_noise.",
            f"min({_week('group_detection')})",
            SHARE,
            bad_below((quality.DETECTION, "red")),
        ),
        number(
            "Noise suppressed",
            "Share of the noise in the band likely_noise.",
            f"min({_week('group_suppressed')})",
            SHARE,
        ),
        number(
            "Likely noise, acted on",
            "Share of the alerts in likely_noise that were acted on.",
            f"max({_week('group_noise_acted')})",
            SHARE,
            bad_above((0.05, "orange")),
        ),
    ):
        built.with_panel(panel)


def _over_time(built: Dashboard) -> None:
    built.with_row(row("$group over time"))
    outcomes = increase(("outcome",), "team_outcomes_total", "$__rate_interval", *HERE)
    shares = {
        "detection": _week("group_detection"),
        "precision above likely_actionable": _week("group_precision"),
        "noise suppressed": _week("group_suppressed"),
    }
    for panel in (
        lines(
            "Alerts a day", "Alerts raised in 24 hours.", {"{{group}}": recorded("team_alerts", "24h", *HERE)}, COUNT
        ),
        lines(
            "Share acted on",
            "Share acted on among the outcomes of a day and of a week. A change of habits shows here.",
            {"24h": recorded("team_rate", "24h", *HERE), "7d": recorded("team_rate", "7d", *HERE)},
            SHARE,
        ),
        lines("Outcomes", "Decided between two points, by outcome.", {"{{outcome}}": outcomes}, COUNT),
        lines("Quality", "Over seven days. Empty while too few alerts have matured.", shares, SHARE, wide=12),
        lines(
            "Matured by band",
            "Alerts that matured in seven days, by band.",
            {"{{band}}": total(("band",), _week("quality_alerts"))},
            COUNT,
            wide=12,
        ),
    ):
        built.with_panel(panel)
