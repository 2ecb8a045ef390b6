"""What makes a log unfit for training, in one sentence each."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stream.core.errors import LabError
from stream.core.frame import Labels
from stream.lab.judging.metrics import check_classes
from stream.lab.replaying import Replayed

LEAST_ALERTS = 50  # with a known outcome, before the split
LEAST_OF_A_CLASS = 5
_KINDS_SHOWN = 8


@contextmanager
def about(log: Path) -> Iterator[None]:
    """Begin what is wrong with a log with its path."""
    try:
        yield
    except LabError as error:
        raise LabError(f"{log}: {error}") from None


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


def _check_kinds(replayed: Replayed, name: str, wanted: list[str]) -> None:
    if any(entry in replayed.kinds or entry in replayed.agents for entry in wanted):
        return
    seen = ", ".join(kind for kind, _ in replayed.kinds.most_common(_KINDS_SHOWN)) or "no actions at all"
    raise LabError(f"no action in the log is of a kind that outcome.{name} lists ({', '.join(wanted)}); it has: {seen}")
