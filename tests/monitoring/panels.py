"""Reading dashboards: their panels, also those within rows, what these ask, and which series that names."""

import re
from collections.abc import Iterator
from typing import Any

from stream.monitoring.queries.service import DEFAULT_JOB
from tests.monitoring.closers import CLOSER_JOB

SELECTOR = re.compile(r"\b(noisegate_\w+|up)\b(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')
VARIABLES = {
    "$job": f"{DEFAULT_JOB}|{CLOSER_JOB}",
    "$minutes": "5",
    "$instance": ".+",
    "$model": ".+",
    "$role": ".+",
    "$group": "shops",
    "$feature": "score",
    "$__rate_interval": "4h",
}


def panels(dashboard: Any) -> Iterator[Any]:
    """All panels but rows."""
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield from panel.get("panels", [])
        else:
            yield panel


def targets(dashboard: Any) -> list[tuple[str, str]]:
    """Title and expression of every query."""
    return [(panel["title"], target["expr"]) for panel in panels(dashboard) for target in panel.get("targets", [])]


def filled(expression: str) -> str:
    """The expression, with values for the dashboards' variables."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def fits(labels: dict[str, str], label: str, operator: str, value: str) -> bool:
    """Whether a series' labels fit one matcher; a label that no such series has is an error."""
    assert label in labels or operator.startswith("!"), f"no label {label}"
    found = labels.get(label, "")
    same = found == value if operator in ("=", "!=") else re.fullmatch(value, found) is not None
    return same == (operator in ("=", "=~"))
