"""Episodes that a rule closed, until it is known whether a closure was wrong: reopened, or acted on after all."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from msgspec import Struct

from stream.closer.parts import Parts
from stream.core.events import seconds
from stream.core.ladder import Ladder
from stream.core.observations import PROOF, hour_of
from stream.core.proof import trip_step
from stream.core.records import Outcome
from stream.core.rule_index import IndexedRule


class Closure(Struct, array_like=True):
    """One closed episode: its first raise there that was closed (seconds since 1970), and whether that was wrong."""

    first: float
    wrong: bool = False


class Settled(NamedTuple):
    """A closure that no act can change any more. They sort by hour and team."""

    hour: int
    team: str
    episode: str
    rule: str
    version: str
    wrong: bool


class Closures:
    """The closed episodes of one partition whose hour is not due yet, by rule, version and team.

    Attributes:
        parts: kept with the state.
    """

    def __init__(self) -> None:
        self.parts: Parts[dict[str, Closure]] = Parts("closed", dict[str, Closure])

    def add(self, outcome: Outcome, found: Iterable[tuple[IndexedRule, list[str]]]) -> None:
        """Keep an episode of which a rule closed an alert: the one that the champion's score meets."""
        name, at = _name(outcome), seconds(outcome.raised_at)
        for one, models in found:
            if PROOF in models:
                key = f"{one.rule.name}\0{one.version}\0{outcome.team}"
                closures = self.parts.values.get(key, {})
                known = closures.setdefault(name, Closure(at))
                known.first = min(known.first, at)
                self.parts.put(key, closures)

    def correct(self, outcome: Outcome) -> list[tuple[str, str]]:
        """Note that a closure was wrong; returns the rules whose it was, with their versions."""
        name, found = _name(outcome), []
        for key, closures in sorted(self.parts.values.items()):
            rule, version, team = key.split("\0")
            if team == outcome.team and name in closures and not closures[name].wrong:
                closures[name].wrong = True
                self.parts.put(key, closures)
                found.append((rule, version))
        return found

    def level(self, ladder: Ladder, settled: float) -> float:
        """The trip's level as far as is known: closures that nobody corrected so far count as right.

        A correction only raises it, so whoever trips by it would trip once all is known, after as many closures.
        """
        level = settled
        open_ones = sorted(
            (hour_of(one.first), key, name, one.wrong)
            for key, closures in self.parts.values.items()
            if key.startswith(f"{ladder.name}\0{ladder.version}\0")
            for name, one in closures.items()
            if is_judged(ladder, hour_of(one.first))
        )
        for *_, wrong in open_ones:
            level = trip_step(level, float(wrong), ladder.limit)
        return level

    def take_due(self, observed: int) -> list[Settled]:
        """What lies before the first hour that is still open, in order of hour and team; it is let go of."""
        found = []
        for key in list(self.parts.values):
            closures = self.parts.values[key]
            rule, version, team = key.split("\0")
            due = [name for name, one in closures.items() if hour_of(one.first) < observed]
            for name in due:
                one = closures.pop(name)
                found.append(Settled(hour_of(one.first), team, name, rule, version, one.wrong))
            if not closures:
                self.parts.drop(key)
            elif due:
                self.parts.put(key, closures)
        return sorted(found)

    def load(self, parts: Mapping[str, bytes]) -> None:
        """Begin with the parts that were written last."""
        self.parts.load(parts)

    def forget(self, is_live: Callable[[str, str], bool]) -> None:
        """Let go of the versions of rules that nobody asks for any more."""
        for key in list(self.parts.values):
            rule, version, _ = key.split("\0")
            if not is_live(rule, version):
                self.parts.drop(key)


def is_judged(ladder: Ladder, hour: int) -> bool:
    """Whether closures of an hour count for the trip: the rule closed then, and has been armed ever since."""
    return 0 < ladder.armed_since() <= hour and ladder.regime_at(hour).mode == "close"


def _name(outcome: Outcome) -> str:
    return outcome.episode or f"alert:{outcome.alert_id}"
