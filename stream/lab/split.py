"""The split by time, what may be known on which side of it, and the training window before it."""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from stream.core.errors import LabError
from stream.core.features import Feature
from stream.core.frame import Labels, Mask, Matrix
from stream.lab.replaying import Replayed

EARLIER = 0.8  # of a training window
LEAST_LATER = 200  # alerts, and
LEAST_OF_A_CLASS = 20  # of each outcome in either part, to find anything on the later part


class Split(Struct, frozen=True):
    """A moment in the log.

    Attributes:
        at: seconds since 1970; alerts raised then or later are after the split.
        alert: the first alert (log order) after the split; those before it make the window before the split.
        step: its place in `Replayed.sequence`: what comes before it was known at the split.
    """

    at: float
    alert: int
    step: int


def split_at_share(replayed: Replayed, share: float, until: int | None = None) -> Split:
    """Split the first `until` alerts (all, if None) at a share of them, by raise time.

    Raises:
        LabError: the share is not between 0 and 1, or one side would be empty.
    """
    if not 0.0 < share < 1.0:
        raise LabError(f"split={share}: give a share between 0 and 1")
    at = replayed.at[:until]
    if len(at) < 2:
        raise LabError(f"the log holds {len(at)} alerts, which can't be split")
    return split_at_time(replayed, float(np.sort(at)[int(len(at) * share)]))


def split_at_time(replayed: Replayed, at: float) -> Split:
    """Split at a time; after the last raise, everything lies before it."""
    after = np.flatnonzero(replayed.at >= at)
    if not len(after):
        return Split(at, len(replayed.at), len(replayed.sequence))
    first = int(after[0])
    return Split(at, first, int(np.flatnonzero(replayed.sequence == first)[0]))


def trainable(replayed: Replayed, split: Split) -> Mask:
    """Alerts before the split that count and whose outcome (actionable or noise) was known at it.

    What was not known by then is purged. Shape: bool[split.alert].
    """
    steps = replayed.sequence[: split.step]
    known = np.zeros(len(replayed.at), dtype=np.bool_)
    known[~steps[steps < 0]] = True
    usable: Mask = (known & replayed.counts)[: split.alert]
    return usable


def judgeable(replayed: Replayed, split: Split) -> Mask:
    """Labelled alerts after the split whose horizon and grace had passed when the log ended. Shape: bool[N].

    Younger alerts would let fast outcomes run ahead of slow ones.
    """
    judged: Mask = replayed.labelled & replayed.mature & (replayed.at >= split.at)
    return judged


def between(replayed: Replayed, start: Split, end: Split) -> Mask:
    """Of what is trainable at `end`: the alerts from `start` on whose horizon and grace had passed by then.

    Shape: bool[end.alert].
    """
    at = replayed.at[: end.alert]
    later: Mask = trainable(replayed, end) & (at >= start.at) & (at + replayed.problem.due_seconds < end.at)
    return later


class Window(Struct, frozen=True, eq=False):
    """The training window: everything before `end`, with float32[end.alert, F] and what may be learnt from."""

    replayed: Replayed
    end: Split
    usable: Mask
    matrix: Matrix
    features: Sequence[Feature]

    def take(self, mask: Mask) -> tuple[Matrix, Labels]:
        """Features and labels of some of the window's alerts; a shorter mask takes from the beginning."""
        return self.matrix[: len(mask)][mask], self.replayed.outcome[: len(mask)][mask]


def earlier_and_later(window: Window) -> tuple[Mask, Mask]:
    """The window's earlier 80 % as known at its end, and what is decided of the rest."""
    inner = split_at_share(window.replayed, EARLIER, window.end.alert)
    return trainable(window.replayed, inner), between(window.replayed, inner, window.end)


def has_enough(window: Window, earlier: Mask, later: Mask) -> bool:
    """Whether both parts hold enough alerts of each outcome to find anything on the later one."""
    if np.count_nonzero(later) < LEAST_LATER:
        return False
    labels = [window.take(mask)[1] for mask in (earlier, later)]
    return all(np.bincount(y, minlength=2).min() >= LEAST_OF_A_CLASS for y in labels)
