"""The fold of `alerts.outcomes`: what rules are judged by, and in one partition the ladders of all rules.

An hour is due by the outcomes' own time, which is never ahead of the records': so a scorer that catches up after it was
away does not make its first outcomes run ahead of the rest. Where none comes, the wall clock goes on, some hours later.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from stream.closer.closures import Closures
from stream.closer.fold import Notes, Outgoing
from stream.closer.near_misses import NearAlerts
from stream.closer.open_hours import PartitionHours
from stream.closer.owner import Owner
from stream.closer.parts import Parts
from stream.closer.tallies import PartitionTallies
from stream.core import limits
from stream.core.episodes import LONGEST
from stream.core.errors import BadRecord, RulesError
from stream.core.events import seconds
from stream.core.kinds import CLOSED_BY_RULE, CORRECTION
from stream.core.ladder import Ladder
from stream.core.observations import HOUR, hour_of
from stream.core.problem import Problem
from stream.core.proof import TRIP_LEVEL
from stream.core.records import Outcome, decode_outcome
from stream.core.rule_index import RuleIndex
from stream.core.tallies import matches
from stream.kafka.records import Part, Record
from stream.metrics.closer import CloserMetrics
from stream.rule_state import RuleState

log = logging.getLogger(__name__)

QUIET_SECONDS = 6 * HOUR
"""How much later than by its outcomes an hour is due by the wall clock: a scorer may be away for so long."""


class OutcomesFold:
    """The state of one partition of outcomes; a `Fold`.

    Args:
        part: the partition.
        problem: when an hour is due.
        rules: the rules in use now; the same object until they change.
        state: where standings, commands and the log are.
        metrics: of the worker.
        salt: of the deployment, for the draws of the hold-out.
        is_owner: whether this fold owns the ladders of all rules.
        tallies_of_others: the parts of the other partitions' folds, by partition, as they were written last.
        wall: the wall clock, seconds since 1970, by which ladders move, and which no hour is observed ahead of.
    """

    def __init__(
        self,
        part: Part,
        problem: Problem,
        rules: Callable[[], RuleIndex],
        state: RuleState,
        metrics: CloserMetrics,
        salt: str,
        is_owner: bool,
        tallies_of_others: Callable[[], Mapping[int, Mapping[str, bytes]]],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._part, self._problem, self._rules, self._state = part, problem, rules, state
        self._metrics, self._wall = metrics, wall
        self._failed: list[tuple[Record, BadRecord]] = []
        self._hours = PartitionHours(problem)
        self._closures, self._near = Closures(), NearAlerts()
        self._tallies = PartitionTallies(metrics, salt)
        self._clock: Parts[int] = Parts("observed", int)  # the first hour that is still open
        self._corrected: set[tuple[str, str]] = set()  # rules with versions whose closures are to be looked at
        self._ladders: dict[str, Ladder] | None = None  # as they are read once a call
        self._owner = Owner(problem, rules, state, metrics, tallies_of_others, wall) if is_owner else None

    def load(self, parts: Mapping[str, bytes]) -> None:
        """Begin with the parts that were written last."""
        self._clock.load(parts)
        self._hours.load(parts, self._observed)
        for one in (self._closures, self._near, self._tallies):
            one.load(parts)
        # A correction may have been kept whose closures were not looked at before the worker ended.
        self._corrected = {(name.split("\0")[0], name.split("\0")[1]) for name in self._closures.parts.values}
        if self._owner is not None:
            self._owner.load(parts)

    def take(self, records: Sequence[Record], clock: float) -> tuple[Outgoing, Notes]:
        """Fold outcomes, in order; nothing leaves by them alone."""
        self._ladders = None
        index = self._rules()
        for record in records:
            try:
                outcome = _decode(record.value or b"")
            except BadRecord as error:
                self._failed.append((record, error))
                continue
            self._observe_until(min(record.timestamp / 1000.0, seconds(outcome.decided_at), clock))
            self._add(index, outcome)
        self._look_at_closures()
        return Outgoing(), Notes()

    def wake(self, now: float) -> tuple[Outgoing, Notes]:
        """Observe hours that are due though nothing came; the owner carries out commands and judges rules.

        `now` is the wall clock where nothing waits in the partition, else the latest record timestamp.
        """
        self._ladders = None
        self._open_again()
        self._observe_until(now - QUIET_SECONDS)
        self._look_at_closures()
        if self._owner is not None:
            self._owner.wake(self._tallies.parts.values)
        return Outgoing(), Notes()

    def changed(self) -> dict[str, bytes | None]:
        """The parts that changed since the call before, packed."""
        found: dict[str, bytes | None] = self._clock.changed()
        for parts in (self._hours.parts, self._closures.parts, self._near.parts, self._tallies.parts):
            found |= parts.changed()
        if self._owner is not None:
            found |= self._owner.changed()
        return found

    def written(self) -> None:
        """Publish standings, results and log lines: what `changed` gave last is written."""
        if self._owner is not None:
            self._owner.written()

    def take_failed(self) -> list[tuple[Record, BadRecord]]:
        """The records that could not be read since the call before, for `alerts.failed`."""
        failed, self._failed = self._failed, []
        return failed

    def close(self) -> None:
        """Show the proofs no longer, as another worker may own them now."""
        if self._owner is not None:
            self._owner.close()

    @property
    def _observed(self) -> int:
        return self._clock.values.get("", 0)

    def _add(self, index: RuleIndex, outcome: Outcome) -> None:
        found = matches(index, outcome)
        self._hours.add(outcome, found, self._observed)
        if hour_of(seconds(outcome.raised_at)) >= self._observed:
            for name in self._near.add(outcome, found):
                self._metrics.near_misses.labels(self._metrics.rule_label(name)).inc()
            if outcome.by == CLOSED_BY_RULE:
                self._closures.add(outcome, found)
        if outcome.by == CORRECTION:
            self._corrected.update(self._closures.correct(outcome))

    def _observe_until(self, at: float) -> None:
        """Take what is due by a moment, unless the ladders can't be read: then it is taken later."""
        observed = self._first_open(at)
        if observed <= self._observed:
            return
        ladders = self._read_ladders()
        if ladders is None:
            return
        self._clock.put("", observed)
        self._tallies.observe(ladders, self._hours.take_due(at, observed))
        self._tallies.settle(ladders, self._closures.take_due(observed))
        self._tallies.follow_near(ladders, self._near.take_due(observed))
        self._tallies.forget(ladders)
        loaded = {(one.rule.name, one.version) for one in self._rules().rules}
        loaded |= {(name, ladder.version) for name, ladder in ladders.items()}
        for one in (self._hours, self._closures):
            one.forget(lambda *rule: rule in loaded)
        if self._hours.late:
            log.info("%s: %d outcomes came after their hour was observed", self._part, self._hours.late)
            self._hours.late = 0

    def _open_again(self) -> None:
        """Open hours that can't be due yet: the clock ran ahead, and their outcomes would count for nothing."""
        latest = self._first_open(self._wall() + limits.SKEW_SECONDS)
        if self._observed > latest:
            log.warning("%s: the clock went back, so hours that were observed are open again", self._part)
            self._clock.put("", latest)

    def _first_open(self, at: float) -> int:
        """The first hour that is still open at a moment."""
        return hour_of(at - HOUR - LONGEST - self._problem.due_seconds) + 1

    def _look_at_closures(self) -> None:
        """Trip a rule whose closures turn out to be wrong, without waiting until their hours are due."""
        ladders = self._read_ladders() if self._corrected else None
        if ladders is None:
            return
        for name, version in sorted(self._corrected):
            ladder = ladders.get(name)
            if ladder is not None and ladder.version == version and ladder.armed_since():
                level = self._closures.level(ladder, self._tallies.settled(ladder))
                if level >= TRIP_LEVEL:
                    self._tallies.trip_closed(ladder, level)
        self._corrected.clear()

    def _read_ladders(self) -> dict[str, Ladder] | None:
        """The ladders as the owner left them; None where Redis does not answer."""
        if self._owner is not None:
            return self._owner.ladders()
        if self._ladders is None:
            try:
                self._ladders = {name: one.ladder for name, one in self._state.standings(bounds=False).items()}
            except RulesError as error:
                log.warning("%s: the rules' standings can't be read: %s", self._part, error)
        return self._ladders


def _decode(value: bytes) -> Outcome:
    try:
        return decode_outcome(value)
    except msgspec.ValidationError as error:
        raise BadRecord("bad_field", str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRecord("not_json", str(error) or "nested too deep") from None
