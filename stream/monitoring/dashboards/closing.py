"""What would rules have done? Until the closing room is there: what became of the alerts called likely noise."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from stream.monitoring.dashboards.panels import (
    COUNT,
    GROUP,
    JOB,
    MODEL,
    SHARE,
    bars,
    lines,
    models_of,
    page,
    row,
    rows,
    values,
    words,
)
from stream.monitoring.queries import quality
from stream.monitoring.queries.promql import recorded, total

BAND, ACTED, NOISE = 'band="likely_noise"', 'outcome="actionable"', 'outcome="noise"'
HERE = (JOB, MODEL, GROUP, 'role!="challenger"')
TEXT = (
    "noisegate closes nothing yet. This page shows what would have happened if a rule had closed **every** alert in "
    "the band `likely_noise`: how many alerts it would have closed, and how many of those a team acted on."
)


def dashboard() -> Dashboard:
    """The page."""
    built = page("noisegate-closing", "Outcomes of the alerts in the band likely_noise.", "30d")
    built.with_variable(models_of("noisegate:quality_alerts:7d"))
    built.with_variable(values("group", "Team group", 'noisegate:quality_alerts:7d{job=~"$job"}'))
    built.with_row(row("If everything called likely noise had been closed"))
    built.with_panel(words("About this page", TEXT))

    def count(*matchers: str) -> str:
        return total(("group",), recorded("quality_alerts", "7d", *HERE, *matchers))

    columns = {
        "matured": count(),
        "in likely noise": count(BAND),
        "acted on": count(BAND, ACTED),
        "share acted on": f"{count(BAND, ACTED)} / ({count(BAND)} > 0)",
        "noise saved": f"{count(BAND, NOISE)} / ({count(NOISE)} > 0)",
    }
    units = {**dict.fromkeys(columns, COUNT), "share acted on": SHARE, "noise saved": SHARE}
    why = "Seven days, by group of teams: what would have been closed, and what of it was acted on."
    built.with_panel(rows("By group", why, columns, "group", units, wide=12, high=9))
    wrong = recorded("group_noise_acted", "7d", *HERE)
    built.with_panel(
        lines(
            "Wrongly closed",
            "Share of the alerts in likely_noise that were acted on, in groups with at least "
            f"{quality.LEAST_OF_GROUP} matured alerts.",
            {"{{group}}": wrong},
            SHARE,
            [(quality.MISSED, "orange")],
            wide=12,
        ).height(9)
    )
    built.with_panel(
        lines(
            "Alerts in the band",
            "Alerts of the band in seven days, by outcome.",
            {"{{outcome}}": total(("outcome",), recorded("quality_alerts", "7d", *HERE, BAND))},
            COUNT,
            wide=12,
        )
    )
    by_band = total(("band",), recorded("quality_alerts", "7d", *HERE))
    built.with_panel(
        bars(
            "Alerts by band",
            "Matured alerts over seven days, all chosen groups.",
            {"alerts": by_band},
            COUNT,
            "band",
            wide=12,
        )
    )
    return built
