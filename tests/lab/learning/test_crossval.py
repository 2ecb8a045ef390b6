"""Cross-validation goes forward in time only, and trials choose by it, the same each time."""

import numpy as np
import pytest
from msgspec.structs import replace

from stream.core.errors import LabError
from stream.lab.learning.crossval import cross_validate, folds, search
from stream.lab.learning.plan import Plan
from stream.lab.replaying import Replayed
from stream.lab.split import Window
from stream.progress import no_progress
from tests.lab.learning.windows import window_of

Made = tuple[Window, list[str]]


def nothing(share: float) -> None:
    """Progress that nobody sees."""


def test_folds_learn_from_what_was_known_at_their_start(window: Made) -> None:
    """Each learns from more than the one before, decided before its start; what is judged was raised from there on."""
    made, _ = window
    replayed, found = made.replayed, folds(made, 3)
    assert len(found) == 3
    for fold in found:
        learnt, judged = np.flatnonzero(fold.earlier), np.flatnonzero(fold.later)
        assert replayed.decided_at[learnt].max() < fold.start.at <= replayed.at[judged].min()
        assert replayed.at[judged].max() + replayed.problem.due_seconds < made.end.at
    assert [fold.earlier.sum() for fold in found] == sorted(fold.earlier.sum() for fold in found)
    parts = np.concatenate([np.flatnonzero(fold.later) for fold in found])
    assert len(parts) == len(set(parts.tolist()))


@pytest.mark.slow
def test_later_labels_move_no_earlier_fold(window: Made) -> None:
    """Turn all outcomes decided after the last fold's start: the folds before it stay as they were."""
    made, _ = window
    replayed, last = made.replayed, folds(made, 3)[-1].start
    turned = np.where(
        (replayed.decided_at >= last.at) & (replayed.outcome >= 0), 1 - replayed.outcome, replayed.outcome
    )
    other = replace(made, replayed=replace(replayed, outcome=turned.astype(np.int8)))
    mine, theirs = (cross_validate(each, 7, Plan(), {}, nothing) for each in (made, other))
    assert mine[:2] == theirs[:2]
    assert mine[2] != theirs[2]


@pytest.mark.slow
def test_the_folds_find_what_there_is(window: Made) -> None:
    """Teams and rules differ by a lot here; a smaller window has no fold to tell anything on."""
    made, _ = window
    found = cross_validate(made, 7, Plan(), {}, nothing)
    assert [fold.auc > 0.65 for fold in found] == [True] * 3
    assert cross_validate(made, 7, Plan(folds=0), {}, nothing) == []


@pytest.mark.slow
def test_trials_are_the_same_by_seed(window: Made) -> None:
    """The same seed tries and finds the same, within bounds, no worse than the defaults; progress is told."""
    made, _ = window
    plan, shares = Plan(trials=4), []
    found = search(made, 7, plan, lambda what, share: shares.append((what, share)))
    assert found == search(made, 7, plan, no_progress)
    assert shares[-1] == ("trying parameters", 1.0)
    losses = [
        np.mean([fold.log_loss for fold in cross_validate(made, 7, plan, tuned, nothing)]) for tuned in ({}, found)
    ]
    assert losses[1] <= losses[0]
    assert set(found) <= {"num_leaves", "learning_rate", "min_data_in_leaf", "lambda_l2", "feature_fraction"}


def test_too_small_a_window_has_no_trials(small: Replayed) -> None:
    """There is nothing to compare parameters on, and that is told."""
    made, _ = window_of(small, 0.5)
    with pytest.raises(LabError, match="too small for trials"):
        search(made, 7, Plan(trials=2), no_progress)
