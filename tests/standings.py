"""Standings of rules as a closer would leave them, and a stand-in for the closer that carries out commands."""

from threading import Event, Thread
from types import TracebackType
from typing import Literal

import msgspec

from stream.core.errors import RulesError
from stream.core.ladder import Ladder, first_load
from stream.core.observations import HOUR
from stream.core.proof import Tally
from stream.core.records import Mode
from stream.core.rules import Match, Rule
from stream.rule_state import Change, Command, CommandResult, DayBound, RuleState, Standing

DAY = 86_400.0
DAYS = list(range(7))  # that observations are of
NOW = 1_772_442_000.0  # 2026-03-02 09:00 UTC


def rule_of(name: str = "night-disks", mode: Mode = "close", risk: float = 0.05) -> Rule:
    """A rule that may close."""
    return Rule(name=name, owner="payments", match=Match(team="payments"), max_probability=0.1, mode=mode, risk=risk)


def tallies_of(ladder: Ladder, observations: int, acted: float) -> dict[int, Tally]:
    """So much was observed since the proof that stands began."""
    return {ladder.standing.number: Tally(observations, acted, DAYS)}


def standing_of(
    observations: int = 143,
    acted: float = 2.0,
    armed: Mode = "shadow",
    rule: Rule | None = None,
    at: float = NOW,
    tripped: str | None = None,
) -> Standing:
    """A rule with these observations, a bound for each of its three days, and what a person armed."""
    ladder = first_load(rule or rule_of(), at - 40 * DAY)
    tallies = tallies_of(ladder, observations, acted)
    if armed == "pause":
        ladder.arm("pause", "ann", tallies, at - 2 * HOUR)
    if tripped is not None:
        ladder.trip(tripped, at)
        tallies = {}
    verdict = ladder.verdict(tallies, at)
    day = int(at // DAY)
    bounds = [DayBound(day - 2, 20, 0.0, 0.4, 0.05), DayBound(day - 1, 90, 1.0, 0.12, 0.05)]
    bounds.append(DayBound(day, observations, acted, verdict.proof.bound, 0.05))
    return Standing(
        owner="payments", ladder=ladder, verdict=verdict, ready=("2026-03-01-a1b2",), daily=3.1, bounds=bounds, at=at
    )


class StandInCloser:
    """Carries out commands on ladders of its own, and undos, as a closer does; within `with` in a thread.

    Args:
        state: where commands are left.
        tallies: what was observed of each rule.
        partitions: how many answer an undo, each with its number of alerts.
    """

    def __init__(self, state: RuleState, tallies: dict[str, tuple[int, float]], partitions: int = 0) -> None:
        self._state, self._tallies, self._partitions = state, tallies, partitions
        self._stopping = Event()
        self._thread = Thread(target=self._work)

    def __enter__(self) -> "StandInCloser":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._stopping.set()
        self._thread.join()

    def _work(self) -> None:
        answered = set[str]()
        while not self._stopping.wait(0.01):
            for command in self._state.commands():
                self._carry_out(command)
            for order in self._state.undos():
                if order.id not in answered:
                    answered.add(order.id)
                    for partition in range(self._partitions):
                        self._state.note_undone(order.id, partition, partition)

    def _carry_out(self, command: Command) -> None:
        name, mode, by, at = command.rule, command.mode, command.by, command.at
        standing = self._state.standings()[name]
        ladder, tallies = standing.ladder, tallies_of(standing.ladder, *self._tallies[name])
        done, sentence = True, f"rule {name} is back in shadow"
        try:
            if mode is None:
                ladder.disarm(by, at)
            else:
                ladder.arm(mode, by, tallies, at)
                sentence = f"rule {name} may {mode} from the next hour on"
        except RulesError as error:
            done, sentence = False, str(error)
        changed = msgspec.structs.replace(standing, verdict=ladder.verdict(tallies, at), at=at)
        result = CommandResult(id=command.id, done=done, sentence=sentence, at=at)
        what: Literal["refused", "armed", "disarmed"] = "refused" if not done else "armed" if mode else "disarmed"
        change = Change(at=at, rule=name, version=ladder.version, what=what, by=by, sentence=sentence)
        self._state.publish({name: changed}, [result], [change])
