"""The ladders of all rules, which one fold of a deployment owns: files, commands and proofs move them, and it alone."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from stream.closer.parts import Parts
from stream.closer.tallies import PartTallies
from stream.core.episodes import LONGEST
from stream.core.events import moment
from stream.core.ladder import Ladder, first_load
from stream.core.observations import HOUR, hour_of
from stream.core.problem import DAY_SECONDS, Problem
from stream.core.proof import Tally
from stream.core.rule_index import RuleIndex
from stream.core.rules import Rule
from stream.core.tallies import ready_models, total_starts
from stream.rule_state import DAYS_KEPT, Change, DayBound, NearMisses, Standing

SPREAD_SECONDS = 60.0
"""How long a change takes, at most, until every worker decides by it: what begins, begins at a full hour after that."""
_FILES = "the rule files"


class KeptRule(Struct, array_like=True):
    """One rule's name: its ladder, the rule as it was loaded last (JSON), and whether files hold it now.

    `ended` is whether its last day was over when somebody looked.
    """

    ladder: Ladder
    written: bytes
    loaded: bool = True
    ended: bool = False

    @property
    def rule(self) -> Rule:
        """The rule as it was loaded last."""
        return msgspec.json.decode(self.written, type=Rule)


class Ladders:
    """The ladders by name; a name is never deleted, since what was tried under it is paid for.

    Attributes:
        rules: kept with the state.
        bounds: one of each day and rule, kept with the state.
    """

    def __init__(self, problem: Problem) -> None:
        self.rules: Parts[KeptRule] = Parts("ladder", KeptRule)
        self.bounds: Parts[list[DayBound]] = Parts("bounds", list[DayBound])
        self._problem = problem
        self._index: RuleIndex | None = None
        self._judged: dict[str, tuple[bytes, Standing]] = {}  # what a standing was made of, and the standing

    def load(self, parts: Mapping[str, bytes]) -> None:
        """Begin with the parts that were written last."""
        self.rules.load(parts)
        self.bounds.load(parts)
        self._index = None
        self._judged.clear()

    def adopt(self, standings: Mapping[str, Standing], index: RuleIndex) -> None:
        """Go on by standings of before where no ladder is kept; a rule that `index` lacks can't be told of then."""
        loaded = {one.rule.name: one.rule for one in index.rules}
        for name, standing in standings.items():
            if name not in self.rules.values and name in loaded:
                self.rules.put(name, KeptRule(standing.ladder, msgspec.json.encode(loaded[name]), standing.loaded))
                self.bounds.put(name, list(standing.bounds))

    def all(self) -> dict[str, Ladder]:
        """Every ladder by name."""
        return {name: kept.ladder for name, kept in self.rules.values.items()}

    def armed(self) -> list[str]:
        """The rules that a person armed, in order."""
        return sorted(name for name, kept in self.rules.values.items() if kept.ladder.regimes[-1].mode != "shadow")

    # Files.

    def follow(self, index: RuleIndex, at: float) -> list[Change]:
        """Take rules as they are loaded; returns what changed by it."""
        if index is self._index:
            return []
        self._index = index
        changes = [change for one in index.rules for change in self._load(one.rule, one.version, at)]
        names = {one.rule.name for one in index.rules}
        for name in sorted(self.rules.values):
            if name not in names and self.rules.values[name].loaded:
                changes.append(self._unload(name, at))
        return changes

    def _load(self, rule: Rule, version: str, at: float) -> list[Change]:
        kept, written = self.rules.values.get(rule.name), msgspec.json.encode(rule)
        if kept is None:
            ladder = first_load(rule, at + SPREAD_SECONDS)
            self.rules.put(rule.name, KeptRule(ladder, written))
            begin = f"{moment(ladder.standing.hour * HOUR):%F %H:%M} UTC"
            return [self.change(rule.name, "loaded", None, f"rule {rule.name} is loaded; its proof begins {begin}", at)]
        if kept.loaded and kept.written == written:
            return []
        old, was_loaded, before = kept.ladder.version, kept.loaded, kept.rule
        another = kept.ladder.edit(rule, at + SPREAD_SECONDS)
        kept.written, kept.loaded = written, True
        self.rules.put(rule.name, kept)
        if another:
            sentence = f"rule {rule.name} is another version, {old} before and {version} now: in shadow, from zero"
            return [self.change(rule.name, "edited", None, sentence, at)]
        if not was_loaded:  # outcomes of a while were not counted, so what is counted now would be a choice among them
            kept.ladder.start_anew(at + SPREAD_SECONDS)
            sentence = f"rule {rule.name} is in {_FILES} again: in shadow, from zero"
            return [self.change(rule.name, "loaded", None, sentence, at)]
        return [self.change(rule.name, "edited", None, _edit_words(before, rule), at)]

    def _unload(self, name: str, at: float) -> Change:
        kept = self.rules.values[name]
        was = kept.ladder.regimes[-1].mode
        kept.loaded = False
        if was != "shadow":
            kept.ladder.disarm(_FILES, at + SPREAD_SECONDS)
        self.rules.put(name, kept)
        if was != "shadow":
            return self.change(
                name, "disarmed", None, f"rule {name} is in no rule file any more, so it is disarmed", at
            )
        return self.change(name, "ended", None, f"rule {name} is in no rule file any more", at)

    # Proofs.

    def judge(self, name: str, parts: Sequence[PartTallies], at: float) -> tuple[Standing, list[Change], bool]:
        """A rule's standing at a time, by what all partitions have counted, and what changed in it by itself.

        The last is whether anything it depends on is new: else it costs next to nothing.
        """
        kept = self.rules.values[name]
        made_of = msgspec.msgpack.encode((kept, list(parts), hour_of(at)))
        known = self._judged.get(name)
        if known is not None and known[0] == made_of:
            return msgspec.structs.replace(known[1], at=at), [], False
        tallies = total_starts(part.counts for part in parts)
        changes = self._trip(kept.ladder, parts, at) + self._progress(kept, tallies, at) + self._end(kept, at)
        verdict = kept.ladder.verdict(tallies, at)
        proof, day = verdict.proof, int(at // DAY_SECONDS)
        bound = DayBound(day, proof.observations, proof.acted, proof.bound, proof.limit)
        bounds = self.bounds.values.get(name, [])
        if not bounds or bounds[-1] != bound:
            before = [one for one in bounds if one.day < day][-(DAYS_KEPT - 1) :]
            bounds = self.bounds.put(name, [*before, bound])
        near = NearMisses()
        for part in parts:
            if part.armed_since == kept.ladder.armed_since():
                near = near.plus(part.near_misses)
        own = [part.counts for part in parts if part.counts.version == kept.ladder.version]
        standing = Standing(
            owner=kept.rule.owner,
            ladder=kept.ladder,
            verdict=verdict,
            ready=tuple(sorted(ready_models(own, kept.ladder.limit))),
            daily=self._daily(kept.ladder, tallies, at),
            bounds=bounds,
            loaded=kept.loaded,
            near_misses=near,
            at=at,
        )
        packed = msgspec.msgpack.encode(standing)  # later changes of the ladder are no part of it
        standing = msgspec.msgpack.decode(packed, type=Standing)
        self._judged[name] = (msgspec.msgpack.encode((kept, list(parts), hour_of(at))), standing)
        return standing, changes, True

    def tallies_of(self, name: str, parts: Iterable[PartTallies]) -> dict[int, Tally]:
        """The tallies of each start of a rule over all partitions."""
        return total_starts(part.counts for part in parts)

    def _trip(self, ladder: Ladder, parts: Sequence[PartTallies], at: float) -> list[Change]:
        why = next((why for part in parts if (why := part.tripped(ladder)) is not None), None)
        if why is None:
            return []
        ladder.trip(why, at + SPREAD_SECONDS)
        self.touch(ladder.name)
        sentence = f"rule {ladder.name} tripped and is back in shadow: {why}"
        return [self.change(ladder.name, "tripped", None, sentence, at)]

    def _progress(self, kept: KeptRule, tallies: Mapping[int, Tally], at: float) -> list[Change]:
        if not kept.loaded:
            return []
        ladder, before = kept.ladder, msgspec.msgpack.encode(kept.ladder)
        share, was_tripped = ladder.regimes[-1].share, ladder.tripped is not None
        why = ladder.progress(tallies, at + SPREAD_SECONDS)
        if msgspec.msgpack.encode(ladder) != before:
            self.touch(ladder.name)
        if why is not None:
            tripped = ladder.tripped is not None and not was_tripped
            return [self.change(ladder.name, "tripped" if tripped else "ended", None, why, at)]
        if ladder.regimes[-1].share < share:
            words = f"{100 * ladder.regimes[-1].share:g} %"
            sentence = f"rule {ladder.name} leaves {words} of the hours alone, {100 * share:g} % before"
            return [self.change(ladder.name, "share", None, sentence, at)]
        return []

    def _end(self, kept: KeptRule, at: float) -> list[Change]:
        rule = kept.rule
        ended = kept.loaded and rule.ends_at is not None and at >= rule.ends_at
        if ended == kept.ended:
            return []
        kept.ended = ended
        self.touch(rule.name)
        if not ended:
            return []
        sentence = f"the last day of rule {rule.name} was {rule.expires}: it acts no more until somebody renews it"
        return [self.change(rule.name, "ended", None, sentence, at)]

    def _daily(self, ladder: Ladder, tallies: Mapping[int, Tally], at: float) -> float:
        """Observations a day since the first hour of the proof that stands was due."""
        seconds = at - LONGEST - self._problem.due_seconds - ladder.standing.hour * HOUR
        tally = tallies.get(ladder.standing.number, Tally())
        return tally.observations / max(seconds / DAY_SECONDS, 1.0)

    def touch(self, name: str) -> None:
        """Note that a rule's ladder changed."""
        self.rules.put(name, self.rules.values[name])

    def change(self, name: str, what: Any, by: str | None, sentence: str, at: float) -> Change:
        """A line of the log about a rule."""
        kept = self.rules.values.get(name)
        return Change(
            at=at, rule=name, version=kept.ladder.version if kept else "", what=what, by=by, sentence=sentence
        )


def _edit_words(before: Rule, rule: Rule) -> str:
    """What changed in a rule whose proof goes on."""
    names = [one.name for one in msgspec.structs.fields(Rule)]
    changed = [name for name in names if getattr(before, name) != getattr(rule, name)]
    if changed == ["expires"] and rule.expires is not None:
        return f"rule {rule.name} is renewed: its last day is {rule.expires}"
    return f"rule {rule.name} has other {', '.join(changed)}; its proof goes on"
