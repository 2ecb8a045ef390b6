"""Is it right? For whoever made the model."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from stream.monitoring.alerts import models
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
    why = "What became of the alerts, held against what was said of them. Each counts once, when it has matured."
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
            "Alerts raised before this moment are counted on every partition: raise + horizon + grace has passed.",
            f"1000 * min({recorded('matured_until', 'seconds', JOB)})",
            "dateTimeAsIso",
            wide=6,
        ),
        number(
            "Matured of a week",
            "Matured beside published alerts of seven days. Far below 1: a new model, its figures rest on few.",
            f"min({_week('matured_share')})",
            SHARE,
            bad_below((0.8, "orange")),
        ),
        number(
            "Alerts",
            "Matured in seven days, hold-out left out.",
            f"min({n})",
            COUNT,
            bad_below((quality.LEAST_OUTCOMES, "orange")),
        ),
        lines(
            "Left out",
            "Alerts that are in no figure here, by reason, a day.",
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
            "Share of the actionable alerts above each edge of the bands; the alert is about likely_noise.",
            detection,
            SHARE,
            [(models.DETECTION, "orange")],
        ),
        lines("Precision", "Share of actionable among what lies above each edge.", precision, SHARE),
        lines(
            "Noise suppressed at 95 % detection",
            "Noise below the highest of the counted edges that keeps 95 % of the actionable: what ranking could save.",
            {NAME: _week("suppressed_at_95", OPEN)},
            SHARE,
        ),
        lines(
            "Noise in the band likely_noise",
            "Share of the noise that the band says so of.",
            {NAME: _week("suppressed")},
            SHARE,
        ),
        lines("AUC", "By trapezoids between the counted edges.", {NAME: _week("auc", OPEN)}, PLAIN, [(0.5, "red")]),
        lines(
            "Share acted on",
            "Of matured alerts; beside it the share in training.",
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
            "In seven days, by outcome; the hold-out apart.",
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
            "Said and happened",
            "By bin of the probability (its upper edge), seven days: the mean score beside the share acted on.",
            {"mean score": by_bin("calibration_mean"), "share acted on": by_bin("calibration_rate")},
            SHARE,
            "bin",
        ),
        bars(
            "Alerts by bin",
            "How many alerts a bin's figures rest on.",
            {"alerts": f"sum by (bin) ({_week('calibration_count', OPEN)})"},
            COUNT,
            "bin",
        ),
        lines(
            "Calibration error",
            "Mean distance between score and share acted on over the bins (ECE).",
            {NAME: _week("calibration_error", OPEN)},
            SHARE,
            [(models.CALIBRATION_GAP, "orange")],
        ),
    ):
        built.with_panel(panel)


def _last(built: Dashboard) -> None:
    built.with_row(row("Does it only repeat the last outcome?"))
    for panel in (
        lines(
            "Says the same as the last outcome",
            "Share of alerts with a last outcome on which p > 0.5 says the same. Near 1: a memory of one would do.",
            {NAME: _week("last_agreement", OPEN)},
            SHARE,
        ),
        lines(
            "Right where the last outcome was wrong",
            "Where the last outcome misled: the share on which p > 0.5 was right all the same.",
            {NAME: _week("right_where_last_wrong", OPEN)},
            SHARE,
        ),
        lines(
            "Alerts whose last outcome was wrong",
            "What that rests on.",
            {NAME: _week("quality_last_wrong", OPEN)},
            COUNT,
        ),
    ):
        built.with_panel(panel)


def _before(built: Dashboard) -> None:
    built.with_row(row("Before labels: what the scores foretell (CBPE)"))
    for panel in (
        lines(
            "Estimated share acted on",
            "Mean score of the last 24 hours: true if the model is calibrated.",
            {
                NAME: recorded("estimated_rate", "24h", *HERE),
                "training {{model}}": greatest(("job", "model"), raw("reference_label_rate", JOB, MODEL)),
            },
            SHARE,
        ),
        lines(
            "Expected Brier score",
            "Mean of p (1 - p) of the last 24 hours, beside what came of a week.",
            {f"expected {NAME}": recorded("expected_brier", "24h", *HERE), f"matured {NAME}": _week("brier", OPEN)},
            PLAIN,
        ),
        lines(
            "Expected noise suppressed at 95 % detection",
            "From scores alone; it can't see that the model lost touch.",
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
        "acted on in likely noise": f"avg by (group) ({_week('group_noise_acted')})",
        "published in 7 days": f"sum by (group) ({recorded('team_alerts', '7d', JOB)})",
    }
    shares = dict.fromkeys(list(columns)[1:5], SHARE)
    why = f"Seven days; a group with fewer than {quality.LEAST_OF_GROUP} matured alerts shows only how many there are."
    units = {**shares, "matured": COUNT, "published in 7 days": COUNT}
    built.with_panel(rows("Groups", why, columns, "group", units, high=9))
