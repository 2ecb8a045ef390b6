"""What `python -m stream.monitoring write` writes: rule files, dashboards and the reference of metrics, from code."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from stream.metrics import reference
from stream.monitoring import alerts, dashboards, rules
from stream.monitoring.queries.service import DEFAULT_JOB
from stream.monitoring.rules import Alert, Group, Recording

RUNBOOK = "docs/RUNBOOK.md"
"""Where runbook_url points: a path in a clone, until `--runbook URL` says where your readers find it."""
HEADER = """\
# Made by `python -m stream.monitoring write` from stream/monitoring; change it there.
# The scrape job of the scorers is {job}; for another name write it with `--job NAME`.
"""


class _Dumper(yaml.SafeDumper):
    """Expressions of several lines stay readable."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def as_yaml(groups: Sequence[Group], runbook: str, job: str) -> str:
    """A rule file."""
    document = {"groups": [_group(group, runbook) for group in groups]}
    return HEADER.format(job=job) + yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True
    )


def _group(group: Group, runbook: str) -> dict[str, Any]:
    return {"name": group.name, "interval": group.interval, "rules": [_rule(rule, runbook) for rule in group.rules]}


def _rule(rule: Recording | Alert, runbook: str) -> dict[str, Any]:
    if isinstance(rule, Recording):
        labels = {"labels": rule.labels} if rule.labels else {}
        return {"record": rule.record, "expr": rule.expr, **labels}
    return {
        "alert": rule.alert,
        "expr": rule.expr,
        "for": rule.held,
        "labels": {"severity": rule.severity, **rule.labels},
        "annotations": {
            "summary": rule.summary,
            "description": rule.description,
            "runbook_url": f"{runbook}#{rule.alert.lower()}",
        },
    }


def files(runbook: str = RUNBOOK, job: str = DEFAULT_JOB) -> dict[Path, str]:
    """Every file and its text, below the clone's folder.

    Args:
        runbook: where `runbook_url` of the alerts points, without the #section.
        job: the scrape job of the scorers. Dashboards have it as the variable `$job`, whatever its name.
    """
    groups = alerts.groups(job)
    of_weeks = [group for group in groups if group.name == alerts.LABELS]
    others = [group for group in groups if group not in of_weeks]
    made = {
        Path("docs/METRICS.md"): reference.page(),
        Path("deploy/prometheus/rules/recordings.yml"): as_yaml(rules.recordings(), runbook, job),
        Path("deploy/prometheus/rules/alerts.yml"): as_yaml(others, runbook, job),
        Path("deploy/prometheus/rules/labels.yml"): as_yaml(of_weeks, runbook, job),
    }
    for dashboard in dashboards.every():
        text = json.dumps(dashboard, cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False)
        made[Path(f"deploy/grafana/dashboards/{dashboard.uid}.json")] = text + "\n"
    return made


def write(root: Path, runbook: str = RUNBOOK, job: str = DEFAULT_JOB) -> list[Path]:
    """The paths of all files, written below `root`."""
    written = []
    for path, text in files(runbook, job).items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        written.append(target)
    return written
