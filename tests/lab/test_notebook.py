"""docs/LAB.md is a notebook: it runs from top to bottom."""

import re
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

import stream.lab
from stream.models.added_features import GROUP, read_features
from tests.lab.logs import PROBLEM_TEXT, small_log, write

LAB = Path(__file__).parents[2] / "docs/LAB.md"


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its code blocks, one after the other in one namespace, print figures of the model and of each baseline."""
    problem = tmp_path / "problem.toml"
    problem.write_text(PROBLEM_TEXT)
    namespace: dict[str, object] = {
        "log": write(tmp_path / "log.jsonl", small_log(600)),
        "problem_file": problem,
        "out": tmp_path / "models",
    }
    for block in re.findall(r"```python\n(.*?)```", LAB.read_text(encoding="utf-8"), re.DOTALL):
        exec(block, namespace)
    printed = capsys.readouterr().out
    assert "last_outcome" in printed
    assert "suppressed" in printed


def test_the_package_in_the_docs_gives_features() -> None:
    """The example of docs/FEATURES.md is one that a worker takes."""
    page = (LAB.parent / "FEATURES.md").read_text(encoding="utf-8")
    module = ModuleType("shift_features")
    exec(page.split("```python\n")[1].split("```")[0], module.__dict__)
    sys.modules[module.__name__] = module
    try:
        (name, value), *_ = tomllib.loads(page.split("```toml\n")[1].split("```")[0])["project"]["entry-points"][
            GROUP
        ].items()
        found = read_features([EntryPoint(name, value, GROUP)])
    finally:
        del sys.modules[module.__name__]
    assert found.faults == ()
    assert [feature.name for feature in found.features] == ["shift.above_team"]


def test_every_verb_of_the_notebook_is_there() -> None:
    """What the package promises to export can be imported; anything else is an AttributeError."""
    for name in stream.lab.__all__:
        assert callable(getattr(stream.lab, name))
    with pytest.raises(AttributeError, match="nothing_like_this"):
        _ = stream.lab.nothing_like_this
