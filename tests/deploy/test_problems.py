"""The problem files that are shipped as examples can be used, and differ in what they are for."""

from pathlib import Path

import pytest

from stream.config import load_problem
from tests.servers.kafka import ROOT

PROBLEMS = sorted((ROOT / "deploy" / "problems").glob("*.toml"))


@pytest.mark.parametrize("path", PROBLEMS, ids=lambda path: path.stem)
def test_a_shipped_problem_file_loads(path: Path) -> None:
    """Each is read and checked as a scorer does it."""
    problem = load_problem(path)
    assert problem.outcome.horizon_hours == 24
    assert problem.outcome.deciding("person")["worked"]


def test_a_persons_acknowledgement_counts_with_prometheus_alone() -> None:
    """There it is the only act there is; a machine's counts for nothing, and in the general example none does."""
    prometheus = load_problem(ROOT / "deploy" / "problems" / "prometheus.toml").outcome
    assert prometheus.deciding("person")["acknowledged"] is True
    assert "acknowledged" not in prometheus.deciding("automation")
    assert "ended" not in prometheus.deciding("automation")
    assert "escalated" not in prometheus.deciding("automation")
    general = load_problem(ROOT / "deploy" / "problems" / "simulated.toml").outcome
    assert "acknowledged" not in general.deciding("person")
