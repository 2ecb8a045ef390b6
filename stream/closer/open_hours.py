"""The hours of one partition's teams under each rule that are not observed yet."""

import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from stream.closer.parts import Parts
from stream.core.events import seconds
from stream.core.observations import Observation, OpenHours, add_outcome, hour_of, take_due
from stream.core.problem import Problem
from stream.core.records import Outcome
from stream.core.rule_index import IndexedRule

_SHARDS = 8  # of the episodes of one team under one rule, so that an outcome rewrites an eighth of them


class Due(NamedTuple):
    """An observation of a team under one version of a rule. They sort by hour and team."""

    hour: int
    team: str
    rule: str
    version: str
    observation: Observation


class PartitionHours:
    """The open hours by rule, version and team.

    Attributes:
        parts: kept with the state.
        late: outcomes that came after their hour was observed, since the start.
    """

    def __init__(self, problem: Problem) -> None:
        self.parts: Parts[OpenHours] = Parts("hours", OpenHours)
        self.late = 0
        self._problem = problem
        self._keys: dict[int, set[str]] = {}  # by hour, of the parts that may hold an episode of it

    def load(self, parts: Mapping[str, bytes], observed: int) -> None:
        """Begin with the parts that were written last; `observed` is the first hour that is still open."""
        self.parts.load(parts)
        self._keys.clear()
        for key, hours in self.parts.values.items():
            hours.observed = observed
            for episodes in hours.episodes.values():
                for episode in episodes.values():
                    self._keys.setdefault(hour_of(episode.first), set()).add(key)

    def add(self, outcome: Outcome, found: Iterable[tuple[IndexedRule, list[str]]], observed: int) -> None:
        """Count an outcome for the rules that it is an observation of, each with its models."""
        hour = hour_of(seconds(outcome.raised_at))
        shard = zlib.crc32((outcome.episode or outcome.alert_id).encode()) % _SHARDS
        for one, models in found:
            if hour < observed:
                self.late += 1
                continue
            key = f"{one.rule.name}\0{one.version}\0{outcome.team}\0{shard}"
            hours = self.parts.put(key, self.parts.values.get(key) or OpenHours())
            hours.observed = observed
            self._keys.setdefault(hour, set()).add(key)
            add_outcome(hours, outcome, models, bool(one.labels))

    def take_due(self, at: float, observed: int) -> list[Due]:
        """The observations due by a moment, in order of hour and team; their episodes are let go of.

        `observed` is the first hour that is open then.
        """
        found: dict[tuple[int, str, str, str, str], list[Observation]] = {}
        past = [hour for hour in self._keys if hour < observed]
        keys = {key for hour in past for key in self._keys.pop(hour)}
        for key in sorted(keys & self.parts.values.keys()):
            hours = self.parts.values[key]
            rule, version, team, _ = key.split("\0")
            before = _episodes(hours)
            for one in take_due(hours, at, self._problem):
                found.setdefault((one.hour, team, rule, version, one.model), []).append(one)
            if not hours.episodes:
                self.parts.drop(key)
            elif _episodes(hours) != before:
                self.parts.put(key, hours)
        return [Due(*where[:4], _together(parts)) for where, parts in sorted(found.items())]

    def forget(self, is_live: Callable[[str, str], bool]) -> None:
        """Let go of the versions of rules that nobody asks for any more."""
        for key in list(self.parts.values):
            rule, version, _ = key.split("\0", 2)
            if not is_live(rule, version):
                self.parts.drop(key)


def _episodes(hours: OpenHours) -> int:
    return sum(len(episodes) for episodes in hours.episodes.values())


def _together(parts: list[Observation]) -> Observation:
    """The observation of an hour whose episodes lie in several shards."""
    episodes = sum(one.episodes for one in parts)
    acted = sum(round(one.acted * one.episodes) for one in parts)
    return Observation(parts[0].hour, parts[0].model, acted / episodes, episodes)
