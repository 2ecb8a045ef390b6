"""Reading dashboards: their panels, also those within rows, and what these ask."""

from collections.abc import Iterator
from typing import Any


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
