"""What keeps rules from acting: what Prometheus knows of models, and for people what was left alone lately, and why.

Drift and age are brakes; what Prometheus does not know is one too.
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from threading import Lock
from typing import Protocol

from stream.core import drift
from stream.core.errors import MonitoringError
from stream.core.problem import DAY_SECONDS
from stream.core.records import Decision
from stream.prometheus import Series

log = logging.getLogger(__name__)
WINDOWS = ("24h", "7d")
FRESH_SECONDS = 120.0  # what Prometheus said counts for so long
NO_PROMETHEUS = "no prometheus_url is set, so nobody sees whether models drift"
_SLOT_SECONDS, _SLOTS = 600.0, 6
_MOST_WHYS = 1_000  # in a slot: some hold figures, such as an age
_SHOWN = 10  # of each rule

CREATED = "max by (model) (noisegate_model_created_timestamp_seconds)"
RECORDED = "count by (model) (noisegate:psi:24h)"


def drifted(window: str) -> str:
    """PromQL: the PSI of what drifts by model and feature, as the alerts on drift ring, but without their wait."""
    psi, enough = f"noisegate:psi:{window}", f"noisegate:feature_observed:{window} >= {drift.ROWS_LEAST}"
    rings = 'noisegate_feature_info{watch="ring"} == 1'
    both = (
        f"{psi} > on (job, model, feature) noisegate:psi_threshold:{window}"
        f" and {psi} > {drift.EFFECT_FLOOR} and on (job, model, feature) {enough}"
    )
    return (
        f"max by (model, feature) (({both} and on (job, model, feature) {rings})"
        f" or ({both} and on (job, model, feature) {psi}{{feature='score'}}))"
    )


class Queries(Protocol):
    """A Prometheus; `stream.prometheus.Prometheus` is one."""

    def query(self, expression: str, at: float) -> list[Series]:
        """The values of an expression at a time; raises MonitoringError."""


class ModelBrakes(Mapping[str, str]):
    """Why no rule acts by a model, by its version; of a model that Prometheus does not know that is the reason.

    Args:
        drifting: which feature drifts how far, by model.
        recorded: the models whose drift is recorded.
        created: when each model was made, seconds since 1970.
        days: how old a model may be.
        now: seconds since 1970.
    """

    def __init__(
        self,
        drifting: Mapping[str, str],
        recorded: Collection[str],
        created: Mapping[str, float],
        days: float,
        now: float,
    ) -> None:
        self.drifting, self._recorded, self._created, self._days, self._now = drifting, recorded, created, days, now

    def __getitem__(self, model: str) -> str:
        why = self.drift(model) or self.old(model)
        if why is None:
            raise KeyError(model)
        return why

    def drift(self, model: str) -> str | None:
        """What drifts, or that nobody knows; None where nothing does."""
        if model not in self.drifting and model not in self._recorded:
            return f"Prometheus has no record of the drift of model {model}"
        return self.drifting.get(model)

    def old(self, model: str) -> str | None:
        """Why a model is too old, or of an age that nobody knows; None where it is neither."""
        created = self._created.get(model)
        if created is None:
            return f"Prometheus does not know how old model {model} is"
        days = (self._now - created) / DAY_SECONDS
        if days <= self._days:
            return None
        return f"model {model} is {days:.0f} days old, at most {self._days:g} are allowed"

    def __iter__(self) -> Iterator[str]:
        return (model for model in {*self.drifting, *self._recorded, *self._created} if self.get(model) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class BrakeWatch:
    """Asks Prometheus now and then. `look` is called by one thread, the rest by any.

    Args:
        prometheus: who is asked; None: nobody, so nothing may be acted on.
        model_days: how old a model may be.
        clock: seconds since 1970.
        monotonic: seconds.
    """

    def __init__(
        self,
        prometheus: Queries | None,
        model_days: float,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._prometheus, self._days, self._clock, self._monotonic = prometheus, model_days, clock, monotonic
        self._found: ModelBrakes | None = None
        self._found_at = 0.0
        self._fault = NO_PROMETHEUS if prometheus is None else "Prometheus was not asked yet whether models drift"

    def look(self) -> None:
        """Ask once; what was found before stands for a while where Prometheus does not answer."""
        if self._prometheus is None:
            return
        now = self._clock()
        try:
            created = {one.labels.get("model", ""): one.value for one in self._prometheus.query(CREATED, now)}
            recorded = {one.labels.get("model", "") for one in self._prometheus.query(RECORDED, now)}
            drifting: dict[str, str] = {}
            for window in WINDOWS:
                for one in self._prometheus.query(drifted(window), now):
                    model, feature = one.labels.get("model", ""), one.labels.get("feature", "")
                    drifting.setdefault(model, f"{feature} of model {model} drifts: PSI {one.value:.2f} over {window}")
        except MonitoringError as error:
            fault = f"nobody sees whether models drift: {error.problem}"
            if fault != self._fault:
                log.warning("%s", fault)
            self._fault = fault
            return
        self._found = ModelBrakes(drifting, recorded, created, self._days, now)
        self._found_at, self._fault = self._monotonic(), ""

    @property
    def everything(self) -> str | None:
        """Why nothing may be acted on; None while Prometheus answers."""
        if self._found is None or self._monotonic() - self._found_at > FRESH_SECONDS:
            return self._fault or "Prometheus has not been asked for a while whether models drift"
        return None

    @property
    def models(self) -> ModelBrakes:
        """What was found last."""
        return ModelBrakes({}, (), {}, self._days, self._clock()) if self._found is None else self._found


class BlockTally:
    """How many alerts each rule left alone in the last hour, and why; used by any thread."""

    def __init__(self) -> None:
        self._slots: deque[tuple[int, Counter[tuple[str, str]]]] = deque(maxlen=_SLOTS)
        self._lock = Lock()

    def count(self, decisions: Iterable[Decision], now: float) -> None:
        """Count what was decided just now; `now` in seconds since 1970."""
        found = Counter((one.by_rule, one.why) for one in decisions if one.by_rule and one.decision == "blocked")
        if not found:
            return
        slot = int(now // _SLOT_SECONDS)
        with self._lock:
            if not self._slots or self._slots[-1][0] < slot:
                self._slots.append((slot, Counter()))
            counted = self._slots[-1][1]
            for key, count in found.items():
                if key in counted or len(counted) < _MOST_WHYS:
                    counted[key] += count

    def of_last_hour(self, now: float) -> Mapping[str, Mapping[str, int]]:
        """The counts of the hour before `now`, by rule and why; of each rule the most frequent ones."""
        first, total = int(now // _SLOT_SECONDS) - _SLOTS + 1, dict[str, Counter[str]]()
        with self._lock:
            for slot, counted in self._slots:
                if slot >= first:
                    for (rule, why), count in counted.items():
                        total.setdefault(rule, Counter())[why] += count
        return {rule: dict(whys.most_common(_SHOWN)) for rule, whys in total.items()}
