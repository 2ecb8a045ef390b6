"""Training makes the same sound model from the same log, takes small logs, and says what it can't do."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from stream.core.errors import NoisegateError
from stream.core.events import Event, Raised, Tick, moment
from stream.core.problem import Problem
from stream.lab.judging.evaluation import evaluate_replayed
from stream.lab.judging.report_schema import Judgement
from stream.lab.learning.plan import Plan
from stream.lab.matrix import predict, served_matrix
from stream.lab.replaying import Replayed, replay
from stream.lab.training import train, train_replayed
from stream.models.artifact import CARD, FINDINGS, REFERENCE, read_file, verify
from stream.models.model import load_model
from stream.models.reference import Reference
from tests.lab.logs import START, acted, lines, raised, small_log, small_problem, write
from tests.lab.model_cache import small_model

CREATED = moment(1_800_000_000.0)


def told(events: list[Event], problem: Problem, out: Path, split: float = 0.6) -> str:
    """The one sentence by which training refuses; nothing is written."""
    with pytest.raises(NoisegateError) as caught:
        train_replayed(replay(lines(events), problem), out, split=split)
    assert not out.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.slow
def test_training_twice_gives_the_same_version(small: Replayed, tmp_path: Path) -> None:
    """Same log, same seed: the same version, bytes and figures; another seed is another version."""
    first, second = (train_replayed(small, tmp_path / name, created=CREATED) for name in "ab")
    assert verify(first) == verify(second)
    for name in verify(first).files:
        assert (first / name).read_bytes() == (second / name).read_bytes()
    other = train_replayed(small, tmp_path / "a", seed=8, created=CREATED)
    assert other != first
    assert train_replayed(small, tmp_path / "a", created=CREATED) == first  # there already: nothing changes


def test_scores_are_better_than_a_guess(small: Replayed, tmp_path: Path) -> None:
    """Teams and rules differ here by a lot: the model finds it, and its figures are those of what it serves."""
    folder = small_model(tmp_path)
    metrics = verify(folder).metrics
    assert metrics is not None
    assert metrics.model.auc > 0.7
    evaluation = evaluate_replayed(small, load_model(folder, small.problem))
    assert evaluation.metrics == metrics
    assert evaluation.model == folder.name


@pytest.mark.slow
def test_the_manifest_tells_how_the_model_was_made(small: Replayed, tmp_path: Path) -> None:
    """Counts add up, and the card says what a reader needs."""
    folder = train_replayed(small, tmp_path, command="noisegate lab train --x", created=CREATED)
    made = verify(folder).training
    before = int((small.at < made.split_at.timestamp()).sum())
    assert made.used + made.purged + made.excluded == before
    assert folder.name.startswith("2027-01-15-")
    assert (made.events, made.seed, made.split) == (small.events, 7, 0.6)
    text = read_file(folder, CARD).decode()
    for part in (folder.name, "noisegate lab train --x", "| team_rule_rate |", "## Known limits", small.problem.id):
        assert part in text
    assert "SIMULATED" not in text


@pytest.mark.slow
def test_a_simulated_log_is_told(tmp_path: Path) -> None:
    """Labels that say so make the card say so."""
    events: list[Event] = [raised(i, START + timedelta(minutes=10 * i), simulated="true") for i in range(200)]
    events += [acted(i, START + timedelta(minutes=10 * i + 1)) for i in range(0, 200, 3)]
    folder = train_replayed(replay(lines(sorted(events, key=lambda event: event.at)), small_problem()), tmp_path)
    assert verify(folder).training.simulated
    assert "**SIMULATED.**" in read_file(folder, CARD).decode()


def test_the_reference_is_what_is_served(small: Replayed, tmp_path: Path) -> None:
    """reference.json spreads features and scores as a live scorer sees them; shares add up to one."""
    from stream.lab.reference import spread

    folder = small_model(tmp_path)
    manifest, model = verify(folder), load_model(folder, small.problem)
    made = msgspec.json.decode(read_file(folder, REFERENCE), type=Reference)
    assert set(made.features) == {feature.name for feature in manifest.features}
    for each in (*made.features.values(), made.score):
        assert sum(each.shares) + each.missing == pytest.approx(1.0)
        assert len(each.shares) == len(each.edges) + 1 <= 10
    window = int((small.at < manifest.training.split_at.timestamp()).sum())
    later = np.flatnonzero(small.counts[:window])
    matrix = served_matrix(small, model, later[later >= window // 2])
    assert made.rows == len(matrix)
    unclustered = replace(made.score, design_effect=None, design_effect_7d=None, chi2=None)
    assert unclustered == spread(predict(model, matrix))
    assert made.score.design_effect is not None
    assert made.score.design_effect >= 1.0
    assert set(made.unseen) == set(manifest.priors.tables)


@pytest.mark.slow
@pytest.mark.parametrize("teams", [1, 40])
def test_one_team_or_many_small_ones_are_fine(teams: int, tmp_path: Path) -> None:
    """Few alerts, one team or mostly unseen ones: a model comes out."""
    replayed = replay(lines(small_log(200, teams=teams)), small_problem())
    verify(train_replayed(replayed, tmp_path))


@pytest.mark.slow
def test_nothing_to_tell_apart_is_fine(tmp_path: Path) -> None:
    """All alerts alike: trees may not split at all, and the model says the rate."""
    rng = np.random.default_rng(3)
    events: list[Event] = []
    for number in range(150):
        at = START + timedelta(days=number)
        events.append(Raised(at, f"a{number}", "t", "r", "e"))
        if rng.random() < 0.5:
            events.append(acted(number, at + timedelta(minutes=1), team="t"))
    verify(train_replayed(replay(lines(events), small_problem()), tmp_path))


@pytest.mark.slow
def test_a_test_part_may_be_missing_when_nobody_asks(tmp_path: Path) -> None:
    """Without judging, the test part's labels are not needed: the demo trains on the beginning of a log."""
    replayed = replay(lines(small_log(300)[:320]), small_problem())
    folder = train_replayed(replayed, tmp_path, split=0.99, judged=False)
    assert verify(folder).metrics is None
    assert "Not judged" in read_file(folder, CARD).decode()


def test_what_cannot_be_trained_on_is_told(tmp_path: Path) -> None:
    """Ten rows, one class, no alerts, kinds that never occur, a horizon longer than the log, an empty test part."""
    out, log, problem = tmp_path / "out", small_log(300), small_problem()
    alerts: list[Event] = [event for event in log if isinstance(event, Raised)]
    late = [acted(number, alerts[-1].at + timedelta(minutes=number)) for number in range(5)]
    assert "only 3 alerts have an outcome known" in told(log[:16], problem, out)
    assert "all 174 alerts of the training window are noise" in told([*alerts, *late], problem, out)
    assert "no raised alert" in told([Tick(START)], problem, out)
    assert "outcome.actionable lists (fixed); it has: worked, dismissed" in told(
        log, small_problem(actionable='["fixed"]'), out
    )
    assert "outcome.noise lists (ignored)" in told(log, small_problem(noise='["ignored"]', on_expiry='"unknown"'), out)
    assert "no actions at all" in told(alerts, problem, out)
    assert "less than the horizon and grace of 1000.1 h" in told(log, small_problem(horizon_hours="1000"), out)
    assert "0 of 1 alerts after the split can be judged by" in told(log[:450], problem, out, split=0.999)
    for split in (0.0, 1.0, -1.0, float("nan")):
        assert "give a share between 0 and 1" in told(log, problem, out, split=split)


def test_all_of_one_class_after_the_split_is_told(tmp_path: Path) -> None:
    """A test part where nothing is actionable can't be judged."""
    log = small_log(300)
    end = log[len(log) // 2].at
    told_text = told(
        [event for event in log if event.at < end or isinstance(event, Raised)], small_problem(), tmp_path / "out"
    )
    assert "of the test part are noise" in told_text


@pytest.mark.slow
def test_train_reads_a_file(tmp_path: Path) -> None:
    """From a log on disk: the same model as from a replay of its events, with progress."""
    stages: set[str] = set()
    log = write(tmp_path / "log.jsonl", small_log(400))
    folder = train(log, small_problem(), tmp_path / "a", created=CREATED, progress=lambda what, _: stages.add(what))
    other = train_replayed(replay(lines(small_log(400)), small_problem()), tmp_path / "b", created=CREATED)
    assert folder.name == other.name
    assert {"reading", "training", "comparing scores with outcomes"} <= stages


@pytest.mark.slow
def test_titles_are_learnt_from_and_taken_out_again(tmp_path: Path) -> None:
    """With titles that tell, the model reads them, the ablation says what they bring, and no file holds a word."""
    rng = np.random.default_rng(4)
    events: list[Event] = []
    for number in range(900):
        at, tells = START + timedelta(minutes=10 * number), bool(rng.random() < 0.4)
        word = "smouldering" if tells else "flickering"
        alert = raised(number, at, f"team-{number % 3}", f"rule-{number % 4}")
        events.append(replace(alert, title=f"{word} {number}% on host-{number % 5}"))
        kind = "worked" if rng.random() < (0.8 if tells else 0.2) else "dismissed"
        events.append(acted(number, at + timedelta(minutes=1), f"team-{number % 3}", kind))
    folder = train_replayed(replay(lines(events), small_problem()), tmp_path, plan=Plan(titles=True))
    manifest = verify(folder)
    assert {"prior.title", "prior.title_high", "prior.title_low"} <= {one.name for one in manifest.features}
    assert manifest.training.options["titles"] is True
    found = msgspec.json.decode(read_file(folder, FINDINGS), type=Judgement)
    assert found.shortcut is not None
    without = {one.name: one.auc for one in found.shortcut.ablations}["without the titles"]
    assert found.scores[0].auc.value > without + 0.1
    assert msgspec.json.decode(read_file(folder, REFERENCE), type=Reference).unseen["title"] == 0.0
    assert not any(b"smouldering" in path.read_bytes() for path in folder.iterdir())


WITHOUT_EXTRA = """
import sys
for name in ("lightgbm", "onnx", "onnxmltools", "sklearn", "scipy"):
    sys.modules[name] = None
from pathlib import Path
import stream.lab.replaying, stream.lab.judging.metrics, stream.lab.judging.baselines
import stream.lab.judging.evaluation, stream.lab.cli
import stream.models.model
from stream.core.errors import LabError
from stream.core.problem import parse_problem
from stream.lab.training import train
from tests.lab.logs import small_problem
try:
    train(Path("nowhere"), small_problem(), Path("out"))
except LabError as error:
    print(error)
"""


@pytest.mark.slow
def test_without_the_extra_only_training_is_missing() -> None:
    """Replay, figures, baselines and evaluation import without LightGBM and onnx; training names the extra."""
    done = subprocess.run([sys.executable, "-c", WITHOUT_EXTRA], capture_output=True, text=True, check=True)
    assert "pip install 'noisegate[lab]'" in done.stdout
