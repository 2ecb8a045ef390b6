"""What models do wrong with live alerts: counted, and logged once with its cause, then once a minute."""

import logging
import time
from collections.abc import Callable, Iterable
from typing import Literal

from msgspec import Struct

from stream.core import limits
from stream.metrics.scorer import ScorerMetrics

log = logging.getLogger(__name__)
AGAIN_SECONDS = 60.0

Doing = Literal["scoring", "counting"]
_CONSEQUENCES: dict[Doing, str] = {
    "scoring": "its alerts are published unscored, reason model_failed",
    "counting": "its drift of that batch is not counted",
}


class Failure(Struct, frozen=True):
    """A model that failed on a batch, and how."""

    version: str
    error: Exception


class _Logged(Struct):
    """When a failure was logged last, and how often it came since."""

    at: float
    since: int = 0


class ModelFaults:
    """Counts and logs; it never raises. For the thread that scores.

    Args:
        metrics: the process's metrics.
        clock: monotonic, seconds.
    """

    def __init__(self, metrics: ScorerMetrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._clock = clock
        self._logged: dict[tuple[Doing, str, str], _Logged] = {}
        self._simulated: set[str] = set()

    def failed(self, failures: Iterable[Failure]) -> None:
        """Champions failed on a batch: one failure each."""
        for failure in failures:
            self._metrics.model_failures.labels(failure.version).inc()
            self._log("scoring", failure)

    def uncounted(self, failures: Iterable[Failure]) -> None:
        """What models did with a batch could not be counted: one failure each."""
        for failure in failures:
            self._metrics.drift_uncounted.inc()
            self._log("counting", failure)

    def scored_real(self, versions: Iterable[str]) -> None:
        """Models made of simulated alerts scored alerts that are not simulated."""
        for version in versions:
            self._metrics.model_simulated.labels(version).set(1)
            if version not in self._simulated:
                self._bound(self._simulated)
                self._simulated.add(version)
                log.warning(
                    "the model %s was trained on simulated alerts, but these are real: their scores mean nothing and "
                    "are flagged `simulated`; train a model on your own log and set NOISEGATE_MODEL_STORE to its store",
                    version,
                )

    def _log(self, doing: Doing, failure: Failure) -> None:
        key = doing, failure.version, type(failure.error).__name__
        why = ": ".join([key[2], *str(failure.error).splitlines()[:1]])
        known, now = self._logged.get(key), self._clock()
        if known is None:
            self._bound(self._logged)
            self._logged[key] = _Logged(now)
            log.error(
                "the model %s failed while %s a batch (%s); %s",
                failure.version,
                doing,
                why,
                _CONSEQUENCES[doing],
                exc_info=failure.error,
            )
            return
        known.since += 1
        if now - known.at >= AGAIN_SECONDS:
            log.error(
                "the model %s failed while %s %d more batches (%s); %s",
                failure.version,
                doing,
                known.since,
                why,
                _CONSEQUENCES[doing],
            )
            known.at, known.since = now, 0

    @staticmethod
    def _bound(kept: "dict[tuple[Doing, str, str], _Logged] | set[str]") -> None:
        """Make room: what fails in more ways than this is logged anew."""
        if len(kept) >= limits.MODEL_FAULTS:
            kept.clear()
