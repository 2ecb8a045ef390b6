"""What one partition has counted of a rule: the tallies of its starts and of each model, and its trip's level.

Partitions are added up where a rule is judged, which their order does not change. The trip's level is each partition's
own, in order of hour and team: one false trip in 1,000 observations or more, however they are spread.
"""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from msgspec import Struct

from stream.core.ladder import Ladder, is_ready
from stream.core.observations import PROOF, Observation, is_observed
from stream.core.proof import TRIP_LEVEL, Tally, draw, total, trip_step
from stream.core.records import Outcome
from stream.core.rule_index import IndexedRule, RuleIndex

Key = TypeVar("Key", int, str)


class RuleTallies(Struct, array_like=True):
    """The counts of one version of a rule.

    Attributes:
        version: of the rule.
        starts: by the number of the start.
        models: by version, the observations under the model's own scores.
        trip: the trip's level over held-out observations.
        closed_trip: the same over episodes that the rule closed.
    """

    version: str
    starts: dict[int, Tally] = {}
    models: dict[str, Tally] = {}
    trip: float = 0.0
    closed_trip: float = 0.0

    def observe(self, ladder: Ladder, observation: Observation, team: str, salt: str) -> bool:
        """Count a team's observation, if the rule touched nothing in its hour; returns whether it trips the rule."""
        starts = ladder.starts_of(observation.hour, draw(salt, ladder.name, team, observation.hour))
        if not starts:
            return False
        if observation.model != PROOF:
            self.models.setdefault(observation.model, Tally()).add(observation.acted, observation.hour)
            return False
        for start in starts:
            self.starts.setdefault(start.number, Tally()).add(observation.acted, observation.hour)
        if ladder.regime_at(observation.hour).mode == "shadow":
            return False
        self.trip = trip_step(self.trip, observation.acted, ladder.limit)
        return self.trip >= TRIP_LEVEL

    def observe_closed(self, ladder: Ladder, was_wrong: bool) -> bool:
        """Count an episode that the rule closed, reopened or acted on or not; returns whether it trips the rule."""
        self.closed_trip = trip_step(self.closed_trip, float(was_wrong), ladder.limit)
        return self.closed_trip >= TRIP_LEVEL

    def forget(self, ladder: Ladder) -> None:
        """Let go of what no proof rests on any more; all of it where the rule is another version."""
        if self.version != ladder.version:
            self.version, self.models = ladder.version, {}
        kept = {start.number for start in (ladder.standing, ladder.second) if start is not None}
        self.starts = {number: tally for number, tally in self.starts.items() if number in kept}
        if ladder.regimes[-1].mode == "shadow":
            self.trip = self.closed_trip = 0.0


def total_starts(parts: Iterable[RuleTallies]) -> dict[int, Tally]:
    """The tallies of each start over all partitions, as a ladder is judged by."""
    return _added_up(part.starts for part in parts)


def ready_models(parts: Iterable[RuleTallies], limit: float) -> frozenset[str]:
    """The models that may act by the rule: enough observations under their own scores, with a mean within the limit."""
    return frozenset(
        model for model, tally in _added_up(part.models for part in parts).items() if is_ready(tally, limit)
    )


def _added_up(parts: Iterable[Mapping[Key, Tally]]) -> dict[Key, Tally]:
    found: dict[Key, list[Tally]] = {}
    for part in parts:
        for key, tally in part.items():
            found.setdefault(key, []).append(tally)
    return {key: total(tallies) for key, tallies in found.items()}


def matches(index: RuleIndex, outcome: Outcome) -> list[tuple[IndexedRule, list[str]]]:
    """The rules that an outcome is an observation of, each with the models under whose scores it matched first.

    Among them is `PROOF` for the champion's score. Usually it is one rule; a challenger may meet another.
    """
    if not is_observed(outcome):
        return []
    found: dict[str, tuple[IndexedRule, list[str]]] = {}
    for model, probability in outcome.scores.items():
        one = index.first(
            outcome.team,
            outcome.rule,
            outcome.entity,
            outcome.severity,
            outcome.source,
            outcome.labels,
            probability,
        )
        if one is None:
            continue
        names = found.setdefault(one.rule.name, (one, []))[1]
        names += [PROOF, model] if model == outcome.model else [model]
    return list(found.values())
