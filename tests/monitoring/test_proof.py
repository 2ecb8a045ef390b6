"""Real Prometheus over nine simulated days of three workers: rules, panels and alerts answer what they should."""

import json
from heapq import merge
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream.closer.brakes import WINDOWS, BrakeWatch, drifted
from stream.monitoring import alerts, page, report, rules
from stream.monitoring.queries import promql
from stream.monitoring.queries.drift import DRIFT_WINDOWS, EFFECT_FLOOR
from stream.monitoring.queries.service import DEFAULT_JOB
from stream.monitoring.rules import Alert
from stream.prometheus import Prometheus
from tests.monitoring import simulated
from tests.monitoring.closers import CLOSER_JOB, pages
from tests.monitoring.evaluating import Span, record
from tests.monitoring.panels import targets
from tests.monitoring.simulated import DAY, DAYS, HOUR, MODEL, ROWS, SHARES, START, STEP, WATCH, Organisation
from tests.servers.prometheus import PrometheusServer

pytestmark = [pytest.mark.slow]

NOW = START + DAYS * DAY
DASHBOARDS = sorted((Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards").glob("*.json"))
WINDOW_SECONDS = {"1h": HOUR, "24h": DAY, "7d": 7 * DAY}
ALERTS = [rule for group in alerts.groups() for rule in group.rules if isinstance(rule, Alert)]
VARIABLES = {
    "$job": f"{DEFAULT_JOB}|{CLOSER_JOB}",
    "$minutes": "5",
    "$instance": ".+",
    "$model": ".+",
    "$role": ".+",
    "$group": "network",
    "$feature": "sudden",
    "$__rate_interval": "1h",
}
RINGING = {
    ("NoisegateFeatureDrift", "sudden"),
    ("NoisegateFeatureDrift", "slow"),
    ("NoisegateFeatureDrift", "broken"),
    ("NoisegateFeatureDrift", "habit"),
    ("NoisegateFeatureMissing", "broken"),
}


@pytest.fixture(scope="module")
def organisation() -> Organisation:
    """What was drawn."""
    return Organisation()


@pytest.fixture(scope="module")
def server(prometheus: PrometheusServer, organisation: Organisation) -> PrometheusServer:
    """Nine days of three workers, and what the recording rules made of them."""
    closers = pages(at for at, _ in simulated.times())
    prometheus.backfill(merge(organisation.run(), closers, key=lambda each: each.at))
    late = Span(NOW - 4 * HOUR, NOW, STEP)
    drift = Span(START + DAY, NOW, STEP)
    record(prometheus, rules.recordings(), {"noisegate-drift": drift, "noisegate-reference": drift, "": late})
    return prometheus


def psi(counts: Any) -> float:
    """As SPEC'd: half a count more in every bin, on both sides."""
    bins = len(SHARES)
    p = (counts + 0.5) / (counts.sum() + 0.5 * bins)
    q = (SHARES * ROWS + 0.5) / (ROWS + 0.5 * bins)
    return float(((p - q) * np.log(p / q)).sum())


@pytest.mark.parametrize("window", DRIFT_WINDOWS)
@pytest.mark.parametrize("day", [2.5, 5.5, 9.0])
def test_psi_is_numpys(server: PrometheusServer, organisation: Organisation, window: str, day: float) -> None:
    """PSI over three workers is numpy's on the increases that Prometheus returns, and on what was drawn, pooled.

    Day 5.5 has a counter reset behind it; at 2.5 days a worker is yet to come, at 9 one has left.
    """
    at = START + day * DAY
    said = server.by(["feature"], promql.recorded("psi", window), at)
    increases = server.by(["feature", "bin"], promql.recorded("feature_observations", window), at)
    for feature in WATCH:
        counts = np.array([increases[feature, name] for name in simulated.BINS])
        assert said[(feature,)] == pytest.approx(psi(counts), rel=1e-6, abs=1e-12)
        drawn = organisation.pooled(feature, at - WINDOW_SECONDS[window], at)
        assert counts.sum() == pytest.approx(drawn.sum(), rel=0.02)
        assert said[(feature,)] == pytest.approx(psi(drawn), rel=0.02, abs=1e-3)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_panel_has_data(server: PrometheusServer, path: Path) -> None:
    """Each query of each panel, its variables filled in, returns series with numbers."""
    found = targets(json.loads(path.read_text()))
    assert found
    for title, expression in found:
        for name, value in VARIABLES.items():
            expression = expression.replace(name, value)
        values = [series.value for series in server.query(expression, NOW)]
        assert values, f"{title}: {expression}"
        assert any(np.isfinite(value) for value in values), f"{title}: {expression}"


def test_every_recording_rule_has_data(server: PrometheusServer) -> None:
    """Each rule recorded something."""
    for group in rules.recordings():
        for rule in group.rules:
            assert isinstance(rule, rules.Recording)
            assert server.query(rule.record, NOW), rule.record


def test_what_rings_and_what_does_not(server: PrometheusServer) -> None:
    """At the end what drifted rings, on both windows; what is calm, only shown, or too young does not."""
    rang = {(alert.alert, each.labels.get("feature", "")) for alert in ALERTS for each in server.query(alert.expr, NOW)}
    assert rang == RINGING


@pytest.mark.parametrize(
    ("name", "feature", "since", "hours"),
    [
        ("NoisegateFeatureDrift", "sudden", simulated.SUDDEN_DAY, 18),
        ("NoisegateFeatureDrift", "habit", simulated.HABIT_DAY, 24),
        ("NoisegateFeatureDrift", "broken", simulated.BROKEN_DAY, 4),
        ("NoisegateFeatureMissing", "broken", simulated.BROKEN_DAY, 8),
        ("NoisegateFeatureDrift", "slow", simulated.SLOW_FROM, 5 * 24),
    ],
)
def test_drift_rings_in_time(server: PrometheusServer, name: str, feature: str, since: float, hours: float) -> None:
    """The 24h window rings within the stated hours of each kind of drift, and never before it began."""
    [alert] = [each for each in ALERTS if each.alert == name and each.labels["window"] == "24h"]
    series = server.query_range(alert.expr, START + DAY, NOW, STEP)
    times = [at for each in series if each.labels["feature"] == feature for at, _ in each.samples]
    first = (min(times) - START - since * DAY) / HOUR
    assert 0 < first < hours, first


@pytest.mark.parametrize("feature", ["calm", "hour_of_day"])
def test_what_is_calm_or_only_shown_never_rings(server: PrometheusServer, feature: str) -> None:
    """Over nine days with a quiet hour each, neither a calm feature nor the time of day rings."""
    for alert in ALERTS:
        if alert.alert == "NoisegateFeatureDrift":
            series = server.query_range(alert.expr, START + DAY / 4, NOW, STEP)
            assert feature not in {each.labels["feature"] for each in series}
    hours = server.query_range(f'noisegate:psi:1h{{feature="{feature}"}}', START + DAY, NOW, STEP)
    assert max(value for each in hours for _, value in each.samples) > EFFECT_FLOOR


def test_quality_is_what_was_simulated(server: PrometheusServer) -> None:
    """A calibrated champion and a challenger that says 0.1 too much: told apart by calibration, Brier, detection."""
    champion, challenger = (MODEL, "champion"), (simulated.CHALLENGER, "challenger")
    by = ["model", "role"]
    of = {
        name: server.by(by, f'noisegate:{name}:7d{{part="open"}}', NOW)
        for name in ("calibration_error", "label_rate", "mean_score", "brier", "last_agreement", "auc")
    }
    assert of["calibration_error"][champion] < 0.02
    assert of["calibration_error"][challenger] == pytest.approx(0.1, abs=0.02)
    assert of["label_rate"][champion] == pytest.approx(of["mean_score"][champion], abs=0.02)
    assert of["brier"][challenger] > of["brier"][champion]
    assert 0.5 < of["last_agreement"][champion] < 0.9
    assert of["auc"][champion] == pytest.approx(0.87, abs=0.03)
    expected = server.by(by, "noisegate:expected_suppressed_at_95:7d", NOW)[champion]
    really = server.by(by, 'noisegate:suppressed_at_95:7d{part="open"}', NOW)[champion]
    assert expected == pytest.approx(really, abs=0.08)
    assert server.by(by, "noisegate:expected_brier:7d", NOW)[champion] == pytest.approx(of["brier"][champion], abs=0.01)
    assert server.by(by, "noisegate:matured_share:7d", NOW)[champion] == pytest.approx(1.0, abs=0.01)


def test_the_report_tells_the_same(server: PrometheusServer, tmp_path: Path) -> None:
    """`noisegate report` names what drifted first, with the figures that Prometheus recorded, and draws them."""
    client = Prometheus(server.url)
    drift = report.drift_report(client, "24h", NOW)
    assert {each.feature for each in drift.features if each.drifted and each.rings} == {
        "sudden", "slow", "broken", "habit"
    }  # fmt: skip
    first = drift.features[0]
    assert first.psi == server.by(["feature"], "noisegate:psi:24h", NOW)[(first.feature,)]
    assert len(first.line) > 50
    assert set(drift.groups) == {"network", "other"}
    judged = report.quality_report(client, "7d", NOW)
    assert [each.role for each in judged.models] == ["champion", "challenger"]
    wanted = {*report.FIGURES, *report.BAND_FIGURES, *report.ESTIMATES}
    assert set(judged.models[0].figures) == wanted
    for name, text in (("drift", page.drift_page(drift)), ("quality", page.quality_page(judged))):
        (tmp_path / f"{name}.html").write_text(text)
        assert "<svg" in text
        assert "nan" not in text


def test_rules_are_braked_where_the_alert_on_drift_would_ring(server: PrometheusServer) -> None:
    """The closer asks the same series: features that are watched, by their thresholds; and it is told of no other."""
    brakes = BrakeWatch(Prometheus(server.url), 90.0, lambda: NOW)
    brakes.look()
    assert brakes.everything is None
    ringing = {feature for alert, feature in RINGING if alert == "NoisegateFeatureDrift"}
    found = {
        each.labels["feature"] for window in WINDOWS for each in Prometheus(server.url).query(drifted(window), NOW)
    }
    assert found == ringing
    why = brakes.models.drift(MODEL)
    assert why is not None
    assert why.split(" of model ")[0] in ringing
    assert brakes.models.drift("another") == "Prometheus has no record of the drift of model another"
