"""The recorder: it moves the counters of drift and quality, once a batch is written.

A batch counts when its states are written, so once. What a crash costs: what was counted since Prometheus last asked,
and the one batch that was written but not yet counted (also where the answer to the write was lost). What was due when
events were folded again in silence is not counted: the process that published them counted it. See docs/OPERATIONS.md.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from threading import Lock

import numpy as np

from stream.core.kinds import CORRECTION, is_drill
from stream.core.ledger import ACTIONABLE, NOISE, UNJUDGED, UNKNOWN
from stream.metrics.scorer import LEFT_OUT, ScorerMetrics
from stream.models.active import Role, ScoringModel
from stream.models.model import Model
from stream.scorer.metrics.drift import score_counts
from stream.scorer.metrics.model_series import ModelSeries
from stream.scorer.metrics.tally import Tally
from stream.scorer.metrics.team_groups import TeamGroups
from stream.scorer.metrics.verdicts import JudgedAlerts, ModelRole, count_judged
from stream.scorer.model_faults import Failure
from stream.scorer.score import Scored

_OUTCOMES = ("actionable", "noise", "unknown")
_PLACE_OF = {ACTIONABLE: 0, NOISE: 1, UNKNOWN: 2}


class MetricsRecorder:
    """Records what was scored and what matured. `serve` and `record` may be called by two threads.

    Args:
        metrics: the process's metrics.
        groups: patterns of teams by group.
        keep_seconds: how long series stay after their model was last served or recorded.
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
        self._series = ModelSeries(metrics, self._groups, keep_seconds)
        self._clock = clock
        self._lock = Lock()
        names = self._groups.names
        self._drift.team_alerts.open((), [(group,) for group in names])
        self._quality.team_outcomes.open((), [(group, outcome) for group in names for outcome in _OUTCOMES])
        self._quality.left_out.open((), [(reason,) for reason in LEFT_OUT])

    def serve(self, served: Iterable[tuple[ScoringModel, Role]]) -> None:
        """Open the series of these models in service, at zero, and close those long out of service and use."""
        with self._lock:
            self._series.serve([(model, _metric_role(role)) for model, role in served], self._clock())

    def record(self, scored: Iterable[Scored], tallies: Sequence[Tally]) -> list[Failure]:
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
            self._count_matured(tallies, corrections, now)
        return failures

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
        role = _metric_role(one.role)
        shown = self._series.show(one.model, role, now)
        if shown is None:
            return
        inputs, probabilities, indices = one.inputs, one.probabilities, one.indices.tolist()
        if indices != rows:  # several champions, or alerts that don't count, or were not written
            wanted = frozenset(rows)
            places = [place for place, index in enumerate(indices) if index in wanted]
            inputs, probabilities = inputs.take(places), probabilities[places]
        if not len(probabilities):
            return
        scorer = one.model.version, role
        if shown.drift is not None and isinstance(one.model, Model) and shown.drift.fits(one.model):
            shown.drift.count(inputs, probabilities)
        counts, below = score_counts(probabilities)
        self._drift.scores.add(scorer, counts, np.array([probabilities.sum()]))
        self._drift.below.add(scorer, below)
        self._drift.expected_squared_error.add(scorer, np.array([np.dot(probabilities, 1.0 - probabilities)]))

    def _count_matured(self, tallies: Sequence[Tally], corrections: int, now: float) -> None:
        left_out: Counter[str] = Counter(correction=corrections)
        judged: defaultdict[ModelRole, list[JudgedAlerts]] = defaultdict(list)
        for verdicts in (one for tally in tallies for one in tally.matured):
            left_out.update(verdicts.left_out)
            for found in verdicts.judged:
                judged[found.model, found.role].append(found)
        for scorer, alerts in judged.items():
            if not self._count_judged(scorer, alerts, now):
                left_out["no_such_model"] += sum(len(one.codes) for one in alerts)
        if any(left_out.values()):
            self._quality.left_out.add((), np.array([left_out[reason] for reason in LEFT_OUT]))

    def _count_judged(self, scorer: ModelRole, judged: Sequence[JudgedAlerts], now: float) -> bool:
        """Count one model's judged alerts; False where it can't be shown."""
        version, role = scorer
        shown = self._series.show_judged(version, role, now)
        if shown is None:
            return False
        bands = shown.thresholds if role == "challenger" else None
        edges = [bands.likely_noise, bands.likely_actionable] if bands else []
        count_judged(self._quality, scorer, judged, edges, self._groups)
        return True


def _metric_role(role: Role) -> str:
    """A team's champion counts as champion: which of both it was is not kept with the alert."""
    return "challenger" if role == "challenger" else "champion"
