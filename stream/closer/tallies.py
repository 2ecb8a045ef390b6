"""What one partition has counted of each rule, as the owner of the ladders reads it."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from stream.closer.closures import Settled, is_judged
from stream.closer.near_misses import Followed
from stream.closer.open_hours import Due
from stream.closer.parts import Parts
from stream.core.ladder import Ladder
from stream.core.proof import TRIP_LEVEL
from stream.core.tallies import RuleTallies
from stream.metrics.closer import CloserMetrics
from stream.rule_state import NearMisses


class PartTallies(Struct, array_like=True):
    """One partition's counts of a rule.

    Attributes:
        counts: of its proofs, its models and its trips.
        armed_since: the hour of the arming that the trips and near-misses belong to; 0: none.
        near_misses: since that arming.
    """

    counts: RuleTallies
    armed_since: int = 0
    near_misses: NearMisses = NearMisses()

    def follow(self, ladder: Ladder) -> None:
        """Let go of what no proof, and no arming that lasts, rests on."""
        self.counts.forget(ladder)
        if self.armed_since != ladder.armed_since():
            self.armed_since = ladder.armed_since()
            self.counts.trip = self.counts.closed_trip = 0.0
            self.near_misses = NearMisses()

    def tripped(self, ladder: Ladder) -> str | None:
        """Why the rule must fall back, by what this partition has counted since the arming; None where it need not."""
        if not self.armed_since or self.armed_since != ladder.armed_since():
            return None
        if self.counts.trip >= TRIP_LEVEL:
            return "people acted on too much of what it left alone"
        if self.counts.closed_trip >= TRIP_LEVEL:
            return "too many of its closures were reopened or acted on"
        return None


class PartitionTallies:
    """The counts of all rules of one partition of outcomes.

    Attributes:
        parts: kept with the state, by rule.
    """

    def __init__(self, metrics: CloserMetrics, salt: str) -> None:
        self.parts: Parts[PartTallies] = Parts("tallies", PartTallies)
        self._metrics, self._salt = metrics, salt

    def load(self, parts: Mapping[str, bytes]) -> None:
        """Begin with the parts that were written last."""
        self.parts.load(parts)

    def observe(self, ladders: Mapping[str, Ladder], due: Iterable[Due]) -> None:
        """Count observations, in order, for the rules whose version they are of."""
        for one in due:
            ladder = ladders.get(one.rule)
            if ladder is None or ladder.version != one.version:
                continue
            part = self._of(ladder)
            before = part.counts.trip
            part.counts.observe(ladder, one.observation, one.team, self._salt)
            level = part.counts.trip
            if before >= TRIP_LEVEL:  # the owner has yet to see that the rule tripped
                part.counts.trip = before
            if level != before:  # which only hours that were held out move
                label = self._metrics.rule_label(ladder.name)
                self._metrics.rule_holdout_observations.labels(label).inc()
                self._metrics.rule_holdout_acted.labels(label).inc(one.observation.acted)

    def settle(self, ladders: Mapping[str, Ladder], closures: Iterable[Settled]) -> None:
        """Count closures that no act can change any more, in order."""
        for one in closures:
            ladder = ladders.get(one.rule)
            if ladder is not None and ladder.version == one.version and is_judged(ladder, one.hour):
                part = self._of(ladder)
                if part.counts.closed_trip < TRIP_LEVEL:  # as above
                    part.counts.observe_closed(ladder, one.wrong)

    def settled(self, ladder: Ladder) -> float:
        """The trip's level over the closures that were counted."""
        return self._of(ladder).counts.closed_trip

    def trip_closed(self, ladder: Ladder, level: float) -> None:
        """Keep a level of open and counted closures together that trips the rule, for the owner to read."""
        self._of(ladder).counts.closed_trip = level

    def follow_near(self, ladders: Mapping[str, Ladder], found: Iterable[Followed]) -> None:
        """Count alerts that a rule touched since it was armed, and after which people acted on one nearby."""
        for one in found:
            ladder = ladders.get(one.rule)
            if ladder is None or ladder.version != one.version or not 0 < ladder.armed_since() <= one.hour:
                continue
            part, followed = self._of(ladder), int(one.followed)
            more = NearMisses(1, followed, 0, 0) if one.suppressed else NearMisses(0, 0, 1, followed)
            part.near_misses = part.near_misses.plus(more)

    def forget(self, ladders: Mapping[str, Ladder]) -> None:
        """Let go of what no ladder rests on."""
        for name in list(self.parts.values):
            ladder = ladders.get(name)
            if ladder is None:
                self.parts.drop(name)
            else:
                self._of(ladder)

    def _of(self, ladder: Ladder) -> PartTallies:
        part = self.parts.values.get(ladder.name) or PartTallies(RuleTallies(ladder.version))
        part.follow(ladder)
        return self.parts.put(ladder.name, part)
