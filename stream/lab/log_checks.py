"""What makes a log unfit for training, in one sentence each."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from stream.core.errors import EstimatorError, Fault, LabError
from stream.core.frame import Labels
from stream.lab.judging.metrics import check_classes
from stream.lab.replaying import Replayed
from stream.lab.split import Split, judgeable

LEAST_ALERTS = 50  # with a known outcome, before the split
LEAST_OF_A_CLASS = 5
_KINDS_SHOWN = 8
_HORIZONS = (2_160.0, 720.0, 336.0, 168.0, 72.0, 48.0, 24.0, 12.0, 8.0, 4.0, 2.0, 1.0, 0.5, 0.25)  # hours


@contextmanager
def about(log: Path) -> Iterator[None]:
    """Begin what is wrong with a log with its path; a fault of the estimator stays as it is."""
    try:
        yield
    except EstimatorError:
        raise
    except LabError as error:
        raise LabError(f"{log}: {error.problem}", error.mend) from None


@contextmanager
def about_estimator() -> Iterator[None]:
    """Turn what fails about the model that was learnt into an error that does not blame the log."""
    try:
        yield
    except LabError as error:
        raise EstimatorError(error.problem, error.mend) from error


def check_log(replayed: Replayed) -> None:
    """Hold a log to what its problem file expects.

    Raises:
        LabError: no alerts, a horizon longer than the log, or kinds that never occur.
    """
    if not len(replayed.at):
        raise LabError("the log holds no raised alert")
    problem, span = replayed.problem, replayed.ended_at - float(replayed.at.min())
    if span < problem.due_seconds:
        raise LabError(
            f"the log spans {span / 3600:.1f} h, less than the horizon and grace of "
            f"{problem.due_seconds / 3600:.1f} h: take a longer log, or a shorter outcome.horizon_hours"
        )
    _check_kinds(replayed, "actionable", problem.outcome.actionable)
    if problem.outcome.on_expiry == "unknown":
        _check_kinds(replayed, "noise", problem.outcome.noise)


def check_training(y: Labels) -> None:
    """Hold the training labels to being enough.

    Raises:
        LabError: too few, or of one class only.
    """
    if len(y) < LEAST_ALERTS:
        raise LabError(f"only {len(y)} alerts have an outcome known at the split, at least {LEAST_ALERTS} are needed")
    check_classes(y, "training window")
    least = min(int(y.sum()), len(y) - int(y.sum()))
    if least < LEAST_OF_A_CLASS:
        rare = "actionable" if least == int(y.sum()) else "noise"
        raise LabError(f"only {least} of {len(y)} training alerts are {rare}, at least {LEAST_OF_A_CLASS} are needed")


def check_judging(replayed: Replayed, split: Split) -> None:
    """Hold the part after the split to having alerts that can be judged, before anything is learnt.

    Raises:
        LabError: it has none; the horizon that would give some is named, if there is one.
    """
    if not judgeable(replayed, split).any():
        raise LabError(*no_judging_fault(replayed, split))


def no_judging_fault(replayed: Replayed, split: Split) -> Fault:
    """Why no alert after the split can be judged, and what would change that."""
    after = replayed.counts & (replayed.at >= split.at)
    problem, left = replayed.problem, (replayed.ended_at - split.at) / 3600.0
    text = f"0 of {int(after.sum()):,} alerts after the split can be judged by: the log goes on for {left:.1f} h after "
    text += f"it, and an outcome is sure after {problem.due_seconds / 3600.0:.1f} h (horizon and grace)"
    horizon = judging_horizon(replayed, split)
    longer = "take a log that goes on for longer"
    return Fault(text, longer if horizon is None else f"set outcome.horizon_hours = {horizon:g}, or {longer}")


def judging_horizon(replayed: Replayed, split: Split) -> float | None:
    """The longest round horizon, in hours, by which alerts after the split could be judged; None if there is none."""
    problem = replayed.problem
    grace = problem.outcome.grace_minutes * 60.0
    after = replayed.counts & (replayed.at >= split.at)
    decided = replayed.labelled & (replayed.decided_at > 0.0)
    for least in (LEAST_ALERTS, 1):
        for hours in _HORIZONS:
            mature = replayed.at + hours * 3600.0 + grace <= replayed.ended_at
            known = decided & (replayed.decided_at - replayed.at <= hours * 3600.0)
            usable = after & mature & (known | (problem.outcome.on_expiry == "noise"))
            if hours < problem.outcome.horizon_hours and np.count_nonzero(usable) >= least:
                return hours
    return None


def _check_kinds(replayed: Replayed, name: str, wanted: list[str]) -> None:
    if any(entry in replayed.kinds or entry in replayed.agents for entry in wanted):
        return
    seen = ", ".join(kind for kind, _ in replayed.kinds.most_common(_KINDS_SHOWN)) or "no actions at all"
    raise LabError(f"no action in the log is of a kind that outcome.{name} lists ({', '.join(wanted)}); it has: {seen}")
