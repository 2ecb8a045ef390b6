"""Evaluation judges what is served, on what came after the split, and on nothing else."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from stream.core.errors import LabError, LogError, ModelError
from stream.core.events import seconds
from stream.lab.judging import metrics
from stream.lab.judging.baselines import score_baselines
from stream.lab.judging.evaluation import evaluate
from stream.lab.replaying import Replayed
from stream.models.model import load_model
from tests.lab.logs import raised, small_log, write
from tests.lab.model_cache import small_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the small log."""
    return small_model(tmp_path_factory.mktemp("models"))


def test_figures_are_those_of_the_served_scores(small: Replayed, model: Path, tmp_path: Path) -> None:
    """From the file on disk: the figures equal those computed here from every single served score."""
    evaluation = evaluate(write(tmp_path / "log.jsonl", small_log()), model)
    loaded = load_model(model, small.problem)
    served = loaded.predict(loaded.features(np.asarray(small.rows), small.alerts))
    split = seconds(evaluation.split_at)
    judged = (small.at >= split) & (small.at + small.problem.due_seconds <= small.ended_at)
    y, p = small.outcome[judged], served[judged]
    assert evaluation.metrics.judged == len(y)
    assert evaluation.metrics.model.auc == metrics.auc(y, p)
    assert evaluation.metrics.model.ece == metrics.ece(y, p)
    assert evaluation.metrics.model.suppressed_at == metrics.suppressed_at(y, p, 0.95)
    for name, scores in score_baselines(small).items():
        assert evaluation.metrics.baselines[name].auc == metrics.auc(y, scores[judged])
    assert evaluation.young == int(np.count_nonzero(small.at >= split)) - len(y)


@pytest.mark.slow
def test_a_store_means_its_champion_or_newest(model: Path, tmp_path: Path) -> None:
    """The folder of versions may be named instead of a version."""
    log = write(tmp_path / "log.jsonl", small_log())
    assert evaluate(log, model.parent) == evaluate(log, model)


def test_what_cannot_be_judged_is_told(model: Path, tmp_path: Path) -> None:
    """A log that ends before the split, no log, no model: one sentence each, with the place."""
    log = write(tmp_path / "log.jsonl", small_log(100))
    with pytest.raises(LabError, match=f"^{log}: the test part is empty"):
        evaluate(log, model)
    with pytest.raises(LogError, match="nowhere"):
        evaluate(tmp_path / "nowhere", model)
    with pytest.raises(ModelError, match="holds no model"):
        evaluate(log, tmp_path)


def test_a_later_log_is_judged_whole(model: Path, tmp_path: Path) -> None:
    """A log that begins after the split has no training window: all of it is judged, history starting empty."""
    shift = timedelta(days=30)
    later = [
        type(event)(event.at + shift, *(getattr(event, name) for name in event.__struct_fields__[1:]))
        for event in small_log(200)
    ]
    later.append(raised(10_000, later[-1].at + timedelta(hours=2)))
    assert evaluate(write(tmp_path / "log.jsonl", later), model).metrics.judged == 200
