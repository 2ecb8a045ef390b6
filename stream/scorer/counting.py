"""Drift and quality of what was written: the counters that move after the fence, and the life of models' series.

A batch counts when its states are written, so once. What a crash costs: what was counted since Prometheus last asked,
and the one batch that was written but not yet counted (also where the answer to the write was lost). What was due when
events were folded again in silence is not counted: the process that published them counted it. See docs/OPERATIONS.md.
"""

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from math import inf
from threading import Lock

import numpy as np
from msgspec import Struct

from stream.core import limits
from stream.core.kinds import CORRECTION, is_drill
from stream.core.ledger import ACTIONABLE, NOISE, UNJUDGED, UNKNOWN
from stream.core.scoring import Thresholds
from stream.metrics.scorer import ScorerMetrics
from stream.models.active import Role, ScoringModel
from stream.models.model import Model
from stream.scorer.metrics.team_groups import TeamGroups
from stream.scorer.model_faults import Failure
from stream.scorer.metrics.drift import EDGE_LABELS, Observed, score_counts
from stream.scorer.metrics.verdicts import LEFT_OUT, Judged, Said, count_quality, open_quality
from stream.scorer.score import Scored
from stream.scorer.metrics.tally import Tally

log = logging.getLogger(__name__)
_OUTCOMES = ("actionable", "noise", "unknown")
_PLACE_OF = {ACTIONABLE: 0, NOISE: 1, UNKNOWN: 2}


class _Shown(Struct):
    """A model whose series are on /metrics."""

    roles: dict[str, float]  # when each was last served or counted
    thresholds: Thresholds | None = None  # None: this process never had it
    observed: Observed | None = None


class MetricsRecorder:
    """Counts what was scored and what matured. `serve` and `count` may come from two threads.

    Args:
        metrics: the process's metrics.
        groups: patterns of teams by group.
        keep_seconds: how long series stay after their model was last served or counted.
        clock: seconds of a clock that never goes back.
    """

    def __init__(
        self,
        metrics: ScorerMetrics,
        groups: Mapping[str, Sequence[str]],
        keep_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._drift, self._quality = metrics.drift, metrics.quality
        self._groups = TeamGroups(groups)
        self._keep = keep_seconds
        self._clock = clock
        self._shown: dict[str, _Shown] = {}
        self._served: frozenset[Said] = frozenset()
        self._lock = Lock()
        names = self._groups.names
        self._drift.team_alerts.open((), [(group,) for group in names])
        self._quality.team_outcomes.open((), [(group, outcome) for group in names for outcome in _OUTCOMES])
        self._quality.left_out.open((), [(reason,) for reason in LEFT_OUT])

    def serve(self, served: Iterable[tuple[ScoringModel, Role]]) -> None:
        """These models are in service: their series are there at zero, those long out of service and use go."""
        with self._lock:
            now = self._clock()
            models = [(model, _two(role)) for model, role in served]
            self._served = frozenset((model.version, role) for model, role in models)
            self._retire(now)
            for model, role in models:
                self._show(model, role, now)

    def count(self, scored: Iterable[Scored], tallies: Sequence[Tally]) -> list[Failure]:
        """Add what was written of a batch: the tallies of those partitions, and what was scored over all.

        Returns:
            Models whose inputs could not be counted, and why: that costs their figures of this batch, nothing else.
        """
        failures = []
        with self._lock:
            now = self._clock()
            rows = [row for tally in tallies for row in tally.rows]
            for one in scored if rows else ():
                try:
                    self._count_scored(one, rows, now)
                except MemoryError:
                    raise
                except Exception as error:  # the batch is written: what can't be counted of it stops nothing
                    failures.append(Failure(one.model.version, error))
            corrections = self._count_teams(tallies)
            self._count_quality(tallies, corrections, now)
        return failures

    # Before labels.

    def _count_teams(self, tallies: Sequence[Tally]) -> int:
        """Count alerts and outcomes by group; returns how many of the outcomes are corrections."""
        groups, size = self._groups, len(self._groups.names)
        alerts, outcomes = np.zeros(size), np.zeros((size, 3))
        corrections = 0
        for team, count in Counter(chain.from_iterable(tally.teams for tally in tallies)).items():
            alerts[groups.index(team)] += count
        for (team, outcome, by, flags), count in chain.from_iterable(tally.outcomes.items() for tally in tallies):
            if is_drill(team):
                continue
            corrections += count * (by == CORRECTION)
            if not flags & UNJUDGED:
                outcomes[groups.index(team), _PLACE_OF[outcome]] += count
        self._drift.team_alerts.add((), alerts)
        self._quality.team_outcomes.add((), outcomes.ravel())
        return corrections

    def _count_scored(self, one: Scored, rows: list[int], now: float) -> None:
        role = _two(one.role)
        shown = self._show(one.model, role, now)
        if shown is None:
            return
        inputs, probabilities, indices = one.inputs, one.probabilities, one.indices.tolist()
        if indices != rows:  # several champions, or alerts that don't count, or were not written
            wanted = frozenset(rows)
            places = [place for place, index in enumerate(indices) if index in wanted]
            inputs, probabilities = inputs.take(places), probabilities[places]
        if not len(probabilities):
            return
        said = one.model.version, role
        if shown.observed is not None and isinstance(one.model, Model) and shown.observed.fits(one.model):
            shown.observed.count(inputs, probabilities)
        counts, below = score_counts(probabilities)
        self._drift.scores.add(said, counts, np.array([probabilities.sum()]))
        self._drift.below.add(said, below)
        self._drift.expected_squared_error.add(said, np.array([np.dot(probabilities, 1.0 - probabilities)]))

    # After.

    def _count_quality(self, tallies: Sequence[Tally], corrections: int, now: float) -> None:
        left_out: Counter[str] = Counter(correction=corrections)
        judged: defaultdict[Said, list[Judged]] = defaultdict(list)
        for verdicts in (one for tally in tallies for one in tally.matured):
            left_out.update(verdicts.left_out)
            for found in verdicts.judged:
                judged[found.model, found.role].append(found)
        for said, alerts in judged.items():
            if not self._count_judged(said, alerts, now):
                left_out["no_such_model"] += sum(len(one.codes) for one in alerts)
        if any(left_out.values()):
            self._quality.left_out.add((), np.array([left_out[reason] for reason in LEFT_OUT]))

    def _count_judged(self, said: Said, judged: Sequence[Judged], now: float) -> bool:
        """Count one model's judged alerts; False where it can't be shown, or its bands are not known any more."""
        version, role = said
        shown = self._shown.get(version)
        if role == "challenger" and (shown is None or shown.thresholds is None):
            return False
        shown = shown or self._enter(version)
        if shown is None:
            return False
        self._open_role(version, role, shown, now)
        bands = shown.thresholds if role == "challenger" else None
        edges = [bands.likely_noise, bands.likely_actionable] if bands else []
        count_quality(self._quality, said, judged, edges, self._groups)
        return True

    # Series.

    def _show(self, model: ScoringModel, role: str, now: float) -> _Shown | None:
        version = model.version
        shown = self._shown.get(version) or self._enter(version)
        if shown is None:
            return None
        if shown.thresholds is None:
            shown.thresholds = model.thresholds
            shown.observed = self._observe(model)
        self._open_role(version, role, shown, now)
        return shown

    def _observe(self, model: ScoringModel) -> Observed | None:
        """The series of what a model sees; None where its reference can't be used for any."""
        if not isinstance(model, Model):
            return None
        try:
            return Observed(model, self._drift)
        except MemoryError:
            raise
        except Exception:  # a model that serves goes on, its drift unwatched
            log.exception("the model %s serves, but its drift can't be counted", model.version)
            return None

    def _enter(self, version: str) -> _Shown | None:
        """Room for a model that is not shown yet; None where too many are, all of them served."""
        if len(self._shown) >= limits.MODELS_COUNTED:
            served = {name for name, _ in self._served}
            idle = [
                (max(shown.roles.values(), default=-inf), name)
                for name, shown in self._shown.items()
                if name not in served
            ]
            if not idle or version not in served:
                return None
            self._close(min(idle)[1])
        self._shown[version] = _Shown({})
        return self._shown[version]

    def _open_role(self, version: str, role: str, shown: _Shown, now: float) -> None:
        new = role not in shown.roles
        shown.roles[role] = now
        if not new:
            return
        said = version, role
        self._drift.scores.open(said, [()])
        self._drift.below.open(said, EDGE_LABELS)
        self._drift.expected_squared_error.open(said, [()])
        open_quality(self._quality, said, self._groups)

    def _retire(self, now: float) -> None:
        """Let go of what was neither served nor counted for long."""
        for version, shown in list(self._shown.items()):
            for role, used_at in list(shown.roles.items()):
                if now - used_at > self._keep and (version, role) not in self._served:
                    self._close_role(version, role)
            if not shown.roles:
                self._close(version)

    def _close(self, version: str) -> None:
        for role in list(self._shown[version].roles):
            self._close_role(version, role)
        del self._shown[version]
        for grid in self._drift.of_model:
            grid.close((version,))

    def _close_role(self, version: str, role: str) -> None:
        del self._shown[version].roles[role]
        for series in (*self._drift.of_role, *self._quality.of_role):
            series.close((version, role))


def _two(role: Role) -> str:
    """A team's champion counts as champion: which of both it was is not kept with the alert."""
    return "challenger" if role == "challenger" else "champion"
