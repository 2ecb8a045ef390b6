"""What the dashboards show, asked from Prometheus for people without Grafana: drift, and quality."""

import json
import math
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from stream.core.errors import MonitoringError
from stream.monitoring import quality, queries
from stream.monitoring.queries import equals, raw, recorded

TIMEOUT_SECONDS = 30.0
ANSWER_BYTES = 32 * 1024 * 1024
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
    """One bin of p: its upper edge, its alerts, what was said and what happened."""

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
"""Recorded by part; the open one is told."""
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


class Prometheus:
    """Its HTTP API, as much as a report needs."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def now(self, expression: str, at: float, by: tuple[str, ...]) -> dict[Key, float]:
        """Finite values of an instant query by labels.

        Raises:
            MonitoringError: no answer, or not one of Prometheus.
        """
        found = self._ask("query", {"query": expression, "time": at})
        values = {_key(each["metric"], by): float(each["value"][1]) for each in found}
        return {key: value for key, value in values.items() if math.isfinite(value)}

    def over(
        self, expression: str, start: float, end: float, by: tuple[str, ...]
    ) -> dict[Key, list[tuple[float, float]]]:
        """Lines of a range query by labels."""
        step = max((end - start) / POINTS, 1.0)
        found = self._ask("query_range", {"query": expression, "start": start, "end": end, "step": step})
        return {_key(each["metric"], by): [(float(at), float(v)) for at, v in each["values"]] for each in found}

    def _ask(self, path: str, parameters: Mapping[str, str | float]) -> Any:
        body = urllib.parse.urlencode(parameters).encode()
        try:
            with urllib.request.urlopen(f"{self._url}/api/v1/{path}", body, timeout=TIMEOUT_SECONDS) as answer:
                return json.loads(answer.read(ANSWER_BYTES))["data"]["result"]
        except urllib.error.HTTPError as error:
            told = f"answered {error.code}"
        except (OSError, ValueError) as error:
            told = f"can't be reached: {getattr(error, 'reason', None) or error}"
        except (KeyError, TypeError):
            told = "did not answer as Prometheus does"
        raise MonitoringError(f"Prometheus at {self._url} {told}", f"set prometheus_url to yours")


def check_window(since: str, known: tuple[str, ...]) -> str:
    """The window, if figures are recorded over it."""
    if since not in known:
        raise MonitoringError(f"figures are recorded over {', '.join(known)}, not {since!r}: choose one of them")
    return since


def drift(server: Prometheus, window: str, at: float) -> DriftReport:
    """What drifted over the window that ends at `at`."""
    by = ("model", "feature")

    def now(name: str, window: str = window) -> dict[Key, float]:
        return server.now(recorded(name, window), at, by)

    psi, threshold, jensen = now("psi"), now("psi_threshold"), now("jensen_shannon")
    missing, before = now("missing_share"), now("feature_reference_missing_share", "")
    watch = {*server.now(raw("feature_info", equals("watch", "ring")), at, by)}
    lines = server.over(recorded("psi", window), at - SECONDS[window], at, by)
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
    unseen = {key[0]: value for key, value in server.now(recorded("unseen_share", window), at, ("key",)).items()}
    volume = server.now(recorded("team_alerts", window), at, ("group",))
    rates = server.now(recorded("team_rate", window), at, ("group",))
    groups = {
        key[0]: {"alerts": n, **({"acted_on": rates[key]} if key in rates else {})} for key, n in sorted(volume.items())
    }
    return DriftReport(window, at, features, unseen, groups)


def judge(server: Prometheus, window: str, at: float) -> QualityReport:
    """How right the models were over the window that ends at `at`."""
    by = ("model", "role")
    part = equals("part", "open")
    figures = {name: server.now(recorded(name, window, part), at, by) for name in FIGURES}
    for name in BAND_FIGURES:
        edge = [equals("edge", _EDGES[name])] if name in _EDGES else []
        figures[name] = server.now(recorded(name, window, *edge), at, by)
    for name in ESTIMATES:
        figures[name] = server.now(recorded(name, window), at, by)
    counted = queries.total(quality.MODEL, recorded("quality_outcomes", window, part))
    matured = server.now(counted, at, by)
    shares = server.now(recorded("matured_share", window), at, by)
    bins = {
        name: server.now(recorded(f"calibration_{name}", window, part), at, (*by, "bin"))
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
    until = server.now(f"min({recorded('matured_until', 'seconds')})", at, ())
    return QualityReport(window, at, until.get(()), models)


def _bins(key: Key, bins: Mapping[str, Mapping[Key, float]]) -> list[Bin]:
    edges = [edge for edge in quality.BIN_EDGES if (*key, edge) in bins["count"]]
    return [
        Bin(edge, bins["count"][*key, edge], bins["mean"].get((*key, edge)), bins["rate"].get((*key, edge)))
        for edge in edges
    ]


def _untested(observed: float, psi: float | None, threshold: float | None) -> str | None:
    if observed < queries.LEAST_OBSERVED:
        return f"fewer than {queries.LEAST_OBSERVED} observations"
    return "no reference" if psi is None or threshold is None else None


def _drifted(observed: float, psi: float | None, threshold: float | None) -> bool | None:
    if psi is None or threshold is None or observed < queries.LEAST_OBSERVED:
        return None
    return psi > threshold and psi > queries.EFFECT_FLOOR


def _key(labels: Mapping[str, str], by: tuple[str, ...]) -> Key:
    return tuple(labels.get(label, "") for label in by)
