"""The recording rules: tables of names and expressions. Windows are a parameter, so that a test can be quick."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from stream.monitoring.queries import closer, drift, quality, service

CLOSER_WINDOW = "7d"


class Recording(Struct, frozen=True):
    """One recording rule."""

    record: str
    expr: str
    labels: dict[str, str] = {}


class Alert(Struct, frozen=True, kw_only=True):
    """One alerting rule. Summary and description are Prometheus templates."""

    alert: str
    expr: str
    held: str  # how long it must hold before it rings
    severity: str  # page, ticket or info
    summary: str
    description: str
    labels: dict[str, str] = {}


class Group(Struct, frozen=True):
    """Rules evaluated one after the other, every `interval`."""

    name: str
    interval: str
    rules: Sequence[Recording | Alert]


def recordings(drift: Mapping[str, str] | None = None, quality_windows: Mapping[str, str] | None = None) -> list[Group]:
    """All recording rules; the windows as {window: interval of evaluation}.

    An interval stays under Prometheus' five minutes of lookback: a series that is recorded less often has holes.
    """
    drift = drift or {"1h": "1m", "24h": "2m", "7d": "4m"}
    quality_windows = quality_windows or {"24h": "2m", "7d": "4m"}
    shortest = next(iter(drift.values()))
    return [
        Group("noisegate-service", shortest, list(_service())),
        Group("noisegate-reference", shortest, list(_reference())),
        *(Group(f"noisegate-drift-{window}", every, list(_drift(window))) for window, every in drift.items()),
        *(
            Group(f"noisegate-quality-{window}", every, [*_quality(window), *_estimates(window)])
            for window, every in quality_windows.items()
        ),
        Group(f"noisegate-closer-{CLOSER_WINDOW}", "4m", list(_closer(CLOSER_WINDOW))),
    ]


def _service() -> Iterable[Recording]:
    for window in service.SLO_WINDOWS:
        yield Recording(f"noisegate:latency_misses:ratio{window}", service.latency_misses(window))
    yield Recording("noisegate:champion_age:seconds", service.champion_age())
    yield Recording("noisegate:matured_until:seconds", quality.matured_until())


def _closer(window: str) -> Iterable[Recording]:
    table = {
        "rule_decisions": closer.decisions,
        "rule_near_misses": closer.near_misses,
        "rule_near_miss_share": closer.near_miss_share,
        "rule_holdout_rate": closer.holdout_rate,
        "rule_trips": closer.trips,
        "suppressions_ended": closer.ended,
    }
    return (Recording(f"noisegate:{name}:{window}", expression(window)) for name, expression in table.items())


def _reference() -> Iterable[Recording]:
    yield Recording("noisegate:feature_reference_share", drift.reference_share())
    yield Recording("noisegate:feature_reference_missing_share", drift.reference_missing_share())


def _drift(window: str) -> Iterable[Recording]:
    table = {
        "feature_observations": drift.observations,
        "feature_observed": drift.observed,
        "feature_share": drift.observed_share,
        "psi": drift.psi,
        "jensen_shannon": drift.jensen_shannon,
        "psi_threshold": drift.psi_threshold,
        "missing_share": drift.missing_share,
        "categories_observed": drift.categories,
        "unseen_share": drift.unseen_share,
        "team_alerts": drift.team_alerts,
        "team_rate": drift.team_rate,
    }
    return (Recording(f"noisegate:{name}:{window}", expression(window)) for name, expression in table.items())


def _quality(window: str) -> Iterable[Recording]:
    table = {
        "quality_scores": quality.scores,
        "quality_scores_below": quality.scores_below,
        "quality_outcomes": quality.outcomes,
        "label_rate": quality.label_rate,
        "mean_score": quality.mean_score,
        "brier": quality.brier,
        "calibration_count": quality.calibration_count,
        "calibration_rate": quality.calibration_rate,
        "calibration_mean": quality.calibration_mean,
        "calibration_error": quality.calibration_error,
        "suppressed_at_95": quality.suppressed_at_95,
        "auc": quality.auc,
        "last_agreement": quality.last_agreement,
        "quality_last_wrong": quality.last_wrong,
        "right_where_last_wrong": quality.right_where_last_wrong,
        "quality_alerts": quality.alerts,
        "suppressed": quality.suppressed,
    }
    for name, expression in table.items():
        yield Recording(f"noisegate:{name}:{window}", expression(window))
    for edge in quality.KEPT:
        yield Recording(f"noisegate:detection:{window}", quality.detection(window, edge), {"edge": edge})
        yield Recording(f"noisegate:precision:{window}", quality.precision(window, edge), {"edge": edge})
    by = (*quality.MODEL, "group")
    of_groups = {
        "group_detection": quality.detection(window, "likely_noise", by),
        "group_precision": quality.precision(window, "likely_actionable", by),
        "group_suppressed": quality.suppressed(window, by),
        "group_noise_acted": quality.noise_band_acted(window),
    }
    for name, figure in of_groups.items():
        yield Recording(f"noisegate:{name}:{window}", quality.of_group(window, figure))


def _estimates(window: str) -> Iterable[Recording]:
    table = {
        "scores": quality.published,
        "scores_below": quality.published_below,
        "estimated_rate": quality.estimated_rate,
        "expected_brier": quality.expected_brier,
        "expected_suppressed_at_95": quality.expected_suppressed_at_95,
        "matured_share": quality.matured_share,
    }
    return (Recording(f"noisegate:{name}:{window}", expression(window)) for name, expression in table.items())
