"""Reports of drift and quality: the figures of the dashboards, from Prometheus, for people without Grafana."""

import math
from collections.abc import Mapping

from msgspec import Struct

from stream.core.errors import MonitoringError
from stream.monitoring.queries import drift, quality
from stream.monitoring.queries.promql import equals, raw, recorded, total
from stream.prometheus import Prometheus

NAMED = 5  # features that a verdict names
POINTS = 120  # of a line over the window
SECONDS = {"1h": 3_600.0, "24h": 86_400.0, "7d": 604_800.0}

Key = tuple[str, ...]


class FeatureDrift(Struct, frozen=True, kw_only=True):
    """One feature, or the score, of one model over the window; None where Prometheus has no figure."""

    model: str
    feature: str
    observed: float  # n
    psi: float | None
    threshold: float | None  # what chance explains
    jensen_shannon: float | None
    missing: float | None
    missing_reference: float | None
    rings: bool  # whether it is watched, not only shown
    drifted: bool | None  # above chance and the effect floor; None where it can't be tested, see `untested`
    untested: str | None = None  # why
    line: list[tuple[float, float]] = []  # PSI over the window: seconds since 1970, value


class Bin(Struct, frozen=True):
    """One bin of p: its upper edge, its alerts, the mean score and the share acted on."""

    upper: str
    alerts: float
    mean: float | None
    rate: float | None


class ModelQuality(Struct, frozen=True, kw_only=True):
    """One model in one role over the window; hold-out and rule-closed alerts are not in it."""

    model: str
    role: str
    matured: float
    matured_share: float | None
    figures: dict[str, float]  # by the name of the recording rule
    bins: list[Bin]


class DriftReport(Struct, frozen=True):
    """Of all features, the most drifted first; unseen values by key; alerts and share acted on by group of teams."""

    window: str
    at: float
    features: list[FeatureDrift]
    unseen: dict[str, float]
    groups: dict[str, dict[str, float]]


class QualityReport(Struct, frozen=True):
    """Of champion and challenger; `matured_until` in seconds since 1970."""

    window: str
    at: float
    matured_until: float | None
    models: list[ModelQuality]


FIGURES = {
    "label_rate": "share acted on",
    "mean_score": "mean score",
    "brier": "Brier score",
    "calibration_error": "calibration error",
    "auc": "AUC",
    "suppressed_at_95": "noise suppressed at 95 % detection",
    "last_agreement": "agrees with the last outcome",
    "right_where_last_wrong": "right where the last outcome was wrong",
}
"""Figures recorded by part; the report shows the part `open`."""
BAND_FIGURES = {
    "suppressed": "noise in the band likely_noise",
    "detection": "detection above likely_noise",
    "precision": "precision above likely_actionable",
}
ESTIMATES = {
    "estimated_rate": "estimated share acted on",
    "expected_brier": "expected Brier score",
    "expected_suppressed_at_95": "expected noise suppressed at 95 %",
}
"""From scores alone, before outcomes (CBPE)."""
_EDGES = {"detection": "likely_noise", "precision": "likely_actionable"}


def check_window(since: str, known: tuple[str, ...]) -> str:
    """The window, if figures are recorded over it."""
    if since not in known:
        raise MonitoringError(f"figures are recorded over {', '.join(known)}, not {since!r}: choose one of them")
    return since


def drift_report(server: Prometheus, window: str, at: float) -> DriftReport:
    """The drift of every feature over the window that ends at `at`."""
    by = ("model", "feature")

    def now(name: str, window: str = window) -> dict[Key, float]:
        return _now(server, recorded(name, window), at, by)

    psi, threshold, jensen = now("psi"), now("psi_threshold"), now("jensen_shannon")
    missing, before = now("missing_share"), now("feature_reference_missing_share", "")
    watch = {*_now(server, raw("feature_info", equals("watch", "ring")), at, by)}
    lines = _over(server, recorded("psi", window), at - SECONDS[window], at, by)
    features = [
        FeatureDrift(
            model=key[0],
            feature=key[1],
            observed=n,
            psi=psi.get(key),
            threshold=threshold.get(key),
            jensen_shannon=jensen.get(key),
            missing=missing.get(key),
            missing_reference=before.get(key),
            rings=key in watch or key[1] == "score",
            drifted=_drifted(n, psi.get(key), threshold.get(key)),
            untested=_untested(n, psi.get(key), threshold.get(key)),
            line=lines.get(key, []),
        )
        for key, n in now("feature_observed").items()
    ]
    features.sort(key=lambda each: (not each.drifted, -(each.psi or 0.0), each.feature))
    unseen = {key[0]: value for key, value in _now(server, recorded("unseen_share", window), at, ("key",)).items()}
    volume = _now(server, recorded("team_alerts", window), at, ("group",))
    rates = _now(server, recorded("team_rate", window), at, ("group",))
    groups = {
        key[0]: {"alerts": n, **({"acted_on": rates[key]} if key in rates else {})} for key, n in sorted(volume.items())
    }
    return DriftReport(window, at, features, unseen, groups)


def quality_report(server: Prometheus, window: str, at: float) -> QualityReport:
    """The quality of every model over the window that ends at `at`."""
    by = ("model", "role")
    part = equals("part", "open")
    figures = {name: _now(server, recorded(name, window, part), at, by) for name in FIGURES}
    for name in BAND_FIGURES:
        edge = [equals("edge", _EDGES[name])] if name in _EDGES else []
        figures[name] = _now(server, recorded(name, window, *edge), at, by)
    for name in ESTIMATES:
        figures[name] = _now(server, recorded(name, window), at, by)
    counted = total(quality.MODEL, recorded("quality_outcomes", window, part))
    matured = _now(server, counted, at, by)
    shares = _now(server, recorded("matured_share", window), at, by)
    bins = {
        name: _now(server, recorded(f"calibration_{name}", window, part), at, (*by, "bin"))
        for name in ("count", "mean", "rate")
    }
    models = [
        ModelQuality(
            model=key[0],
            role=key[1],
            matured=n,
            matured_share=shares.get(key),
            figures={name: found[key] for name, found in figures.items() if key in found},
            bins=_bins(key, bins),
        )
        for key, n in sorted(matured.items(), key=lambda pair: (pair[0][1] == "challenger", pair[0]))
    ]
    until = _now(server, f"min({recorded('matured_until', 'seconds')})", at, ())
    return QualityReport(window, at, until.get(()), models)


def drift_verdicts(found: DriftReport) -> list[str]:
    """What the figures mean, a sentence a model: how many watched features drifted, and whether the score did."""
    sentences = []
    for model in dict.fromkeys(each.model for each in found.features):
        watched = [each for each in found.features if each.model == model and each.rings]
        tested = [each for each in watched if each.drifted is not None]
        drifted = [each.feature for each in tested if each.drifted]
        if not tested:
            why = next((each.untested for each in watched if each.untested), "no feature is watched")
            sentences.append(f"Model {model}: drift over {found.window} was not tested: {why}.")
            continue
        left = f" ({len(watched) - len(tested)} were not tested)" if len(tested) < len(watched) else ""
        named = ", ".join(drifted[:NAMED]) + (f" and {len(drifted) - NAMED} more" if len(drifted) > NAMED else "")
        have = "has" if len(drifted) == 1 else "have"
        what = f"{len(drifted)} {have} drifted: {named}" if drifted else "none has drifted"
        sentences.append(f"Model {model}: of {len(tested)} watched features{left}, {what}, over {found.window}.")
    return sentences


def quality_verdicts(found: QualityReport) -> list[str]:
    """What the figures mean, a sentence a model: whether its scores can be taken at their word."""
    return [_quality_verdict(each, found.window) for each in found.models]


def _quality_verdict(model: ModelQuality, window: str) -> str:
    name = f"{model.role.capitalize()} {model.model}"
    if model.matured < quality.LEAST_OUTCOMES:
        return (
            f"{name}: not tested over {window}: {model.matured:,.0f} alerts have matured, and it takes "
            f"{quality.LEAST_OUTCOMES}."
        )
    error, kept, auc = (model.figures.get(one) for one in ("calibration_error", "detection", "auc"))
    faults = []
    if error is not None and error > quality.CALIBRATION_GAP:
        faults.append(f"its scores are off by {error:.1%} on average, more than {quality.CALIBRATION_GAP:.0%}")
    if kept is not None and kept < quality.DETECTION:
        faults.append(
            f"only {kept:.1%} of what people acted on scored above likely_noise, below {quality.DETECTION:.0%}"
        )
    if auc is not None and auc <= 0.5:
        faults.append(f"it ranks no better than chance, with an AUC of {auc:.3f}")
    based = f"over {window}, {model.matured:,.0f} matured alerts"
    if faults:
        return f"{name}: not right, {based}: {'; '.join(faults)}."
    known = [
        f"off by {error:.1%} on average" if error is not None else "",
        f"{kept:.1%} of what people acted on above likely_noise" if kept is not None else "",
        f"AUC {auc:.3f}" if auc is not None else "",
    ]
    if not any(known):
        return f"{name}: not tested, {based}, but Prometheus has no figures of them."
    return f"{name}: scores can be taken at their word, {based}: {', '.join(filter(None, known))}."


def _now(server: Prometheus, expression: str, at: float, by: tuple[str, ...]) -> dict[Key, float]:
    """Finite values of an instant query by labels."""
    found = {_key(each.labels, by): each.value for each in server.query(expression, at)}
    return {key: value for key, value in found.items() if math.isfinite(value)}


def _over(
    server: Prometheus, expression: str, start: float, end: float, by: tuple[str, ...]
) -> dict[Key, list[tuple[float, float]]]:
    """Lines of a range query by labels."""
    step = max((end - start) / POINTS, 1.0)
    return {_key(each.labels, by): each.points for each in server.query_range(expression, start, end, step)}


def _bins(key: Key, bins: Mapping[str, Mapping[Key, float]]) -> list[Bin]:
    edges = [edge for edge in quality.BIN_EDGES if (*key, edge) in bins["count"]]
    return [
        Bin(edge, bins["count"][*key, edge], bins["mean"].get((*key, edge)), bins["rate"].get((*key, edge)))
        for edge in edges
    ]


def _untested(observed: float, psi: float | None, threshold: float | None) -> str | None:
    if observed < drift.LEAST_OBSERVED:
        return f"fewer than {drift.LEAST_OBSERVED} observations"
    return "no reference" if psi is None or threshold is None else None


def _drifted(observed: float, psi: float | None, threshold: float | None) -> bool | None:
    if psi is None or threshold is None or observed < drift.LEAST_OBSERVED:
        return None
    return psi > threshold and psi > drift.EFFECT_FLOOR


def _key(labels: Mapping[str, str], by: tuple[str, ...]) -> Key:
    return tuple(labels.get(label, "") for label in by)
