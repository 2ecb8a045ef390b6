"""What watches noisegate is sound: rules, their tests, dashboards, runbook, and the files equal the code."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from stream.monitoring import alerts, rules, writing
from stream.monitoring.dashboards.panels import TITLES
from stream.monitoring.queries.service import DEFAULT_JOB
from stream.monitoring.rules import Alert, Recording
from stream.scorer.clocks import BOUND_SECONDS
from tests.monitoring.panels import panels

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RULES = sorted((DEPLOY / "prometheus" / "rules").glob("*.yml"))
TESTS = sorted((DEPLOY / "prometheus" / "tests").glob("*.yml"))
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
ALERTS = [rule for group in alerts.groups() for rule in group.rules if isinstance(rule, Alert)]
RECORDINGS = [rule for group in rules.recordings() for rule in group.rules if isinstance(rule, Recording)]
UNITS = {"percentunit", "short", "s", "none", "ops", "dateTimeAsIso"}
COUNTERS = re.compile(r"noisegate_\w+_(?:total|bucket|sum|count)\b")
SELECTOR = re.compile(r"(?:noisegate[:_][\w:]+|\bup)\b(\{[^}]*\})?")


def test_files_equal_the_code() -> None:
    """`python -m stream.monitoring write` would change nothing."""
    written = writing.files()
    for path, text in written.items():
        assert (ROOT / path).read_text() == text, path
    assert {path for path in written if path.suffix == ".json"} == {path.relative_to(ROOT) for path in DASHBOARDS}


@pytest.mark.slow
def test_another_job_is_in_every_rule_that_names_one() -> None:
    """Written for another scrape job, the files differ by that name only, and hold the default nowhere."""
    mine, default = writing.files(job="alerts/scorer"), writing.files()
    assert {path: text.replace(DEFAULT_JOB, "alerts/scorer") for path, text in default.items()} == mine
    changed = {path.name for path in mine if mine[path] != default[path]}
    assert changed == {"alerts.yml", "labels.yml", "recordings.yml"}
    assert 'up{job="alerts/scorer"} == 0' in mine[Path("deploy/prometheus/rules/alerts.yml")]


@pytest.mark.slow
@pytest.mark.parametrize("name", ['a"b', "a b", ""])
def test_a_job_that_breaks_a_query_is_refused(name: str, tmp_path: Path) -> None:
    """One sentence says which characters a job's name may have, and nothing is written."""
    command = [sys.executable, "-m", "stream.monitoring", "write", "--job", name]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "letters, digits" in done.stderr
    assert not list(tmp_path.iterdir())


def test_rules_and_configuration_are_valid(promtool: str, amtool: str) -> None:
    """promtool takes rules and configuration, amtool takes Alertmanager's."""
    for command in (
        [promtool, "check", "rules", *map(str, RULES)],
        [promtool, "check", "config", str(DEPLOY / "prometheus" / "prometheus.yml")],
        [amtool, "check-config", str(DEPLOY / "alertmanager" / "alertmanager.yml")],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_rules_do_what_their_tests_say(promtool: str, path: Path) -> None:
    """promtool's unit tests of the rules pass."""
    done = subprocess.run([promtool, "test", "rules", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_clock_alert_begins_where_ticks_end() -> None:
    """The alert's limit is the difference beyond which a worker writes no ticks."""
    assert alerts.service.CLOCK_SECONDS == BOUND_SECONDS


@pytest.mark.slow
def test_every_rule_has_a_test() -> None:
    """Each recording rule is asked for and yields something somewhere; each alert rings in one test."""
    cases = [case for path in TESTS for case in yaml.safe_load(path.read_text())["tests"]]
    asked = [each["expr"] for case in cases for each in case.get("promql_expr_test", []) if each.get("exp_samples")]
    for rule in RECORDINGS:
        assert any(re.search(rf"{rule.record}(?![\w:])", expression) for expression in asked), rule.record
    rung = {each["alertname"] for case in cases for each in case.get("alert_rule_test", []) if each.get("exp_alerts")}
    assert {alert.alert for alert in ALERTS} == rung


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.alert + alert.labels.get("window", ""))
def test_alerts_have_form(alert: Alert) -> None:
    """CamelCase with one prefix, a known severity, words, and a section in the runbook."""
    assert re.fullmatch(r"Noisegate([A-Z][a-z0-9]+)+", alert.alert)
    assert alert.severity in ("page", "ticket", "info")
    assert alert.summary
    assert alert.description.endswith(".")
    assert f"\n## {alert.alert}\n" in (ROOT / "docs" / "RUNBOOK.md").read_text()
    assert not re.search(r"noisegate:psi:1h", alert.expr)


def test_the_scrape_job_is_the_rules() -> None:
    """Prometheus scrapes under the name that the alerts ask for, every replica by DNS."""
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    [job] = [each for each in config["scrape_configs"] if each["job_name"] == DEFAULT_JOB]
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    [discovery] = job["dns_sd_configs"]
    assert discovery["names"][0] in compose["services"]
    assert str(discovery["port"]) == compose["services"]["scorer"]["environment"]["NOISEGATE_METRICS_PORT"]


@pytest.mark.parametrize("name", ["prometheus", "alertmanager", "grafana"])
def test_compose_provisions_it(name: str) -> None:
    """A pinned image, a health check, and every file of ours mounted read-only and there."""
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][name]
    assert re.search(r":v?\d+\.\d+\.\d+$", service["image"])
    assert service["healthcheck"]["test"]
    ours = [volume for volume in service["volumes"] if volume.startswith("./")]
    assert ours
    assert all(volume.endswith(":ro") and (ROOT / volume.split(":")[0]).exists() for volume in ours)


def excluded(rule: str, dashboard: Any, panel: Any = None) -> bool:
    """Whether .lint says, with a reason, that the rule need not hold there."""
    told = yaml.safe_load((DEPLOY / "grafana" / "dashboards" / ".lint").read_text())["exclusions"].get(rule)
    entries = told["entries"] if told and told["reason"] else []
    mine = [each for each in entries if each["dashboard"] == dashboard["title"]]
    return any(each.get("panel") in (None, panel and panel["title"]) for each in mine)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_dashboard_linter_variables(path: Path) -> None:
    """dashboard-linter: variables of data source, job and instance as it wants them, reloaded with time; read-only."""
    dashboard = json.loads(path.read_text())
    variables = {each["name"]: each for each in dashboard["templating"]["list"]}
    assert variables["datasource"]["query"] == "prometheus"
    assert variables["datasource"]["label"] == "Data source"
    wanted = ["job"] if excluded("template-instance-rule", dashboard) else ["job", "instance"]
    for name in wanted:
        each = variables[name]
        assert (each["label"], each["multi"], each["allValue"]) == (name.capitalize(), True, ".+")
        assert each["datasource"]["uid"] == "${datasource}"
    assert all(each["refresh"] == 2 for each in variables.values() if each["type"] == "query")
    assert dashboard["editable"] is False
    assert {link["url"] for link in dashboard["links"]} == {f"/d/{uid}" for uid in TITLES if uid != dashboard["uid"]}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_dashboard_linter_panels(path: Path) -> None:
    """dashboard-linter: title, description, unit, data source, targets; job and instance matched; rates by interval."""
    dashboard = json.loads(path.read_text())
    for panel in panels(dashboard):
        assert panel["title"]
        assert panel["description"]
        if panel["type"] == "text":
            continue
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        assert panel["targets"]
        for target in panel["targets"]:
            lint_target(dashboard, panel, target["expr"])


def lint_target(dashboard: Any, panel: Any, expression: str) -> None:
    """Every selector matches job (and instance), every range is the rate interval, every counter is under a rate."""
    for selector in SELECTOR.finditer(expression):
        matchers = selector.group(1) or ""
        assert 'job=~"$job"' in matchers, expression
        if not excluded("target-instance-rule", dashboard, panel):
            assert 'instance=~"$instance"' in matchers, expression
    assert set(re.findall(r"\[(.+?)\]", expression)) <= {"$__rate_interval"}, expression
    for counter in COUNTERS.finditer(expression):
        assert re.search(r"(rate|increase)\($", expression[: counter.start()]), expression
