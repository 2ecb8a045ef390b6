"""Several models on the same alerts: each figure is that of the model alone, and differences are paired."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from stream.core.errors import LabError
from stream.core.events import seconds
from stream.lab.judging.compare_models import (
    FIGURES,
    JudgedScores,
    Scored,
    compare_models,
    load_models,
    score_models,
    score_replayed,
)
from stream.lab.judging.evaluation import evaluate_replayed
from stream.lab.replaying import Replayed
from stream.models.model import load_model
from tests.lab.logs import small_log, write
from tests.lab.model_cache import small_model
from tests.models.damage import edit_manifest


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two versions for one problem."""
    folder = tmp_path_factory.mktemp("models")
    return [small_model(folder), small_model(folder, seed=2, judged=False)]


@pytest.fixture(scope="module")
def scored(folders: list[Path], small: Replayed) -> Scored:
    """Both on the small log."""
    return score_replayed(small, load_models(folders))


def test_each_is_evaluated_as_if_alone(folders: list[Path], scored: Scored, small: Replayed) -> None:
    """On the same alerts the figures of a comparison are those of `evaluate`."""
    comparison = compare_models(scored)
    alone = [evaluate_replayed(small, load_model(folder, small.problem)) for folder in folders]
    latest = max(one.split_at for one in alone)
    for one, found in zip(alone, comparison.evaluations, strict=True):
        if one.split_at == latest:
            assert found == one
    assert [one.model for one in comparison.evaluations] == [folder.name for folder in folders]
    assert scored.split_at == seconds(latest)
    assert comparison.first_alerts <= comparison.evaluations[0].metrics.judged


def test_held_out_labels_are_weighed_in_figures_and_differences(scored: Scored) -> None:
    """With chances of the hold-out each model's figures, and what one is over the other, are the weighed ones."""
    p_act = np.where(np.arange(len(scored.replayed.at)) % 3, 0.0, 0.8)
    weighed = replace(scored, replayed=replace(scored.replayed, p_act=p_act))
    comparison, plain = compare_models(weighed), compare_models(scored)
    assert comparison.evaluations[0].metrics.weights is not None
    models = [one.metrics.model for one in comparison.evaluations]
    difference = comparison.differences[0].figures
    assert difference["auc"].value == models[1].auc - models[0].auc
    assert difference["brier"].value == models[1].brier - models[0].brier
    assert difference["auc"].value != plain.differences[0].figures["auc"].value


@pytest.mark.slow
def test_a_model_differs_from_itself_by_nothing(scored: Scored) -> None:
    """Each difference is zero, and on enough days so are both ends of its interval: draws are paired."""
    long = replace(scored.replayed, at=scored.replayed.at[0] + 8.0 * (scored.replayed.at - scored.replayed.at[0]))
    twice = replace(scored, replayed=long, models=[scored.models[0]] * 2)
    comparison = compare_models(twice)
    (difference,) = comparison.differences
    assert comparison.days >= 10
    assert set(difference.figures) == set(FIGURES)
    for found in (*difference.figures.values(), *(difference.episodes or {}).values()):
        assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)


@pytest.mark.slow
def test_a_better_model_is_surely_better(scored: Scored) -> None:
    """Scores that are nearly the outcomes win over the model by more than chance, where there are days enough."""
    long = replace(scored.replayed, at=scored.replayed.at[0] + 8.0 * (scored.replayed.at - scored.replayed.at[0]))
    first = scored.models[0]
    y = long.outcome[scored.places].astype(np.float64)
    seer = JudgedScores(scored.models[1].model, 0.05 + 0.9 * y, scored.models[1].matrix)
    (difference,) = compare_models(replace(scored, replayed=long, models=[first, seer])).differences
    assert difference.figures["auc"].low is not None
    assert difference.figures["auc"].low > 0.05
    assert difference.figures["brier"].high is not None
    assert difference.figures["brier"].high < 0.0


def test_too_few_days_give_no_interval(scored: Scored) -> None:
    """The log is of a few days: a difference without bounds, and the number of days beside it."""
    comparison = compare_models(scored)
    assert comparison.days < 10
    assert all(found.low is None for found in comparison.differences[0].figures.values())


@pytest.mark.slow
def test_what_can_not_be_compared_is_told(folders: list[Path], tmp_path: Path) -> None:
    """One version twice, and versions that answer different problems."""
    with pytest.raises(LabError, match=f"{folders[0].name} is named twice"):
        load_models([folders[0], folders[0]])
    other = small_model(tmp_path)
    edit_manifest(other, lambda content: content["problem"].update({"digest": "00000000"}))
    with pytest.raises(LabError, match=r"answers small@00000000, and .* small@.*; evaluate them apart"):
        load_models([folders[1], other])


def test_a_log_is_read_from_a_path_as_text(folders: list[Path], tmp_path: Path) -> None:
    """The same scores as of the replay; a log that ends before the split is told with its name."""
    events = small_log()
    log = write(tmp_path / "log.jsonl", events)
    found = score_models(str(log), [str(folders[0])])
    assert len(found.models[0].scores) == len(found.places) == len(found.models[0].matrix)
    early = write(tmp_path / "early.jsonl", [one for one in events if one.at < events[0].at + timedelta(days=2)])
    with pytest.raises(LabError, match=r"early\.jsonl: the test part is empty"):
        score_models(early, folders)
