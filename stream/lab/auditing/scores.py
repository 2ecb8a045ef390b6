"""What the baselines reach on the test part, before any model is trained."""

import math
from datetime import UTC, datetime

from stream.lab.auditing.result import Score, Tests
from stream.lab.judging import metrics
from stream.lab.judging.baselines import score_baselines
from stream.lab.replaying import Replayed
from stream.lab.window import Split, judgeable, trainable


def tests(replayed: Replayed, split: Split) -> Tests:
    """Both sides of the split; figures are None where a class is missing."""
    known, judged = trainable(replayed, split), judgeable(replayed, split)
    y, learnt = replayed.outcome[judged], replayed.outcome[: split.alert][known]
    detection = replayed.problem.target.detection
    rate = float(y.mean()) if len(y) else None
    return Tests(
        split_at=datetime.fromtimestamp(split.at, UTC),
        trainable=len(learnt),
        trainable_rate=float(learnt.mean()) if len(learnt) else None,
        judged=len(y),
        judged_rate=rate,
        always_noise_accuracy=None if rate is None else 1.0 - rate,
        target_detection=detection,
        baselines=[
            Score(name, _figure(metrics.auc(y, p[judged])), _figure(metrics.suppressed_at(y, p[judged], detection)))
            for name, p in score_baselines(replayed).items()
        ],
    )


def _figure(value: float) -> float | None:
    return None if math.isnan(value) else value
