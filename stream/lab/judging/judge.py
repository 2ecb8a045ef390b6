"""Scores beside outcomes: the figures of one score, and of the model beside the baselines."""

from collections.abc import Mapping

from stream.core.errors import LabError
from stream.core.frame import Array
from stream.lab.judging import metrics
from stream.lab.judging.metrics import Labels
from stream.lab.replaying import Replayed
from stream.lab.window import Mask
from stream.models.manifest import Figures, Metrics

MODEL = "model"


def figures(y: Labels, p: Array, detection: float, threshold: float) -> Figures:
    """All figures of one score; `threshold` was fixed elsewhere, before these outcomes."""
    return Figures(
        auc=metrics.auc(y, p),
        ece=metrics.ece(y, p),
        brier=metrics.brier(y, p),
        log_loss=metrics.log_loss(y, p),
        suppressed_at=metrics.suppressed_at(y, p, detection),
        threshold=threshold,
        detection=metrics.detected_from(y, p, threshold),
        suppressed=metrics.suppressed_below(y, p, threshold),
    )


def judge(
    replayed: Replayed,
    judged: Mask,
    scores: Array,
    baselines: Mapping[str, Array],
    thresholds: Mapping[str, float],
) -> Metrics:
    """The model (scores of the judged alerts) beside the baselines (scores of all alerts).

    Raises:
        LabError: nothing to judge, or one class only.
    """
    y, detection = replayed.outcome[judged], replayed.problem.target.detection
    check_classes(y, "test part")
    return Metrics(
        judged=len(y),
        label_rate=float(y.mean()),
        target_detection=detection,
        model=figures(y, scores, detection, thresholds[MODEL]),
        baselines={
            name: figures(y, p[judged], detection, thresholds[name])
            for name, p in baselines.items()
            if name in thresholds
        },
    )


def check_classes(y: Labels, part: str) -> None:
    """Hold a part of the log to having both outcomes.

    Raises:
        LabError: it has not.
    """
    if not len(y):
        raise LabError(
            f"the {part} is empty: no alert in it has an outcome and had its horizon and grace pass within the log"
        )
    if y.min() == y.max():
        only = "actionable" if y[0] else "noise"
        raise LabError(f"all {len(y)} alerts of the {part} are {only}: with one class only there is nothing to learn")
