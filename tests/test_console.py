"""What a terminal shows: nothing that steers it, and progress as it is reported."""

import doctest
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream import console
from stream.console import SafeConsole, escape_json, print_json, stage_bars, strip_control_characters, strip_lines


def test_the_examples_print_what_they_say() -> None:
    """The docstrings' examples hold."""
    found = doctest.testmod(console)
    assert (found.failed, found.attempted >= 3) == (0, True)


@given(st.text())
def test_a_stripped_text_is_printable_and_as_long(text: str) -> None:
    """No control character stays, every printable one stays in its place."""
    stripped = strip_control_characters(text)
    assert stripped.isprintable()
    assert all(new == old or not old.isprintable() for new, old in zip(stripped, text, strict=True))


@given(st.lists(st.text()))
def test_lines_stay_lines(lines: list[str]) -> None:
    """Of several lines only the line ends are left of what is not printable."""
    text = "\n".join(lines)
    assert strip_lines(text).split("\n") == [strip_control_characters(line) for line in text.split("\n")]


@given(st.text())
def test_escaped_json_is_printable_and_reads_the_same(text: str) -> None:
    """A document with raw control characters in its strings reads as the same value."""
    document = json.dumps({"title": text}, ensure_ascii=False)
    escaped = escape_json(document)
    assert escaped.isprintable()
    assert json.loads(escaped) == json.loads(document)


def test_json_is_one_line_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    """A value becomes one line that a machine can read back."""
    print_json({"team": "pay\x1b[2J", "counts": [1, 2]})
    assert json.loads(capsys.readouterr().out) == {"team": "pay\x1b[2J", "counts": [1, 2]}


def test_without_a_stage_nothing_is_printed() -> None:
    """What fails before its first stage leaves its sentence alone on standard error."""
    output = io.StringIO()
    with stage_bars(SafeConsole(file=output, width=100, force_terminal=False)):
        pass
    assert output.getvalue() == ""


def test_each_stage_has_one_bar() -> None:
    """Stages stand in the order in which they were first reported, a finished one with a longer bar."""
    output = io.StringIO()
    with stage_bars(SafeConsole(file=output, width=100, force_terminal=False)) as report_progress:
        for stage, share in (("reading", 0.0), ("training", 0.0), ("reading", 1.0), ("training", 0.25)):
            report_progress(stage, share)
    reading, training = output.getvalue().splitlines()
    assert (reading.split()[0], training.split()[0]) == ("reading", "training")
    assert reading.count("\u2501") > 2 * training.count("\u2501") > 0
