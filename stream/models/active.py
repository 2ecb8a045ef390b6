"""The models active at one moment: the champions, and the challenger that scores beside them in shadow."""

import logging
import time
import weakref
from collections.abc import Sequence
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Literal, Protocol

from msgspec import Struct

from stream.core.errors import ModelError
from stream.core.events import Raised
from stream.core.frame import Array, Decayed, Inputs, Matrix
from stream.core.occlusion import Occlusion
from stream.core.records import Reason
from stream.core.scoring import Thresholds
from stream.models.graph import Stop
from stream.models.pointers import Pointer

log = logging.getLogger(__name__)
Role = Literal["champion", "team", "challenger"]
Drop = Literal["failed", "slow"]


class ScoringModel(Protocol):
    """The interface of a model that scores alerts; `stream.models.model.Model` implements it."""

    version: str
    thresholds: Thresholds
    simulated: bool
    """Whether it was made of simulated alerts."""
    occlusion: Occlusion
    """Finds what pushed a score."""

    def inputs(self, rows: Decayed, alerts: Sequence[Raised]) -> Inputs:
        """What the model reads of the alerts."""

    def predict(self, matrix: Matrix, stop: Stop | None = None) -> Array:
        """The probability of each row, float64[N]; raises ModelError, also where `stop` ended it, or what a bug is."""


class Shadow:
    """A challenger's scores of one batch, under way in another thread.

    Attributes:
        inputs: what the challenger reads.
        probabilities: float64[N], None until it is done and where it failed.
        error: why it failed.
        seconds: what it took, features aside.
    """

    def __init__(self, model: ScoringModel, inputs: Inputs) -> None:
        self.model = model
        self.inputs = inputs
        self.probabilities: Array | None = None
        self.error: Exception | None = None
        self.seconds = 0.0
        self._stop = Stop()
        self._busy = Lock()
        self._busy.acquire()

    def run(self) -> None:
        """Score, in the challenger's thread."""
        began = time.perf_counter()
        try:
            self.probabilities = one_a_row(self.model.predict(self.inputs.matrix, self._stop), len(self.inputs.matrix))
        except Exception as error:  # whatever a challenger does, the alerts go on
            self.error = error
        self.seconds = time.perf_counter() - began
        self._busy.release()

    def wait(self, seconds: float) -> Drop | None:
        """Wait until it is done, at most so long; says why there are no probabilities. A slow one is ended."""
        if not self._busy.acquire(timeout=seconds):
            self._stop.end()
            return "slow"
        self._busy.release()
        return None if self.error is None else "failed"


class Challenger:
    """A model that scores every batch in shadow, until it fails or is slow: then it is dropped, never an alert.

    Its one thread ends with it.

    Args:
        model: the version.
        seconds: how long a batch may wait for it, once everything else is done.
    """

    def __init__(self, model: ScoringModel, seconds: float) -> None:
        self.model = model
        self.dropped: Drop | None = None
        self._seconds = seconds
        self._batches: SimpleQueue[Shadow | None] = SimpleQueue()
        Thread(target=_work, args=(self._batches,), name="challenger", daemon=True).start()
        weakref.finalize(self, self._batches.put, None)

    def begin(self, rows: Decayed, alerts: Sequence[Raised]) -> Shadow | None:
        """Begin to score a batch; None where it was dropped."""
        if self.dropped:
            return None
        try:
            shadow = Shadow(self.model, self.model.inputs(rows, alerts))
        except MemoryError:
            raise
        except Exception as error:  # whatever a challenger does, the alerts go on
            self._drop("failed", f"{type(error).__name__}: {error}", error)
            return None
        self._batches.put(shadow)
        return shadow

    def finish(self, shadow: Shadow) -> Array | None:
        """Wait for the batch's scores, float64[N]; None: there are none, and the challenger is dropped.

        Raises:
            MemoryError: there is no memory left; that is no fault of the challenger.
        """
        drop = shadow.wait(self._seconds)
        if drop is None:
            return shadow.probabilities
        if drop == "slow":
            self._drop(drop, f"a batch waited {self._seconds:g} s for it")
            return None
        if isinstance(shadow.error, MemoryError):
            raise shadow.error
        self._drop(drop, str(shadow.error), shadow.error)
        return None

    def _drop(self, drop: Drop, why: str, error: Exception | None = None) -> None:
        self.dropped = drop
        cause = None if isinstance(error, ModelError) else error  # whose sentence says it all
        log.warning("the challenger %s is dropped until it is named again: %s", self.model.version, why, exc_info=cause)


def one_a_row(probabilities: Array, rows: int) -> Array:
    """The same, if there is one a row; raises ModelError else."""
    if probabilities.shape != (rows,):
        raise ModelError(f"the model gave probabilities of shape {probabilities.shape} for {rows} rows")
    return probabilities


def _work(batches: "SimpleQueue[Shadow | None]") -> None:
    while (shadow := batches.get()) is not None:
        shadow.run()
        del shadow  # while it waits, the thread holds no model


class ActiveModels(Struct, frozen=True):
    """The models to score with; replaced by one assignment, between two batches.

    Attributes:
        champions: the versions that the pointer names, the default first; empty without a pointer.
        pointer: which team has which champion.
        challenger: scores in shadow.
        reason: why alerts are unscored while there is no champion.
    """

    champions: tuple[ScoringModel, ...] = ()
    pointer: Pointer | None = None
    challenger: Challenger | None = None
    reason: Reason = "no_model"

    @property
    def roles(self) -> list[tuple[ScoringModel, Role]]:
        """Every model in service with its role: the default champion, those of teams, the challenger."""
        roles: list[tuple[ScoringModel, Role]] = [
            (model, "team" if n else "champion") for n, model in enumerate(self.champions)
        ]
        return roles + ([(self.challenger.model, "challenger")] if self.challenger else [])

    def champion_of(self, team: str) -> ScoringModel | None:
        """The model of a team's alerts."""
        if not self.champions:
            return None
        if self.pointer is None or not self.pointer.teams:
            return self.champions[0]
        version = self.pointer.version_of(team)
        return next(model for model in self.champions if model.version == version)
