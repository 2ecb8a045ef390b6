"""What `python -m stream.monitoring write` writes: the rule files and the dashboards, from code."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from stream.monitoring import alerts, dashboards, rules
from stream.monitoring.rules import Alert, Group, Recording

DEPLOY = Path("deploy")
RUNBOOK = "docs/RUNBOOK.md"
"""Where runbook_url points: a path in a clone, until `--runbook URL` says where your readers find it."""
HEADER = "# Made by `python -m stream.monitoring write` from stream/monitoring; change it there.\n"


class _Dumper(yaml.SafeDumper):
    """Expressions of several lines stay readable."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def as_yaml(groups: Sequence[Group], runbook: str = RUNBOOK) -> str:
    """A rule file."""
    told = {"groups": [_group(group, runbook) for group in groups]}
    return HEADER + yaml.dump(told, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)


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


def files(runbook: str = RUNBOOK) -> dict[Path, str]:
    """Every file and its text, below the folder `deploy`."""
    made = {
        Path("prometheus/rules/recordings.yml"): as_yaml(rules.recordings()),
        Path("prometheus/rules/alerts.yml"): as_yaml(alerts.groups(), runbook),
    }
    for dashboard in dashboards.every():
        told = json.dumps(dashboard, cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False)
        made[Path(f"grafana/dashboards/{dashboard.uid}.json")] = told + "\n"
    return made


def write(deploy: Path, runbook: str = RUNBOOK) -> list[Path]:
    """Write all of them; says which."""
    written = []
    for path, text in files(runbook).items():
        target = deploy / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        written.append(target)
    return written
