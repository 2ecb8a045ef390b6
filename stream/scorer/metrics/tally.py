"""The tally of a batch: what it adds to the metrics once it is written."""

from collections import Counter

import numpy as np
from msgspec import Struct, field

from stream.core.effects import Decided
from stream.core.ledger import OUTCOME_NAMES
from stream.metrics.scorer import ScorerMetrics
from stream.scorer.metrics.verdicts import Verdicts

OutcomeKey = tuple[str, int, str, int]  # team, outcome, by what, flags


class Tally(Struct):
    """The counts of one partition's share of a batch. `enriched_at` and `raised_at` are seconds since 1970."""

    enriched_at: float
    raised_at: list[float] = field(default_factory=list)  # record timestamps of what was enriched
    events: Counter[str] = field(default_factory=Counter)
    acts: Counter[str] = field(default_factory=Counter)  # by who did them
    scored: Counter[str] = field(default_factory=Counter)
    unscored: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[OutcomeKey] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    teams: list[str] = field(default_factory=list)  # of the alerts that arrived
    rows: list[int] = field(default_factory=list)  # of those of them that count for drift
    decided: list[Decided] = field(default_factory=list)
    matured: list[Verdicts] = field(default_factory=list)
    repeated: int = 0
    late: int = 0

    def count(self, metrics: ScorerMetrics) -> None:
        """Move the counters."""
        for counter, counts in (
            (metrics.events, self.events),
            (metrics.acts, self.acts),
            (metrics.scored, self.scored),
            (metrics.unscored, self.unscored),
            (metrics.actions, self.actions),
            (metrics.lane.failed, self.failed),
        ):
            for label, number in counts.items():
                counter.labels(label).inc(number)
        for (_, outcome, _, _), number in self.outcomes.items():
            metrics.outcomes.labels(OUTCOME_NAMES[outcome]).inc(number)
        metrics.repeated.inc(self.repeated)
        metrics.late.inc(self.late)
        if self.raised_at:
            metrics.latency_seconds.observe_many(np.maximum(self.enriched_at - np.array(self.raised_at), 0.0))
