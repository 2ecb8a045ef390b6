"""The docs name everything there is: verbs, settings, metrics and reasons of failure."""

import re
from pathlib import Path

import pytest

from stream.cli import root
from stream.config import setting_names
from stream.core.problem import parse_problem
from stream.core.records import FAILURES
from stream.metrics.closer import CloserMetrics
from stream.metrics.intake import IntakeMetrics
from stream.metrics.relay import RelayMetrics
from stream.metrics.scorer import ScorerMetrics
from stream.metrics.triage import TriageMetrics
from stream.models.pointers import parse_pointer

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
DOCS = sorted((ROOT / "docs").glob("*.md"))
METRICS = (ROOT / "docs" / "METRICS.md").read_text()
OPERATIONS = (ROOT / "docs" / "OPERATIONS.md").read_text()


def verbs() -> list[str]:
    """Every command, with its group."""
    found = []
    for name, command in root().commands.items():
        below = getattr(command, "commands", None)
        found += [f"{name} {verb}" for verb in below] if below else [name]
    return found


@pytest.mark.parametrize("verb", verbs())
def test_every_verb_stands_in_the_readme(verb: str) -> None:
    """A command that the README does not name can't be found."""
    assert re.search(rf"`(noisegate )?{verb}\b", README)


@pytest.mark.parametrize("field", setting_names())
def test_every_setting_stands_in_the_readme(field: str) -> None:
    """Each setting is in the table."""
    assert f"`{field}`" in README


def test_the_reference_of_metrics_is_the_catalogue() -> None:
    """Every family that a room shows has one row, whose meaning is its help text on /metrics."""
    rows = [[cell.strip() for cell in line.split(" | ")] for line in METRICS.splitlines() if line.startswith("| `")]
    meanings = {row[0].strip("| `").removesuffix("_total"): row[-1].removesuffix(" |") for row in rows}
    assert len(meanings) == len(rows) > 50
    catalogues = (ScorerMetrics(), IntakeMetrics(), RelayMetrics(), TriageMetrics(), CloserMetrics())
    shown = [family for one in catalogues for family in one.registry.collect()]
    assert meanings == {family.name: family.documentation for family in shown}


@pytest.mark.parametrize("reason", FAILURES)
def test_every_reason_of_failure_stands_in_the_docs(reason: str) -> None:
    """Who finds a reason in a header can look it up."""
    assert f"`{reason}`" in OPERATIONS


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in DOCS)])
def test_links_to_files_lead_somewhere(page: str) -> None:
    """No dead links within the project."""
    for link in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text()):
        assert ((ROOT / page).parent / link).exists(), link


def test_the_problem_file_in_the_docs_can_be_used() -> None:
    """The example is one that the scorer takes."""
    page = (ROOT / "docs" / "PROBLEM.md").read_text()
    example = page.split("```toml\n")[1].split("```")[0]
    assert parse_problem(example).outcome.horizon_hours == 24


def test_the_pointer_in_the_docs_can_be_used() -> None:
    """The table of teams is one that the store reads; each verb of the models stands in the page."""
    page = (ROOT / "docs" / "MODELS.md").read_text()
    example = page.split("```toml\n")[1].split("```")[0]
    pointer = parse_pointer(example.encode(), "docs")
    assert pointer.version_of("web-shop") == pointer.version_of("payments") != pointer.version_of("other")
    for verb in (verb for verb in verbs() if verb.startswith("models ")):
        assert f"noisegate {verb}" in page, verb
