"""A new model beside the champion: on the same alerts, after both splits; and what moved between them."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from stream.core.errors import LabError
from stream.core.events import Event, seconds
from stream.lab.judging.compare_versions import compare_versions
from stream.lab.replaying import Replayed, replay
from stream.lab.split import judgeable, split_at_time
from stream.lab.training import train_replayed
from stream.models.artifact import FINDINGS, REFERENCE
from stream.models.model import load_model
from stream.models.store import write_artifact
from tests.lab.logs import START, acted, lines, raised, small_problem
from tests.lab.model_cache import CREATED, cached_model, small_model

ALERTS = 2_400  # one every ten minutes: sixteen days and a half


def changing_log() -> list[Event]:
    """Teams act at rates of their own; in the last third of the log what was noise is acted on, and the reverse."""
    rng = np.random.default_rng(2)
    events: list[Event] = []
    for number in range(ALERTS):
        team, rule = int(rng.integers(3)), int(rng.integers(4))
        at = START + timedelta(minutes=10 * number)
        rate = (0.08, 0.9)[(team + rule) % 2]
        rate = 1.0 - rate if number > ALERTS * 2 // 3 else rate
        events.append(raised(number, at, f"team-{team}", f"rule-{rule}", env="prod"))
        kind = "worked" if rng.random() < rate else "dismissed"
        events.append(acted(number, at + timedelta(minutes=float(rng.uniform(1, 50))), f"team-{team}", kind))
    return sorted(events, key=lambda event: event.at)


@pytest.fixture(scope="module")
def changing() -> Replayed:
    """The log, folded."""
    return replay(lines(changing_log()), small_problem())


@pytest.fixture(scope="module")
def folders(changing: Replayed, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A champion that learnt before the change, and a new model that learnt after it."""
    store = tmp_path_factory.mktemp("models")
    early = cached_model("early", lambda out: train_replayed(changing, out, split=0.5, created=CREATED), store)
    return early, cached_model("late", lambda out: train_replayed(changing, out, split=0.85, created=CREATED), store)


@pytest.mark.slow
def test_a_model_beside_itself(changing: Replayed, folders: tuple[Path, Path]) -> None:
    """Nothing is different, and nothing is surely worse."""
    model = load_model(folders[0], changing.problem)
    found = compare_versions(changing, model, folders[0], model, folders[0])
    assert (found.importance, found.thresholds, found.verdicts) == ([], [], [])
    assert (found.newly_unreadable, found.readable_again) == ([], [])
    assert found.comparison.brier is not None
    assert (found.comparison.brier.value, found.comparison.worse) == (0.0, [])
    assert found.auc.before == found.auc.after


@pytest.mark.slow
def test_a_model_that_learnt_of_a_change_is_better(changing: Replayed, folders: tuple[Path, Path]) -> None:
    """Judged on what matured after the later of both splits; the change is seen in the features and the trees."""
    old, new = (load_model(folder, changing.problem) for folder in folders)
    found = compare_versions(changing, old, folders[0], new, folders[1])
    after = split_at_time(changing, seconds(new.manifest.training.split_at))
    assert found.comparison.matured == int(judgeable(changing, after).sum())
    assert found.comparison.brier is not None
    assert found.comparison.brier.value < 0
    assert not any(text.startswith("Brier") for text in found.comparison.worse)
    assert found.importance
    assert {one.name for one in found.importance} <= {ref.name for ref in new.manifest.features + old.manifest.features}
    assert any(one.feature.startswith("team_rule.") for one in found.drift)
    assert len(found.drift) <= found.watched < len(old.manifest.features)
    edges = {one.name: one.after for one in found.thresholds}
    if "likely_noise" in edges:
        assert edges["likely_noise"] == new.thresholds.likely_noise
    back = compare_versions(changing, new, folders[1], old, folders[0])
    assert back.comparison.matured == found.comparison.matured
    assert (back.auc.before, back.auc.after) == (found.auc.after, found.auc.before)
    assert back.comparison.brier is not None
    assert back.comparison.brier.value == pytest.approx(-found.comparison.brier.value)


@pytest.mark.slow
def test_nothing_after_both_splits(changing: Replayed, folders: tuple[Path, Path]) -> None:
    """A log that ends where the later model was split can't compare them, and says so."""
    old, new = (load_model(folder, changing.problem) for folder in folders)
    end = new.manifest.training.split_at
    cut = replay(lines([event for event in changing_log() if event.at < end]), small_problem())
    with pytest.raises(LabError, match="after both models' splits is empty"):
        compare_versions(cut, old, folders[0], new, folders[1])


def test_an_older_champion_without_a_report(small: Replayed, tmp_path: Path) -> None:
    """What the trees lean on can't be told then; the rest can. A damaged reference watches nothing."""
    folder = small_model(tmp_path / "whole")
    model = load_model(folder, small.problem)
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name in model.manifest.files}
    bare = write_artifact(tmp_path, model.manifest, {name: files[name] for name in files if name != FINDINGS})
    assert compare_versions(small, load_model(bare, small.problem), bare, model, folder).importance is None
    broken = write_artifact(tmp_path / "broken", model.manifest, {**files, REFERENCE: b"{}"})
    moved = compare_versions(small, load_model(broken, small.problem), broken, model, folder)
    assert (moved.watched, moved.drift) == (0, [])
