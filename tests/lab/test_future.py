"""A label never enters before it is known: what happens later moves no feature, prior, baseline or model."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from stream.core import features
from stream.core.events import Acted, Event, moment
from stream.core.frame import Matrix
from stream.lab.judging.baselines import score_baselines
from stream.lab.matrix import training_matrix
from stream.lab.priors import choose_keys, learn
from stream.lab.replaying import Replayed, replay
from stream.lab.split import judgeable, split_at_share, trainable
from stream.lab.training import train_replayed
from stream.models.artifact import ONNX, verify
from tests.lab.logs import START, lines, raised, small_log, small_problem

LOG = small_log(600)
CREATED = moment(1_800_000_000.0)


def turned(after: datetime) -> list[Event]:
    """The log with every action after a moment turned into its opposite."""
    opposite = {"worked": "dismissed", "dismissed": "worked"}
    return [
        replace(event, kind=opposite[event.kind]) if isinstance(event, Acted) and event.at > after else event
        for event in LOG
    ]


def seen(events: list[Event]) -> tuple[Replayed, Matrix]:
    """A replay, and the features of its first 80 % as training sees them."""
    replayed = replay(lines(events), small_problem())
    split = split_at_share(replayed, 0.8)
    keys = choose_keys(replayed.alerts[: split.alert])
    learnt = learn(replayed, keys, split.step, split.alert)
    return replayed, training_matrix(replayed, learnt, list(features.table(["env"], keys).values()))


@pytest.mark.slow
@given(st.integers(0, len(LOG) - 1))
@settings(max_examples=15, deadline=None)
def test_no_feature_prior_or_baseline_sees_the_future(place: int) -> None:
    """Turn all outcomes after a moment: everything said of alerts raised until then stays, bit by bit."""
    now = LOG[place].at
    (before, matrix), (after, other) = seen(LOG), seen(turned(now))
    until = sum(1 for alert in before.alerts if alert.at <= now)
    count = min(until, len(matrix))
    assert np.asarray(before.rows)[:until].tobytes() == np.asarray(after.rows)[:until].tobytes()
    assert matrix[:count].tobytes() == other[:count].tobytes()
    theirs = score_baselines(after)
    for name, scores in score_baselines(before).items():
        assert scores[:until].tobytes() == theirs[name][:until].tobytes()


def test_the_past_is_seen() -> None:
    """The same comparison does see outcomes that are known: it is not blind."""
    _, matrix = seen(LOG)
    _, other = seen(turned(LOG[0].at))
    assert matrix.tobytes() != other.tobytes()


@pytest.mark.slow
def test_nothing_after_the_split_reaches_the_model(tmp_path: Path) -> None:
    """Turn all outcomes after the split: the same version, graph, priors and thresholds; only the figures differ."""
    replayed = replay(lines(LOG), small_problem())
    split = split_at_share(replayed, 0.6)
    last = moment(split.at) - timedelta(microseconds=1)
    folders = []
    for number, events in enumerate((LOG, turned(last))):
        made = replay(lines(events), small_problem())
        folders.append(train_replayed(made, tmp_path / str(number), created=CREATED))
    mine, theirs = (verify(folder) for folder in folders)
    assert (folders[0] / ONNX).read_bytes() == (folders[1] / ONNX).read_bytes()
    assert (mine.version, mine.priors, mine.thresholds) == (theirs.version, theirs.priors, theirs.thresholds)
    assert mine.training == theirs.training
    assert mine.metrics != theirs.metrics


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_training_keeps_what_was_known_at_the_split(share: float) -> None:
    """Trainable are alerts before the split whose deciding event or expiry lies before the first raise after it."""
    replayed = replay(lines(LOG), small_problem())
    split = split_at_share(replayed, share)
    usable = trainable(replayed, split)
    assert len(usable) == split.alert == sum(1 for alert in replayed.alerts if alert.at.timestamp() < split.at)
    known = (replayed.decided_at[: split.alert] < split.at) & (replayed.outcome[: split.alert] >= 0)
    assert usable.tolist() == known.tolist()
    assert 0 < np.count_nonzero(~usable) < 10  # the purge: raised within the hour before, not decided


def test_late_alerts_never_train() -> None:
    """An alert that comes after the first raise after the split is neither learnt from nor judged."""
    minutes = [0, 100, 200, 300, 400, 500, 600, 250, 700, 800]  # the one at 250 comes late
    events = [raised(number, START + timedelta(minutes=at)) for number, at in enumerate(minutes)]
    replayed = replay(lines(events), small_problem())
    split = split_at_share(replayed, 0.6)
    assert (split.at, split.alert) == ((START + timedelta(minutes=500)).timestamp(), 5)
    assert trainable(replayed, split).tolist() == [True] * 5
    assert np.flatnonzero(judgeable(replayed, split)).tolist() == [5, 6, 8]  # the one at 800 is too young
