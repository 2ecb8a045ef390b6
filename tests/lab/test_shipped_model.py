"""The model of the simulated organisation that ships is sound, serves, and comes out again of its own command."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import asdict

from stream.core.problem import parse_problem
from stream.eventlog import read_log
from stream.lab.judging.evaluation import evaluate_replayed
from stream.lab.learning.plan import Plan
from stream.lab.replaying import replay
from stream.lab.training import train_replayed
from stream.models.artifact import CARD, read_file
from stream.models.model import load_model
from stream.models.pointers import CHAMPION
from stream.models.store import Store
from stream.simulation import write_events

ROOT = Path(__file__).parents[2]
STORE = ROOT / "model_artifacts"
PROBLEM = ROOT / "deploy" / "problems" / "simulated.toml"
COMMAND = "noisegate lab train --simulated --problem deploy/problems/simulated.toml --out model_artifacts"


def champion() -> str:
    """The version that ships."""
    pointer = Store(str(STORE)).pointer(CHAMPION)
    assert pointer is not None
    return pointer.default


def test_the_shipped_champion_serves() -> None:
    """One version, the champion; made for the shipped problem file; its card says that it is simulated, and how."""
    version = champion()
    assert Store(str(STORE)).versions() == [version]
    model = load_model(STORE / version, parse_problem(PROBLEM.read_text()))
    card = read_file(STORE / version, CARD).decode()
    assert "**SIMULATED.**" in card
    assert COMMAND in card
    assert shlex.split(model.manifest.training.command) == shlex.split(COMMAND)
    metrics = model.manifest.metrics
    assert metrics is not None
    assert all(metrics.model.auc > figures.auc for figures in metrics.baselines.values())


@pytest.mark.slow
def test_the_shipped_model_is_made_again(tmp_path: Path) -> None:
    """The simulated log, made again, trains a model that scores every alert the same, and has the same figures."""
    version = champion()
    problem = parse_problem(PROBLEM.read_text())
    shipped = load_model(STORE / version, problem)
    write_events(tmp_path / "log.jsonl.gz")
    replayed = replay(read_log(tmp_path / "log.jsonl.gz", problem.outcome.grace_minutes * 60), problem)
    folder = train_replayed(replayed, tmp_path / "models", plan=Plan(folds=0), judged=False)  # neither moves a score
    again = load_model(folder, problem)
    rows = np.asarray(replayed.rows)
    np.testing.assert_allclose(
        again.predict(again.features(rows, replayed.alerts)),
        shipped.predict(shipped.features(rows, replayed.alerts)),
        atol=1e-6,
        rtol=0,
    )
    assert again.thresholds == shipped.thresholds
    made, kept = evaluate_replayed(replayed, again).metrics, shipped.manifest.metrics
    assert kept is not None
    assert (made.judged, made.baselines.keys()) == (kept.judged, kept.baselines.keys())
    for new, old in zip((made.model, *made.baselines.values()), (kept.model, *kept.baselines.values()), strict=True):
        assert asdict(new) == pytest.approx(asdict(old), rel=1e-12)
