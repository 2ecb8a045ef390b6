"""Is it right? For whoever made the model."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from stream.monitoring.dashboards.panels import (
    COUNT,
    JOB,
    MODEL,
    PLAIN,
    RATE,
    SHARE,
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
from stream.monitoring.queries import quality
from stream.monitoring.queries.promql import greatest, rate, raw, recorded, total

OPEN, ROLE = 'part="open"', 'role=~"$role"'
HERE = (JOB, MODEL, ROLE)
BY = ("model", "role")
NAME = "{{role}} {{model}}"


def dashboard() -> Dashboard:
    """The page."""
    why = "The outcomes of alerts against their scores. Each alert counts once, when it has matured."
    built = page("noisegate-quality", why, "30d")
    built.with_variable(models_of("noisegate:quality_outcomes:7d"))
    built.with_variable(values("role", "Role", 'noisegate:quality_outcomes:7d{job=~"$job"}'))
    for part in (_matured, _figures, _calibration, _last, _before, _groups):
        part(built)
    return built


def _week(name: str, *matchers: str) -> str:
    return recorded(name, "7d", *HERE, *matchers)


def _matured(built: Dashboard) -> None:
    built.with_row(row("How far the window has matured"))
    n = total(BY, _week("quality_outcomes", OPEN))
    for panel in (
        number(
            "Matured up to",
            "Every alert raised before this moment is counted: its raise + horizon + grace has passed.",
            f"1000 * min({recorded('matured_until', 'seconds', JOB)})",
            "dateTimeAsIso",
            wide=6,
        ),
        number(
            "Share matured, 7d",
            "Matured over published alerts, seven days. Far below 1, the model is new and its figures rest on few.",
            f"min({_week('matured_share')})",
            SHARE,
            bad_below((0.8, "orange")),
        ),
        number(
            "Alerts",
            "Alerts that matured in seven days, without the hold-out.",
            f"min({n})",
            COUNT,
            bad_below((quality.LEAST_OUTCOMES, "orange")),
        ),
        lines(
            "Left out",
            "Alerts per day that no figure here counts, by reason.",
            {"{{reason}}": f"86400 * {rate(('reason',), 'quality_left_out_total', RATE, JOB)}"},
            COUNT,
            wide=10,
        ).height(4),
    ):
        built.with_panel(panel)


def _figures(built: Dashboard) -> None:
    built.with_row(row("From outcomes, seven days"))
    detection = {f"{NAME} above {edge}": _week("detection", f'edge="{edge}"') for edge in quality.KEPT}
    precision = {f"{NAME} above {edge}": _week("precision", f'edge="{edge}"') for edge in quality.KEPT}
    for panel in (
        lines(
            "Brier score",
            "Mean squared error of the probability; lower is better.",
            {NAME: _week("brier", OPEN)},
            PLAIN,
        ),
        lines(
            "Detection",
            "Share of the actionable alerts above each edge of the bands; the rule watches likely_noise.",
            detection,
            SHARE,
            [(quality.DETECTION, "orange")],
        ),
        lines("Precision", "Share of actionable alerts among those above each edge.", precision, SHARE),
        lines(
            "Noise suppressed at 95 % detection",
            "Noise below the highest edge that keeps 95 % of the actionable alerts: what the ranking could save.",
            {NAME: _week("suppressed_at_95", OPEN)},
            SHARE,
        ),
        lines(
            "Noise in the band likely_noise",
            "Share of the noise that lies in the band likely_noise.",
            {NAME: _week("suppressed")},
            SHARE,
        ),
        lines(
            "AUC",
            "Computed by trapezoids between the counted edges.",
            {NAME: _week("auc", OPEN)},
            PLAIN,
            [(0.5, "red")],
        ),
        lines(
            "Share acted on",
            "Share of matured alerts that were acted on, beside the share in training.",
            {
                NAME: _week("label_rate", OPEN),
                "held out {{model}}": _week("label_rate", 'part="held_out"'),
                "training {{model}}": greatest(("job", "model"), raw("reference_label_rate", JOB, MODEL)),
            },
            SHARE,
            wide=12,
        ),
        lines(
            "Alerts matured",
            "Alerts that matured in seven days, by outcome, the hold-out apart.",
            {"{{part}} {{outcome}}": total(("part", "outcome"), _week("quality_outcomes"))},
            COUNT,
            wide=12,
        ),
    ):
        built.with_panel(panel)


def _calibration(built: Dashboard) -> None:
    built.with_row(row("Calibration"))

    def by_bin(name: str) -> str:
        return f"avg by (bin) ({_week(name, OPEN)})"

    for panel in (
        bars(
            "Score and outcome",
            "Mean score and share acted on by bin of the score (its upper edge), over seven days.",
            {"mean score": by_bin("calibration_mean"), "share acted on": by_bin("calibration_rate")},
            SHARE,
            "bin",
        ),
        bars(
            "Alerts by bin",
            "Alerts that each bin's figures rest on.",
            {"alerts": f"sum by (bin) ({_week('calibration_count', OPEN)})"},
            COUNT,
            "bin",
        ),
        lines(
            "Calibration error",
            "Mean distance between score and share acted on, over the bins (ECE).",
            {NAME: _week("calibration_error", OPEN)},
            SHARE,
            [(quality.CALIBRATION_GAP, "orange")],
        ),
    ):
        built.with_panel(panel)


def _last(built: Dashboard) -> None:
    built.with_row(row("Does it only repeat the last outcome?"))
    for panel in (
        lines(
            "Agrees with the last outcome",
            "Share of alerts on which p > 0.5 agrees with the last outcome. Near 1, the model only repeats it.",
            {NAME: _week("last_agreement", OPEN)},
            SHARE,
        ),
        lines(
            "Right where the last outcome was wrong",
            "Share of alerts with a misleading last outcome on which p > 0.5 was right all the same.",
            {NAME: _week("right_where_last_wrong", OPEN)},
            SHARE,
        ),
        lines(
            "Alerts whose last outcome was wrong",
            "Alerts that the figure beside it rests on.",
            {NAME: _week("quality_last_wrong", OPEN)},
            COUNT,
        ),
    ):
        built.with_panel(panel)


def _before(built: Dashboard) -> None:
    built.with_row(row("Before outcomes: estimates from scores (CBPE)"))
    for panel in (
        lines(
            "Estimated share acted on",
            "Mean score of the last 24 hours: the share that teams will act on, if the model is calibrated.",
            {
                NAME: recorded("estimated_rate", "24h", *HERE),
                "training {{model}}": greatest(("job", "model"), raw("reference_label_rate", JOB, MODEL)),
            },
            SHARE,
        ),
        lines(
            "Expected Brier score",
            "Mean of p (1 - p) over the last 24 hours, beside the Brier score of the matured week.",
            {f"expected {NAME}": recorded("expected_brier", "24h", *HERE), f"matured {NAME}": _week("brier", OPEN)},
            PLAIN,
        ),
        lines(
            "Expected noise suppressed at 95 % detection",
            "From scores alone: it can't see that the model is no longer right.",
            {NAME: recorded("expected_suppressed_at_95", "24h", *HERE)},
            SHARE,
        ),
    ):
        built.with_panel(panel)


def _groups(built: Dashboard) -> None:
    built.with_row(row("By group of teams"))
    columns = {
        "matured": f"sum by (group) ({_week('quality_alerts')})",
        "detection": f"avg by (group) ({_week('group_detection')})",
        "precision": f"avg by (group) ({_week('group_precision')})",
        "noise suppressed": f"avg by (group) ({_week('group_suppressed')})",
        "likely noise acted on": f"avg by (group) ({_week('group_noise_acted')})",
        "published in 7 days": f"sum by (group) ({recorded('team_alerts', '7d', JOB)})",
    }
    shares = dict.fromkeys(list(columns)[1:5], SHARE)
    why = f"Over seven days. A group with fewer than {quality.LEAST_OF_GROUP} matured alerts shows only their number."
    units = {**shares, "matured": COUNT, "published in 7 days": COUNT}
    built.with_panel(rows("Groups", why, columns, "group", units, high=9))
