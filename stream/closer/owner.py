"""The owner of all ladders: once a minute every rule is judged; commands and files are followed at once."""

import logging
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import get_args

from msgspec import Struct
from prometheus_client import Gauge

from stream.closer.commands import Commands
from stream.closer.ladders import Ladders
from stream.closer.parts import Parts
from stream.closer.tallies import PartTallies
from stream.core.errors import RulesError
from stream.core.ladder import Ladder
from stream.core.problem import Problem
from stream.core.proof import alpha_of, more_needed
from stream.core.records import Mode, ProofState
from stream.core.rule_index import RuleIndex
from stream.metrics.closer import OTHER, CloserMetrics
from stream.rule_state import Change, Command, CommandResult, RuleState, Standing

log = logging.getLogger(__name__)

PASS_SECONDS = 60.0
COMMAND_SECONDS = 0.5  # between two looks for commands
JUDGED_AT_ONCE = 10  # rules, each a millisecond or more, while the lane waits
LOG_KEPT = 100  # lines of the log, found again after a worker ended before they were published


class Owner:
    """What the fold that owns the ladders does beside counting. Ladders move by the wall clock.

    Args:
        problem, rules, state, metrics, tallies_of_others, wall: as of `OutcomesFold`.
    """

    def __init__(
        self,
        problem: Problem,
        rules: Callable[[], RuleIndex],
        state: RuleState,
        metrics: CloserMetrics,
        tallies_of_others: Callable[[], Mapping[int, Mapping[str, bytes]]],
        wall: Callable[[], float],
    ) -> None:
        self._rules, self._state, self._others, self._wall = rules, state, tallies_of_others, wall
        self._metrics, self._gauges = metrics, _Gauges(metrics)
        self._ladders = Ladders(problem)
        self._commands = Commands(self._ladders)
        self._lines: Parts[list[Change]] = Parts("log", list[Change])
        self._passes: Parts[float] = Parts("judged", float)  # when rules were judged
        self._pending, self._frozen = _Publication(), _Publication()
        self._unpack = Parts("tallies", PartTallies).unpack
        self._pass = _Pass()
        self._index: RuleIndex | None = None
        self._is_new, self._asked_at = True, 0.0

    def load(self, parts: Mapping[str, bytes]) -> None:
        """Begin with the parts that were written last."""
        self._ladders.load(parts)
        self._commands.load(parts)
        self._lines.load(parts)
        self._passes.load(parts)
        self._pending, self._frozen = _Publication(), _Publication()
        self._pass, self._index = _Pass(), None
        self._is_new, self._asked_at = True, 0.0

    def changed(self) -> dict[str, bytes | None]:
        """The parts that changed since the call before, packed; there is one wherever something is to be published."""
        if self._pending:
            self._passes.put("", self._pass.at)
        self._frozen.add(self._pending)
        self._pending = _Publication()
        kept = (self._ladders.rules, self._ladders.bounds, self._commands.parts, self._lines, self._passes)
        return {name: packed for parts in kept for name, packed in parts.changed().items()}

    def written(self) -> None:
        """Publish what came of the parts that are written now; while Redis does not answer it waits."""
        if not self._frozen:
            return
        try:
            self._state.publish(self._frozen.standings, self._frozen.results, self._frozen.changes)
        except RulesError as error:
            log.warning("the rules' standings can't be published: %s", error)
        else:
            self._frozen = _Publication()

    def ladders(self) -> dict[str, Ladder]:
        """Every ladder by name."""
        return self._ladders.all()

    def close(self) -> None:
        """Show the proofs no longer."""
        self._gauges.clear()

    def wake(self, own: Mapping[str, PartTallies]) -> None:
        """Follow files and commands, and judge rules; what comes of it is published once it is written.

        While Redis does not answer nothing changes: what is due is done later.
        """
        at, index = self._wall(), self._rules()
        try:
            again = self._begin(index) if self._is_new else []
            commands = self._waiting_commands(at)
            tripped = [name for name, part in own.items() if self._is_tripped(name, part)]
            if commands or tripped or index is not self._index or not 0.0 <= at - self._pass.at < PASS_SECONDS:
                self._pass.tallies = self._count(own)
        except RulesError as error:
            log.warning("the rules can't be judged: %s", error)
            return
        self._is_new, self._index = False, index
        changes = self._ladders.follow(index, at)
        results, ordered = self._commands.carry_out(commands, self._pass.tallies, at)
        changes += ordered
        if not 0.0 <= at - self._pass.at < PASS_SECONDS:
            self._pass.at = at
            self._pass.waiting |= dict.fromkeys(sorted(self._ladders.rules.values))
        urgent = [*(one.rule for one in changes), *tripped]
        standings = self._judge(dict.fromkeys(urgent), changes, at)
        if changes:
            self._lines.put("", [*self._lines.values.get("", []), *changes][-LOG_KEPT:])
            for change in changes:
                log.info("%s", change.sentence, extra={"fields": {"rule": change.rule, "by": change.by}})
        self._pending.add(_Publication(standings, results, again + changes))

    def _judge(self, urgent: Mapping[str, None], changes: list[Change], at: float) -> dict[str, Standing]:
        """Judge what is urgent, and as much as there is time for of what waits; adds to the changes."""
        names = [name for name in urgent if name in self._ladders.rules.values]
        standings: dict[str, Standing] = {}
        cost = 0
        while names or (self._pass.waiting and cost < JUDGED_AT_ONCE):
            name = names.pop() if names else next(iter(self._pass.waiting))
            self._pass.waiting.pop(name, None)
            standing, found, is_new = self._ladders.judge(name, self._pass.tallies.get(name, []), at)
            cost += is_new
            standings[name] = standing
            changes += found
            trips = sum(one.what == "tripped" for one in found)
            self._metrics.rule_trips.labels(self._metrics.rule_label(name)).inc(trips)
            self._gauges.show(name, standing)
        return standings

    def _begin(self, index: RuleIndex) -> list[Change]:
        """Take over: ladders that are known but not kept, and lines that were kept but not published."""
        self._ladders.adopt(self._state.standings(), index)
        kept = self._lines.values.get("", [])
        shown = set(self._state.log(10 * LOG_KEPT)) if kept else set()
        return [one for one in kept if one not in shown]

    def _waiting_commands(self, at: float) -> list[Command]:
        if 0.0 <= at - self._asked_at < COMMAND_SECONDS:
            return []
        self._asked_at = at
        return self._state.commands()

    def _is_tripped(self, name: str, part: PartTallies) -> bool:
        kept = self._ladders.rules.values.get(name)
        return kept is not None and part.tripped(kept.ladder) is not None

    def _count(self, own: Mapping[str, PartTallies]) -> dict[str, list[PartTallies]]:
        """What all partitions have counted of each rule."""
        tallies: dict[str, list[PartTallies]] = {name: [part] for name, part in own.items()}
        for _, parts in sorted(self._others().items()):
            for name, part in self._unpack(parts).items():
                tallies.setdefault(name, []).append(part)
        return tallies


class _Publication(Struct):
    """What people and the workers that decide are shown, once the state is written."""

    standings: dict[str, Standing] = {}
    results: list[CommandResult] = []
    changes: list[Change] = []

    def __bool__(self) -> bool:
        return bool(self.standings or self.results or self.changes)

    def add(self, later: "_Publication") -> None:
        """Take in what came later."""
        self.standings |= later.standings
        self.results += later.results
        self.changes += later.changes


class _Pass(Struct):
    """The rules that wait to be judged since a time, and what all partitions have counted of each rule."""

    at: float = 0.0
    tallies: dict[str, list[PartTallies]] = {}
    waiting: dict[str, None] = {}


class _Gauges:
    """The gauges of each rule that has series of its own."""

    def __init__(self, metrics: CloserMetrics) -> None:
        self._metrics = metrics
        self._shown: set[str] = set()

    def show(self, name: str, standing: Standing) -> None:
        """Show how a rule stands; one that shares `other` with many has nothing to show."""
        metrics, verdict, proof = self._metrics, standing.verdict, standing.verdict.proof
        if metrics.rule_label(name) == OTHER:
            return
        self._shown.add(name)
        metrics.rule_bound.labels(name).set(1.0 if proof.bound is None else proof.bound)
        metrics.rule_limit.labels(name).set(proof.limit)
        metrics.rule_observations.labels(name).set(proof.observations)
        metrics.rule_observations_to_proof.labels(name).set(_to_proof(standing))
        metrics.rule_holdout_share.labels(name).set(verdict.share)
        for state in get_args(ProofState):
            metrics.rule_state.labels(name, state).set(proof.state == state)
        for mode in get_args(Mode):
            metrics.rule_mode.labels(name, mode).set(verdict.mode == mode)

    def clear(self) -> None:
        """Show nothing any more."""
        metrics = self._metrics
        for name in self._shown:
            labels: list[tuple[Gauge, tuple[str, ...]]] = [
                (metrics.rule_bound, (name,)),
                (metrics.rule_limit, (name,)),
                (metrics.rule_observations, (name,)),
                (metrics.rule_observations_to_proof, (name,)),
                (metrics.rule_holdout_share, (name,)),
                *((metrics.rule_state, (name, state)) for state in get_args(ProofState)),
                *((metrics.rule_mode, (name, mode)) for mode in get_args(Mode)),
            ]
            for gauge, values in labels:
                with suppress(KeyError):  # the rule left the files, and its series with it
                    gauge.remove(*values)
        self._shown.clear()


def _to_proof(standing: Standing) -> float:
    """Observations until the rule is proven, if none more is acted on; infinite where no number is enough."""
    proof = standing.verdict.proof
    if proof.state != "inconclusive":
        return 0.0 if proof.state == "proven" else math.inf
    alpha = alpha_of(standing.ladder.standing.number)
    more = more_needed(proof.observations, proof.acted, proof.limit, alpha)
    return math.inf if more is None else float(more)
