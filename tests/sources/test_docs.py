"""docs/INTAKE.md names what there is, and its examples do what it says."""

import re
from pathlib import Path

import msgspec
import pytest

from stream.sources.mapping_rules import AlertFields, MappingRules, Rule, TimeForm, parse_mapping
from stream.sources.options import SourceOptions
from stream.sources.readers import READERS
from tests.cli.conftest import Run, run
from tests.sources.sender import ROOT

PAGE = (ROOT / "docs" / "INTAKE.md").read_text(encoding="utf-8")
SOURCES = ROOT / "stream" / "sources"
__all__ = ["run"]


def block(kind: str, number: int = 0) -> str:
    """One of the page's blocks of code."""
    return PAGE.split(f"```{kind}\n")[number + 1].split("```")[0]


def test_the_example_is_read_as_it_says(run: Run, tmp_path: Path) -> None:
    """The body at the page's beginning gives the lines below it."""
    file = tmp_path / "body.json"
    file.write_text(block("json"))
    assert run("intake", "explain", str(file), "--source", "alertmanager").out == block("text")


def test_the_mapping_in_the_page_can_be_used() -> None:
    """It begins one's own."""
    assert parse_mapping(block("toml", 1)).source == "pumps"


@pytest.mark.parametrize("of", [SourceOptions, MappingRules, AlertFields, Rule, TimeForm])
def test_every_key_stands_in_the_page(of: type[msgspec.Struct]) -> None:
    """Who writes a file finds each key."""
    for field in msgspec.structs.fields(of):
        assert f"`{field.name}`" in PAGE or f"`{field.name} = " in PAGE or f"`{field.name}:" in PAGE, field.name


def test_every_source_and_reason_stands_in_the_page() -> None:
    """Reasons are found in the code by how they are written there."""
    for name in READERS:
        assert f"`{name}`" in PAGE
    names = ("alert_group", "events", "cloudevents", "mapping", "resolve", "times")
    code = "".join((SOURCES / f"{name}.py").read_text(encoding="utf-8") for name in names)
    reasons = set(re.findall(r'(?:Unusable\([^"]*"[^"]*", |Unusable\([^",]+, |BadTime\(|BadRecord\()"(\w+)"', code))
    assert {"bad_field", "bad_time", "future", "reserved_kind", "no_rule"} <= reasons
    for reason in reasons:
        assert f"`{reason}`" in PAGE, reason
