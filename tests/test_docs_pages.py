"""The docs hold together: one title a page, links and anchors that lead somewhere, files and commands that exist."""

import ast
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main

from stream.cli import root
from stream.core.events import Acted, Raised, decode_event
from stream.core.records import decode_enriched
from stream.lab.cli import app as lab

ROOT = Path(__file__).parents[1]
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = re.compile(r"(?<![\w/.-])(?:stream|tests|deploy|docs|benchmarks|schemas)/[\w./*-]*[\w*]")
NAMES = re.compile(r"(?<![\w/.-])(?:stream|benchmarks|tests)(?:\.\w+)+")


@cache
def text_of(page: str) -> str:
    """A page's Markdown without its blocks of code."""
    return FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))


@cache
def blocks_of(page: str, language: str) -> list[str]:
    """A page's blocks of code in a language."""
    return [code for found, code in FENCE.findall((ROOT / page).read_text(encoding="utf-8")) if found == language]


def code_of(page: str) -> list[str]:
    """All code of a page: the spans in backticks, and the blocks for a shell."""
    return [*re.findall(r"`([^`\n]+)`", text_of(page)), *blocks_of(page, "sh")]


@cache
def anchors_of(page: str) -> frozenset[str]:
    """The anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_one_title(page: str) -> None:
    """Each page begins with its only first-level heading."""
    assert re.findall(r"^# .+$", text_of(page), re.MULTILINE) == [text_of(page).splitlines()[0]]


@pytest.mark.parametrize("page", PAGES)
def test_links_and_anchors_lead_somewhere(page: str) -> None:
    """Each relative link names a file of the project, and its anchor a heading of that file."""
    for link in re.findall(r"\]\(([^):]+)\)", text_of(page)):
        path, _, anchor = link.partition("#")
        target = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors_of(str(target.relative_to(ROOT))), link


@pytest.mark.parametrize("page", PAGES)
def test_files_that_a_page_names_exist(page: str) -> None:
    """A file or folder of the project that stands in code exists, so nobody looks for what was moved."""
    for code in code_of(page):
        for name in FILES.findall(code):
            assert list(ROOT.glob(name)), f"{name} in {code!r}"


@pytest.mark.parametrize("page", PAGES)
def test_modules_that_a_page_names_exist(page: str) -> None:
    """A dotted name of the project is a package, a module, or something that its module defines."""
    for code in code_of(page):
        for name in NAMES.findall(code):
            assert _is_module(name) or _defines(*name.rpartition(".")[::2]), f"{name} in {code!r}"


def _source(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)


def _is_module(name: str) -> bool:
    return _source(name) is not None


def _defines(module: str, name: str) -> bool:
    source = _source(module)
    if source is None:
        return False
    tree = ast.parse(source.read_text(encoding="utf-8"))
    made = {node.name for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    imported = {one.name for node in tree.body if isinstance(node, ast.ImportFrom) for one in node.names}
    return name in made | imported


def commands_of(page: str) -> list[list[str]]:
    """The calls of noisegate on a page, as words without the program's name."""
    lines = [line for block in blocks_of(page, "sh") for line in block.splitlines()]
    lines += re.findall(r"`(noisegate [^`\n]+)`", text_of(page))
    calls = [shlex.split(line, comments=True) for line in lines if line.startswith("noisegate ")]
    return [words[1:] for words in calls]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_commands_that_a_page_names_exist(page: str) -> None:
    """Each call of noisegate names a verb that there is, and only options that this verb has."""
    for words in commands_of(page):
        command, rest = _command_of(words)
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        named = {word.split("=")[0] for word in rest if word.startswith("-")}
        assert named <= known, words


def _command_of(words: list[str]) -> tuple[Any, list[str]]:
    """The command that the first words name, and the other words."""
    command = root()
    rest = list(words)
    while rest and rest[0].islower() and not rest[0].startswith("-") and (below := getattr(command, "commands", None)):
        name = rest.pop(0).split("|")[0]
        assert name in below, words
        command = typer.main.get_command(lab) if name == "lab" else below[name]
    return command, rest


@pytest.mark.parametrize("page", PAGES)
def test_targets_of_make_that_a_page_names_exist(page: str) -> None:
    """Each `make` in code is followed by a target of the Makefile."""
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for code in code_of(page):
        assert set(re.findall(r"^make ([a-z]+)", code, re.MULTILINE)) <= set(targets), code


def test_the_commands_of_the_docs_are_found() -> None:
    """The check above looks at real calls, in blocks and in the text."""
    calls = commands_of("README.md")
    assert ["doctor"] in calls
    assert ["models", "promote", "VERSION"] in calls


def test_the_events_of_the_readme_are_taken() -> None:
    """The two example events decode, and are of one alert."""
    raised, acted = (decode_event(line.encode()) for line in blocks_of("README.md", "json")[0].splitlines())
    assert isinstance(raised, Raised)
    assert isinstance(acted, Acted)
    assert (raised.alert_id, raised.team) == (acted.alert_id, acted.team)


def test_the_enriched_record_of_the_readme_is_one() -> None:
    """The example record decodes, and says what the text below it says."""
    record = decode_enriched(blocks_of("README.md", "json")[1].encode())
    assert record.score.band == "likely_noise"
    assert record.why is not None
    assert (record.why.team_rule.acted, record.why.team_rule.decided) == (69, 421)
    assert "acted on 69 of 421 alerts" in text_of("README.md")
