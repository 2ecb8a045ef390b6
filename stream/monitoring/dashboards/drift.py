"""Is the world changing? One row a feature; a click shows that feature."""

from grafana_foundation_sdk.builders.dashboard import Dashboard, DashboardLink

from stream.monitoring.alerts import models
from stream.monitoring.dashboards.panels import (
    COUNT,
    FEATURE,
    JOB,
    MODEL,
    PLAIN,
    SHARE,
    bad_above,
    bad_below,
    bars,
    lines,
    models_of,
    number,
    page,
    row,
    rows,
    values,
)
from stream.monitoring.queries import drift
from stream.monitoring.queries.promql import equals, greatest, increase, raw, recorded

HERE = (JOB, MODEL)
ONE = (*HERE, FEATURE)


def dashboard() -> Dashboard:
    """The page."""
    why = "Whether alerts and scores still look as in training. Rules watch 24h and 7d; 1h is for looking."
    built = page("noisegate-drift", why, "7d")
    built.with_variable(models_of("noisegate:feature_observed:24h"))
    built.with_variable(
        values("feature", "Feature", 'noisegate:feature_observed:24h{job=~"$job",model=~"$model"}', multi=False)
    )
    for part in (_now, _features, _one, _labels):
        part(built)
    return built


def _now(built: Dashboard) -> None:
    built.with_row(row("Now"))
    for window in drift.ALERT_WINDOWS:
        psi, threshold = recorded("psi", window, *HERE), recorded("psi_threshold", window, *HERE)
        above = f"{psi} > on (job, model, feature) {threshold} and {psi} > {drift.EFFECT_FLOOR}"
        built.with_panel(
            number(
                f"Features that drifted, {window}",
                "Features with PSI above chance and above the effect floor, including those that no rule watches.",
                f"count({above}) or 0 * count({psi})",
                PLAIN,
                bad_above((1, "orange")),
            )
        )
    score = recorded("psi", "24h", *HERE, 'feature="score"')
    fewest = f"min({recorded('feature_observed', '24h', *HERE)})"
    unwatched = f"sum by (reason) ({greatest(('job', 'model', 'reason'), raw('features_unwatched', *HERE))})"
    for panel in (
        number(
            "PSI of the score, 24h",
            "PSI of the score against its spread in training.",
            f"max({score})",
            PLAIN,
            bad_above((drift.EFFECT_FLOOR, "orange")),
        ),
        number(
            "Observations, 24h",
            f"Observations of the least observed feature; below {drift.LEAST_OBSERVED} no rule applies.",
            fewest,
            COUNT,
            bad_below((drift.LEAST_OBSERVED, "orange")),
        ),
        lines(
            "Not watched", "Features without a usable reference, by reason.", {"{{reason}}": unwatched}, COUNT
        ).height(4),
    ):
        built.with_panel(panel)


def _features(built: Dashboard) -> None:
    built.with_row(row("Features"))

    def column(name: str, window: str) -> str:
        return f"max by (feature) ({recorded(name, window, *HERE)})"

    rings = raw("feature_info", *HERE, equals("watch", "ring"))
    columns = {
        "PSI 24h": column("psi", "24h"),
        "chance 24h": column("psi_threshold", "24h"),
        "n 24h": column("feature_observed", "24h"),
        "PSI 7d": column("psi", "7d"),
        "chance 7d": column("psi_threshold", "7d"),
        "n 7d": column("feature_observed", "7d"),
        "PSI 1h": column("psi", "1h"),
        "Jensen-Shannon 24h": column("jensen_shannon", "24h"),
        "missing 24h": column("missing_share", "24h"),
        "missing in training": f"max by (feature) ({recorded('feature_reference_missing_share', '', *HERE)})",
        "may fire": f"max by (feature) ({rings})",
    }
    units = {name: COUNT if name.startswith("n ") else PLAIN for name in columns}
    units |= {"missing 24h": SHARE, "missing in training": SHARE}
    why = "PSI and its threshold by window, with the number of observations. Click a feature to see it below."
    panel = rows("Features", why, columns, "feature", units, high=16)
    panel.data_links(
        [
            DashboardLink("Show it").url(
                "/d/noisegate-drift?${job:queryparam}&${model:queryparam}&var-feature=${__data.fields.feature}"
            )
        ]
    )
    built.with_panel(panel)


def _one(built: Dashboard) -> None:
    built.with_row(row("$feature"))
    psi = {f"{window} {{{{model}}}}": recorded("psi", window, *ONE) for window in drift.DRIFT_WINDOWS}
    chance = {f"chance {w} {{{{model}}}}": recorded("psi_threshold", w, *ONE) for w in drift.ALERT_WINDOWS}
    for panel in (
        lines(
            "PSI of $feature",
            "PSI over each window, with what chance alone explains; the dashed line is the effect floor.",
            {**psi, **chance},
            PLAIN,
            [(drift.EFFECT_FLOOR, "orange")],
        ),
        bars(
            "Distribution of $feature",
            "Share of observations in the reference's bins: training, the last day, the last week.",
            {
                "training": f"avg by (bin) ({recorded('feature_reference_share', '', *ONE)})",
                "24h": f"avg by (bin) ({recorded('feature_share', '24h', *ONE)})",
                "7d": f"avg by (bin) ({recorded('feature_share', '7d', *ONE)})",
            },
            SHARE,
            "bin",
        ),
        lines(
            "Jensen-Shannon of $feature",
            "Divergence to base 2, from 0 to 1.",
            {f"{window} {{{{model}}}}": recorded("jensen_shannon", window, *ONE) for window in drift.DRIFT_WINDOWS},
            PLAIN,
        ),
    ):
        built.with_panel(panel)


def _labels(built: Dashboard) -> None:
    built.with_row(row("Values, volume, labels"))
    unseen = {
        "{{key}}": recorded("unseen_share", "24h", *HERE),
        "{{key}} in training": greatest(drift.KEY, raw("reference_unseen_share", *HERE)),
    }
    training = greatest(("job", "model"), raw("reference_label_rate", *HERE))
    acted = f"sum by (job) ({increase(('job',), 'outcomes_total', '$__rate_interval', JOB)})"
    for panel in (
        lines(
            "Values that training never saw",
            "Share of the alerts of 24 hours, by key of the history.",
            unseen,
            SHARE,
            [(models.UNSEEN_MORE, "orange")],
        ),
        lines(
            "Alerts by group of teams",
            "Alerts raised in 24 hours.",
            {"{{group}}": recorded("team_alerts", "24h", JOB)},
            COUNT,
        ),
        lines(
            "Share acted on by group of teams",
            "Share acted on among the outcomes of 7 days. A change of habits shows here first.",
            {"{{group}}": recorded("team_rate", "7d", JOB), "training {{model}}": training},
            SHARE,
        ),
        lines("Outcomes", "Outcomes published between two points, of any kind.", {"{{job}}": acted}, COUNT, wide=12),
        lines(
            "Share acted on, matured",
            "Share acted on among alerts matured in 7 days, by model, beside training.",
            {
                "{{role}} {{model}}": recorded("label_rate", "7d", *HERE, 'part="open"'),
                "training {{model}}": training,
            },
            SHARE,
            wide=12,
        ),
    ):
        built.with_panel(panel)
