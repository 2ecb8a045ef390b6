"""What is scored live equals what the lab scores: features, probabilities and states, on real logs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from stream.config import load_problem, make_settings
from stream.core.events import Raised, encode_event
from stream.core.fold import Fold
from stream.core.frame import Array, Decayed, Inputs, Matrix
from stream.eventlog import read_log
from stream.kafka.records import Part
from stream.lab.replaying import replay
from stream.lab.training import train_replayed
from stream.models.graph import Stop
from stream.models.model import Model, load_model
from stream.scorer.history import Wanted, decode_meta
from stream.scorer.redis_history import RedisHistory
from tests.lane.test_fence import redis_fence
from tests.scorer.rig import Log, Rig, packed_levels


class Recording:
    """A model that remembers the features it was given, by alert."""

    def __init__(self, model: Model) -> None:
        self.version, self.thresholds, self._model = model.version, model.thresholds, model
        self.simulated = False
        self.occlusion = model.occlusion
        self.seen: dict[tuple[str, str], bytes] = {}

    def inputs(self, rows: Decayed, alerts: Sequence[Raised]) -> Inputs:
        """The model's, remembered."""
        inputs = self._model.inputs(rows, alerts)
        for alert, features in zip(alerts, inputs.matrix, strict=True):
            self.seen[alert.team, alert.alert_id] = features.tobytes()
        return inputs

    def predict(self, matrix: Matrix, stop: Stop | None = None) -> Array:
        """The model's."""
        return self._model.predict(matrix, stop)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["uci_incidents", "london_fire_calls"])
def test_live_features_and_states_equal_the_lab_s(name: str, shared_data: Path, redis_url: str, tmp_path: Path) -> None:
    """Four partitions, uneven batches and a small cache: every feature and every state is the lab's, bit by bit."""
    path, problem = shared_data / f"{name}.jsonl.gz", load_problem(shared_data / f"{name}.toml")
    lines = list(read_log(path))
    replayed = replay(lines, problem)
    version = train_replayed(replayed, tmp_path)
    model = load_model(version, problem)
    log = Log(4)
    for line in lines:
        log.put(Part("alerts.events", log._choose(line.event.team)), encode_event(line.event), line.at)  # type: ignore[union-attr]  # real logs hold no ticks
    history = RedisHistory(redis_fence(redis_url), "parity", problem.history.forget_days, problem.ledger_seconds)
    recording = Recording(model)
    rig = Rig(log, problem, history, make_settings(tick_seconds=0, history_cache_levels=2_000), recording)
    rig.run((997, 13, 411))
    live = [recording.seen[alert.team, alert.alert_id] for alert in replayed.alerts]
    for start in range(0, len(live), 5_000):
        ours = model.features(np.asarray(replayed.rows[start : start + 5_000]), replayed.alerts[start : start + 5_000])
        assert live[start : start + 5_000] == [features.tobytes() for features in ours]
    pure = Fold(problem)
    for line in lines:
        pure.step(line.event, line.at)
    levels = packed_levels(pure)
    kept: dict[str, bytes] = {}
    for part in log.records:
        meta = decode_meta(history.read({part: Wanted(0)})[part].meta)
        assert meta is not None
        found = history.read({part: Wanted(meta.generation, list(levels))})[part].levels
        kept |= {key: packed for key, packed in zip(levels, found, strict=True) if packed is not None}
    assert kept == levels
