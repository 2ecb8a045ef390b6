"""The example package of features: installed it is learnt from, and a worker without it refuses the model."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from stream.core.frame import Decayed, Frame
from stream.models.added_features import GROUP, read_features
from stream.models.artifact import verify
from tests.lab.logs import PROBLEM_TEXT, small_log, write
from tests.servers.kafka import ROOT

EXAMPLE = ROOT / "deploy" / "examples" / "features"
PROJECT = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
SECONDS = 100.0


def install(folder: Path) -> str:
    """A PYTHONPATH on which the package is as pip leaves it: its module, and metadata with its entry points."""
    made = folder / f"{PROJECT['name'].replace('-', '_')}-{PROJECT['version']}.dist-info"
    made.mkdir(parents=True)
    (made / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PROJECT['name']}\nVersion: {PROJECT['version']}\n")
    points = "\n".join(f"{name} = {value}" for name, value in PROJECT["entry-points"][GROUP].items())
    (made / "entry_points.txt").write_text(f"[{GROUP}]\n{points}\n")
    return os.pathsep.join([str(folder), str(EXAMPLE), str(ROOT)])


def lab(path: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a verb of the lab with this PYTHONPATH."""
    return subprocess.run(
        [sys.executable, "-m", "stream", "lab", *words],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_the_example_is_learnt_from_and_needed_to_serve(tmp_path: Path) -> None:
    """With the package the model has its features; without it the model is refused in one sentence."""
    log, problem = write(tmp_path / "log.jsonl", small_log(400)), tmp_path / "problem.toml"
    problem.write_text(PROBLEM_TEXT)
    path, models = install(tmp_path / "site"), tmp_path / "models"
    trained = lab(path, "train", "--events", str(log), "--problem", str(problem), "--out", str(models))
    assert trained.returncode == 0, trained.stderr
    (folder,) = models.glob("2*")
    names = {feature.name for feature in verify(folder).features}
    assert {"shift.office", "shift.above_team", "shift.share_of_open", "shift.env_above_rule"} <= names
    words = ("evaluate", "--events", str(log), "--model", str(models), "--json")
    assert lab(path, *words).returncode == 0
    without = lab(str(ROOT), *words)
    assert without.returncode == 1
    (said,) = [line for line in without.stderr.splitlines() if line.startswith("noisegate: ")]
    assert "the model needs the feature 'shift.office', which this code and problem file do not have" in said
    assert "install the package of features that brings it" in said


def test_the_example_s_definitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Wednesday noon and a Saturday, without history: office time is told, the rest is level or not known."""
    from importlib.metadata import EntryPoint

    monkeypatch.syspath_prepend(str(EXAMPLE))
    found = read_features([EntryPoint("shift", PROJECT["entry-points"][GROUP]["shift"], GROUP)])
    assert found.faults == ()
    rows = np.full((2, 1 + 19 * 6), np.nan)
    rows[:, 0] = (1_767_182_400.0, 1_767_441_600.0)  # 2025-12-31T12:00Z, 2026-01-03T12:00Z
    encoded = {"rule": np.array([0.5, 0.5]), "label.env": np.array([0.5, 0.9])}
    frame = Frame(Decayed(rows), encoded, 0.5, ["env"])
    values = {feature.name: feature.of(frame).tolist() for feature in found.features}
    assert values["shift.office"] == [1.0, 0.0]
    assert values["shift.above_team"] == [0.0, 0.0]
    assert values["shift.env_above_rule"] == pytest.approx([0.0, np.log(9.0)])
    assert np.isnan(values["shift.share_of_open"]).all()
