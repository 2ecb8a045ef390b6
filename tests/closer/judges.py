"""All partitions of outcomes of a deployment, with their written state, a wall clock, and crashes."""

import zlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import msgspec

from stream.closer.outcomes import OutcomesFold
from stream.core.observations import HOUR, due_at, hour_of
from stream.core.records import Outcome, encode_record
from stream.core.rule_index import RuleIndex
from stream.core.rules import Placed, Rule
from stream.kafka.records import Part
from stream.metrics.closer import CloserMetrics
from stream.rule_state import Change, Command, CommandResult, Standing
from tests.closer.memory_rule_state import MemoryRuleState
from tests.core.outcomes import PROBLEM, T0, outcome
from tests.core.test_ladder import make_rule
from tests.scorer.rig import LogRecord

SALT = "salt"
TOPIC = "alerts.outcomes"
TEAMS = ("payments", "search", "web", "mobile")
DUE = due_at(0, PROBLEM)  # from the begin of an hour
RULE = make_rule(mode="close", expires=None)


class Judges:
    """Folds of all partitions; each has written what `changed` gave. Time moves by `now` alone.

    Args:
        rules: as loaded.
        partitions: of the topic.
    """

    def __init__(self, *rules: Rule, partitions: int = 2) -> None:
        self.now = T0
        self.state, self.metrics = MemoryRuleState(), CloserMetrics()
        self.written: list[dict[str, bytes]] = [{} for _ in range(partitions)]
        self._offsets = 0
        self.index = RuleIndex([])
        self.load_rules(*rules)
        self.folds = [self._make(number) for number in range(partitions)]

    def copy(self) -> "Judges":
        """Others that go on from here, taken over from what was written."""
        made = Judges(*(one.rule for one in self.index.rules), partitions=len(self.written))
        made.now, made.index = self.now, self.index
        made.written = [dict(parts) for parts in self.written]
        made.state.publish(self.state.standings(), [], self.log())
        for number in range(len(made.written)):
            made.crash(number)
        return made

    def load_rules(self, *rules: Rule) -> None:
        """Use these rules from now on, as workers do that read changed files."""
        self.index = RuleIndex([Placed(rule, "a.toml", line) for line, rule in enumerate(rules, 1)])
        self.metrics.keep_rules(rule.name for rule in rules)

    def partition_of(self, team: str) -> int:
        """Where a team's outcomes lie."""
        return zlib.crc32(team.encode()) % len(self.written)

    def take(self, outcomes: Sequence[Outcome], *, is_written: bool = True) -> None:
        """Give outcomes that come now to the partitions of their teams; unless they are lost, the state is written."""
        by_partition: dict[int, list[LogRecord]] = {}
        for one in outcomes:
            self._offsets += 1
            record = LogRecord(self._offsets, round(self.now * 1_000), None, encode_record(one))
            by_partition.setdefault(self.partition_of(one.team), []).append(record)
        for partition, records in by_partition.items():
            self.folds[partition].take(records, self.now)
            if is_written:
                self.write(partition)

    def wake(self) -> None:
        """What comes due by now, in each partition: the others before the owner."""
        for partition in reversed(range(len(self.folds))):
            self.folds[partition].wake(self.now)
            self.write(partition)

    def write(self, partition: int, *, is_published: bool = True) -> None:
        """Write what changed behind the fence, then publish."""
        changed = self.folds[partition].changed()
        for name, packed in changed.items():
            if packed is None:
                self.written[partition].pop(name, None)
            else:
                self.written[partition][name] = packed
        if changed and is_published:
            self.folds[partition].written()

    def crash(self, partition: int) -> None:
        """Another worker takes a partition over, from what was written."""
        self.folds[partition] = self._make(partition)

    def order(self, verb: Any, rule: str, mode: Any = None, name: str = "c1") -> CommandResult:
        """Leave a command, and read its result once the owner woke."""
        self.state.send(Command(id=name, verb=verb, rule=rule, mode=mode, by="eva", at=self.now))
        self.now += 1.0
        self.wake()
        found = self.state.result(name)
        if found is None:
            raise AssertionError(f"command {name} has no result")
        return found

    def standing(self, rule: str) -> Standing:
        """As everybody reads it."""
        return self.state.standings()[rule]

    def log(self) -> list[Change]:
        """All lines, the oldest first."""
        return self.state.log()[::-1]

    def _make(self, partition: int) -> OutcomesFold:
        fold = OutcomesFold(
            Part(TOPIC, partition),
            PROBLEM,
            lambda: self.index,
            self.state,
            self.metrics,
            SALT,
            partition == 0,
            lambda: {number: parts for number, parts in enumerate(self.written) if number != partition},
            lambda: self.now,
        )
        fold.load(self.written[partition])
        return fold


def hourly(
    hours: Sequence[int],
    acted: Callable[[str, int], bool] = lambda team, hour: False,
    teams: Sequence[str] = TEAMS,
    **change: Any,
) -> list[Outcome]:
    """An alert of each team in each hour since 1970, and what became of it."""
    return [
        outcome(
            f"{team}-{hour}",
            hour * HOUR + 60.0,
            "actionable" if acted(team, hour) else "noise",
            **{"team": team, "episode": f"{team}-{hour}", **change},
        )
        for hour in hours
        for team in teams
    ]


def prove(judges: Judges, days: int = 8) -> None:
    """Some quiet days of four teams, whose every hour is due."""
    first = hour_of(judges.now) + 1
    judges.wake()
    for day in range(days):
        judges.now = (first + 24 * (day + 1)) * HOUR
        judges.take(hourly(range(first + 24 * day, first + 24 * (day + 1), 3)))
    judges.now += DUE + 7 * HOUR
    judges.wake()
    judges.now += 61.0
    judges.wake()


@cache
def _proven(rules: bytes) -> Judges:
    judges = Judges(*msgspec.json.decode(rules, type=list[Rule]))
    prove(judges)
    return judges


def proven(*rules: Rule) -> Judges:
    """A deployment whose first rule is proven, in shadow."""
    return _proven(msgspec.json.encode(rules or (RULE,))).copy()


def armed(*rules: Rule) -> Judges:
    """The same, armed to pause, an hour later."""
    judges = proven(*rules)
    result = judges.order("arm", RULE.name, "pause")
    assert result.done, result.sentence
    judges.now += 2 * HOUR
    judges.wake()
    return judges


def closing() -> Judges:
    """A rule that closes: proven, armed, paused for weeks, proven again by its hold-out."""
    return _closing().copy()


@cache
def _closing() -> Judges:
    judges = armed()
    first = hour_of(judges.now) + 1
    for day in range(16):
        judges.now = (first + 24 * (day + 1)) * HOUR
        judges.take(hourly(range(first + 24 * day, first + 24 * (day + 1), 3)))
    judges.now += DUE
    judges.wake()
    judges.now += 61.0
    judges.wake()
    result = judges.order("arm", RULE.name, "close", "close")
    assert result.done, result.sentence
    judges.now += 2 * HOUR
    judges.wake()
    assert judges.standing(RULE.name).verdict.mode == "close"
    return judges


def change(one: Outcome, **fields: Any) -> Outcome:
    """An outcome with other fields."""
    return msgspec.structs.replace(one, **fields)
