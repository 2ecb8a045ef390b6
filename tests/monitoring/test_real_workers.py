"""Real Prometheus over what the real registries of three real scorer rooms said: rules, panels and alerts are right."""

import json
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from heapq import merge
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from prometheus_client.parser import text_string_to_metric_families

from stream.core import drift
from stream.core.frame import Array
from stream.core.ledger import HELD_OUT
from stream.health import HealthServer
from stream.lab.matrix import predict, served_matrix
from stream.lab.reference import bins_of
from stream.metrics.closer import CloserMetrics
from stream.metrics.intake import IntakeMetrics
from stream.metrics.relay import RelayMetrics
from stream.metrics.scorer import SCORE_EDGES
from stream.metrics.triage import TriageMetrics
from stream.models.model import Model
from stream.models.reference import SCORE, chance
from stream.monitoring import alerts, rules
from stream.monitoring.queries import promql, quality
from stream.monitoring.queries.drift import ALERT_WINDOWS, EFFECT_FLOOR, LEAST_OBSERVED
from stream.monitoring.queries.quality import BIN_EDGES, EDGES, KEPT
from stream.monitoring.queries.service import DEFAULT_JOB
from stream.monitoring.rules import Alert, Recording
from tests.monitoring.closers import pages
from tests.monitoring.evaluating import Span, record
from tests.monitoring.panels import MATCHER, SELECTOR, filled, fits, targets
from tests.monitoring.workers import (
    BEGIN,
    BROKEN_DAY,
    DAY,
    END_DAY,
    HABIT_DAY,
    HOUR,
    NOW,
    SUDDEN_DAY,
    TRAINED_DAY,
    Organisation,
    moments,
)
from tests.servers.availability import unavailable
from tests.servers.prometheus import PrometheusServer
from tests.servers.redis import RedisServer

pytestmark = [pytest.mark.slow]

LIVE = BEGIN + TRAINED_DAY * DAY
SPARSE = 4 * HOUR
WINDOW_SECONDS = {"1h": HOUR, "24h": DAY, "7d": 7 * DAY}
DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
ALERTS = [rule for group in alerts.groups() for rule in group.rules if isinstance(rule, Alert)]
RECORDINGS = [rule for group in rules.recordings() for rule in group.rules if isinstance(rule, Recording)]
Counts = NDArray[np.int64]
TIGHT = 1e-4
SERIES_MOST, SCRAPES_WAITED = 4_000, 120
WITH_EDGES = (
    "scores_bucket", "scores_below_sum_total", "quality_scores_bucket", "quality_scores_below_sum_total"
)  # fmt: skip
RINGS = [
    ("NoisegateFeatureDrift", {"feature": "team_rule_entity.rate_1d"}, HABIT_DAY, 48),
    ("NoisegateCalibrationOff", {"role": "champion"}, HABIT_DAY, 120),
    ("NoisegateLabelRateMoved", {"role": "champion"}, HABIT_DAY, 120),
    ("NoisegateFeatureDrift", {"feature": "prior.source"}, SUDDEN_DAY, 24),
    ("NoisegateFeatureDrift", {"feature": "prior.entity"}, BROKEN_DAY, 16),
    ("NoisegateFeatureMissing", {"feature": "team_rule_entity.last_1"}, BROKEN_DAY, 16),
    ("NoisegateUnseenValues", {"key": "entity"}, BROKEN_DAY, 16),
]


@pytest.fixture(scope="module")
def organisation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Organisation]:
    """Log, models and workers."""
    try:
        redis = RedisServer()
    except FileNotFoundError as error:
        unavailable(str(error))
    with redis:
        yield Organisation(tmp_path_factory.mktemp("workers"), redis.url)


@pytest.fixture(scope="module")
def server(organisation: Organisation) -> Iterator[PrometheusServer]:
    """Everything that the workers exposed, and what the recording rules made of it."""
    try:
        prometheus = PrometheusServer(lookback="125m")
    except FileNotFoundError as error:
        unavailable(str(error))
    with prometheus:
        closers = pages(moments())
        prometheus.backfill(merge(organisation.run(), closers, key=lambda each: each.at))
        whole = Span(LIVE + SPARSE, NOW, SPARSE)
        late = Span(NOW - HOUR, NOW, HOUR)
        spans = {"noisegate-drift-1h": late, "noisegate-quality-24h": late, "": whole}
        record(prometheus, rules.recordings(), spans)
        yield prometheus


def _columns(model: Model, organisation: Organisation, since: float, until: float) -> dict[str, Counts]:
    """Of each watched feature, and the score, the counts by bin of the alerts raised in [since, until)."""
    replayed = organisation.replayed
    indices = np.flatnonzero(replayed.counts & (replayed.at >= max(since, LIVE)) & (replayed.at < until))
    matrix = served_matrix(replayed, model, indices)
    columns = {feature.name: matrix[:, place].astype(np.float64) for place, feature in enumerate(model.table)}
    columns[SCORE] = predict(model, matrix).astype(np.float32).astype(np.float64)
    spreads = model.reference.spreads
    return {
        name: np.bincount(bins_of(columns[name], spread.edges), minlength=len(spread.shares) + 1)
        for name, spread in spreads.items()
    }


def _psi(model: Model, name: str, counts: Counts) -> float:
    spread = model.reference.spreads[name]
    return drift.psi(counts.astype(np.float64), [*spread.shares, spread.missing], model.reference.rows)


@pytest.mark.parametrize("role", ["champion", "challenger"])
@pytest.mark.parametrize("window", ALERT_WINDOWS)
@pytest.mark.parametrize("day", [62.5, 66.0, END_DAY])
def test_psi_is_numpys(
    server: PrometheusServer, organisation: Organisation, window: str, day: float, role: str
) -> None:
    """PSI over three workers is numpy's on the increases that Prometheus returns, and on the raw features, pooled.

    The second within 2 %, or 0.002 where there is next to nothing: at a window's begin `increase` reaches up to half
    an interval beyond a worker's first sample, which adds at most 1 % to every count.
    """
    model: Model = getattr(organisation, role)
    at, mine = BEGIN + day * DAY, f'model="{model.version}"'
    said = server.by(["feature"], promql.recorded("psi", window, mine), at)
    increases = server.by(["feature", "bin"], promql.recorded("feature_observations", window, mine), at)
    raw = _columns(model, organisation, at - WINDOW_SECONDS[window], at)
    assert {name for (name,) in said} == set(model.reference.spreads)
    for name, counts in raw.items():
        bins = [*map(str, range(len(counts) - 1)), "missing"]
        returned = np.array([increases[name, bin_] for bin_ in bins])
        assert said[(name,)] == pytest.approx(_psi(model, name, returned), rel=1e-6, abs=1e-9), name
        assert returned == pytest.approx(counts, rel=0.02, abs=0.5), name
        assert said[(name,)] == pytest.approx(_psi(model, name, counts), rel=0.02, abs=0.002), name


def test_a_threshold_is_the_studys(server: PrometheusServer, organisation: Organisation) -> None:
    """What PSI is held against by PromQL is `models.reference.chance`, by feature and window."""
    model = organisation.champion
    watched = [feature.name for feature in model.table if feature.watch == "ring"]
    ringing = [name for name in (*watched, SCORE) if name in model.reference.spreads]
    for window in ALERT_WINDOWS:
        mine = f'model="{model.version}"'
        said = server.by(["feature"], promql.recorded("psi_threshold", window, mine), NOW)
        n = server.by(["feature"], promql.recorded("feature_observed", window, mine), NOW)
        for name in ringing:
            spread = model.reference.spreads[name]
            effect = spread.design_effect if window == "24h" else spread.design_effect_7d
            assert effect is not None
            wanted = chance(spread, len(ringing), effect) * (1.0 / n[(name,)] + 1.0 / model.reference.rows)
            assert said[(name,)] == pytest.approx(wanted, rel=1e-6), name


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_panel_has_data(server: PrometheusServer, path: Path) -> None:
    """Each query of each panel, its variables filled in, returns series with numbers; there is no exception."""
    found = targets(json.loads(path.read_text()))
    assert found
    for title, expression in found:
        values = [series.value for series in server.query(filled(expression), NOW)]
        assert any(np.isfinite(value) for value in values), f"{title}: {expression}"


def test_every_recording_rule_has_data(server: PrometheusServer) -> None:
    """Each rule recorded something; there is no exception."""
    for rule in RECORDINGS:
        assert server.query(rule.record, NOW), rule.record


def test_what_is_asked_for_is_on_the_page(server: PrometheusServer, organisation: Organisation) -> None:
    """Every metric that rules and dashboards name is one of the registries', with the labels it is matched by."""
    asked = [*(rule.expr for rule in RECORDINGS), *(rule.expr for rule in ALERTS)]
    asked += [filled(expression) for path in DASHBOARDS for _, expression in targets(json.loads(path.read_text()))]
    shown: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
    for page in organisation.pages.values():
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                shown[sample.name].append({**sample.labels, "job": DEFAULT_JOB, "instance": "scorer-0:9108"})
    selectors = {found for expression in asked for found in SELECTOR.findall(expression)}
    assert len({name for name, _ in selectors}) > 30
    others = (IntakeMetrics, RelayMetrics, TriageMetrics, CloserMetrics)
    rooms = {family.name for of in others for family in of().registry.collect()}
    for name, matchers in selectors:
        if re.sub("_(total|bucket|count|sum)$", "", name) in rooms and name not in shown:
            continue  # of a room that does not run here
        told = MATCHER.findall(matchers)
        assert any(all(fits(labels, *one) for one in told) for labels in shown[name]), name + matchers


def test_edges_and_floors_are_the_workers(organisation: Organisation, server: PrometheusServer) -> None:
    """The `le` that quality is asked at are spelt as the histograms spell them; floors are those of the study."""
    for page in organisation.pages.values():
        edges: defaultdict[str, set[str]] = defaultdict(set)
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                if "scores" in sample.name and "le" in sample.labels:
                    edges[sample.name].add(sample.labels["le"])
        assert set(edges) == {f"noisegate_{name}" for name in WITH_EDGES}
        assert all(found - {"+Inf"} == set(EDGES) for found in edges.values())
    assert list(map(float, EDGES)) == list(SCORE_EDGES)
    assert set(BIN_EDGES) <= set(EDGES)
    assert (EFFECT_FLOOR, LEAST_OBSERVED) == (drift.EFFECT_FLOOR, drift.ROWS_LEAST)
    assert max(page.count("\n") - page.count("\n#") for page in organisation.pages.values()) < SERIES_MOST


@pytest.mark.parametrize("role", ["champion", "challenger"])
@pytest.mark.parametrize("day", [67.0, END_DAY])
def test_quality_is_numpys(server: PrometheusServer, organisation: Organisation, role: str, day: float) -> None:
    """Figures over 7 days are those of the alerts that matured on their partitions meanwhile, within 1 % (or 0.001).

    Calibration by bins that hold 20 alerts at least. The rest is `increase` reaching beyond a first sample.
    """
    model: Model = getattr(organisation, role)
    at, said = BEGIN + day * DAY, f'model="{model.version}",role="{role}"'
    indices = organisation.matured(max(at - 7 * DAY, LIVE), at)
    replayed = organisation.replayed
    p, acted = predict(model, served_matrix(replayed, model, indices)), replayed.outcome[indices] == 1
    still = (replayed.flags[indices] & HELD_OUT) == 0
    by_part = {"open": still, "held_out": ~still}
    for part, chosen in by_part.items():
        figures = {"brier": (p - acted)[chosen] ** 2, "label_rate": acted[chosen], "mean_score": p[chosen]}
        for name, values in figures.items():
            [found] = server.query(f'noisegate:{name}:7d{{{said},part="{part}"}}', at)
            assert found.value == pytest.approx(values.mean(), rel=TIGHT, abs=1e-4), name
    above = {"likely_noise": p >= model.thresholds.likely_noise}
    above["likely_actionable"] = p >= model.thresholds.likely_actionable
    for edge in KEPT:
        kept = above[edge]
        for name, share in (("detection", kept[acted].mean()), ("precision", acted[kept].mean())):
            [found] = server.query(f'noisegate:{name}:7d{{{said},edge="{edge}"}}', at)
            assert found.value == pytest.approx(share, rel=TIGHT, abs=1e-4), (name, edge)
    [found] = server.query(f"noisegate:suppressed:7d{{{said}}}", at)
    assert found.value == pytest.approx((~above["likely_noise"])[~acted].mean(), rel=TIGHT, abs=1e-4)
    _check_calibration(server, at, said, p[still], acted[still])


def _check_calibration(server: PrometheusServer, at: float, said: str, p: Array, acted: NDArray[np.bool_]) -> None:
    matcher = f'{{{said},part="open"}}'
    rate, mean = (server.by(["bin"], f"noisegate:calibration_{name}:7d{matcher}", at) for name in ("rate", "mean"))
    places = np.searchsorted(np.array(BIN_EDGES, dtype=np.float64), p)
    gaps, checked = 0.0, 0
    for place, edge in enumerate(BIN_EDGES):
        inside = places == place
        if inside.any():
            gaps += abs(p[inside].sum() - acted[inside].sum())
        if inside.sum() >= 20:
            checked += 1
            assert rate[(edge,)] == pytest.approx(acted[inside].mean(), rel=TIGHT, abs=1e-4), edge
            assert mean[(edge,)] == pytest.approx(p[inside].mean(), rel=TIGHT, abs=1e-4), edge
    assert checked >= 5
    [found] = server.query(f"noisegate:calibration_error:7d{matcher}", at)
    assert found.value == pytest.approx(gaps / len(p), rel=TIGHT, abs=1e-4)


def test_nothing_rings_before_the_world_changes(server: PrometheusServer) -> None:
    """In the first week of live time, in which a worker starts anew, no alert at all rings, of drift or otherwise."""
    for alert in ALERTS:
        assert not server.query_range(alert.expr, LIVE + SPARSE, BEGIN + HABIT_DAY * DAY, SPARSE), alert.alert


@pytest.mark.parametrize(("name", "labels", "since", "hours"), RINGS, ids=lambda value: str(value))
def test_what_changed_rings_in_time(
    server: PrometheusServer, name: str, labels: dict[str, str], since: float, hours: float
) -> None:
    """Each change rings within the stated hours after it began, and never before."""
    [expression] = [each.expr for each in ALERTS if each.alert == name and each.labels.get("window") in ("24h", None)]
    series = server.query_range(expression, LIVE + SPARSE, NOW, SPARSE)
    mine = [each for each in series if all(each.labels.get(label) == value for label, value in labels.items())]
    times = [at for each in mine for at, _ in each.samples]
    assert times, name
    first = (min(times) - BEGIN - since * DAY) / HOUR
    assert 0 < first <= hours, first


def test_nothing_else_rings(server: PrometheusServer, organisation: Organisation) -> None:
    """In the days of change only those alerts ring, and only about the champion, not the challenger."""
    rang = set()
    for alert in ALERTS:
        for each in server.query_range(alert.expr, BEGIN + HABIT_DAY * DAY, NOW, SPARSE):
            rang.add(alert.alert)
            assert each.labels["model"] == organisation.champion.version, alert.alert
    assert rang == {name for name, *_ in RINGS}


def test_a_real_page_is_scraped(organisation: Organisation, server: PrometheusServer) -> None:
    """Prometheus, set as we ship it but for where workers are, scrapes a worker that has counted for weeks."""
    worker = organisation.workers[0]
    health = HealthServer("127.0.0.1", 0, worker.rig.metrics.registry, list, list)
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    [job] = [each for each in config["scrape_configs"] if each["job_name"] == DEFAULT_JOB]
    del job["dns_sd_configs"]
    job |= {
        "static_configs": [{"targets": [f"127.0.0.1:{health.port}"]}],
        "scrape_interval": "3s",
        "scrape_timeout": "3s",
    }
    try:
        with PrometheusServer(yaml.safe_dump({"scrape_configs": [job]})) as prometheus:
            mine = promql.equals("job", DEFAULT_JOB)
            assert _soon(prometheus, promql.select("up", mine)) == 1
            samples = _soon(prometheus, promql.select("scrape_samples_scraped", mine))
            assert 2_000 < samples < SERIES_MOST
            stored = _soon(prometheus, f'count({{{mine},__name__=~"noisegate_.+"}})')
            assert samples >= stored > 2_000
            assert _soon(prometheus, quality.matured_until()) > LIVE
    finally:
        health.close()


def _soon(prometheus: PrometheusServer, expression: str) -> float:
    """The one value, once there is one: the first scrape comes within seconds."""
    for _ in range(SCRAPES_WAITED):
        found = prometheus.query(expression, time.time())
        if found and found[0].value:
            return found[0].value
        time.sleep(0.5)
    raise AssertionError(f"nothing came of {expression}")
