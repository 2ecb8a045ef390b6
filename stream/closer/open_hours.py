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

_GROUPS, _SHARDS = 32, 8
"""A part holds the teams and rules of one group, of their episodes one shard: an outcome rewrites a 256th, and no
deployment has so many parts that their names take long to read."""


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
        self.parts: Parts[dict[str, OpenHours]] = Parts("hours", dict[str, OpenHours])
        self.late = 0
        self._problem = problem
        self._by_hour: dict[int, set[tuple[str, str]]] = {}  # the part and key of what may hold an episode of it

    def load(self, parts: Mapping[str, bytes], observed: int) -> None:
        """Begin with the parts that were written last; `observed` is the first hour that is still open."""
        self.parts.load(parts)
        self._by_hour.clear()
        for name, part in self.parts.values.items():
            for key, hours in part.items():
                hours.observed = observed
                for episodes in hours.episodes.values():
                    for episode in episodes.values():
                        self._by_hour.setdefault(hour_of(episode.first), set()).add((name, key))

    def add(self, outcome: Outcome, found: Iterable[tuple[IndexedRule, list[str]]], observed: int) -> None:
        """Count an outcome for the rules that it is an observation of, each with its models."""
        hour = hour_of(seconds(outcome.raised_at))
        for one, models in found:
            if hour < observed:
                self.late += 1
                continue
            key = f"{one.rule.name}\0{one.version}\0{outcome.team}"
            name = f"{_hash(key) % _GROUPS}.{_hash(outcome.episode or outcome.alert_id) % _SHARDS}"
            part = self.parts.put(name, self.parts.values.get(name) or {})
            hours = part.setdefault(key, OpenHours())
            hours.observed = observed
            self._by_hour.setdefault(hour, set()).add((name, key))
            add_outcome(hours, outcome, models, bool(one.labels))

    def take_due(self, at: float, observed: int) -> list[Due]:
        """The observations due by a moment, in order of hour and team; their episodes are let go of.

        `observed` is the first hour that is open then.
        """
        found: dict[tuple[int, str, str, str, str], list[Observation]] = {}
        past = [hour for hour in self._by_hour if hour < observed]
        for name, key in sorted({place for hour in past for place in self._by_hour.pop(hour)}):
            hours = self.parts.values.get(name, {}).get(key)
            if hours is None:
                continue
            rule, version, team = key.split("\0")
            before = _episodes(hours)
            for one in take_due(hours, at, self._problem):
                found.setdefault((one.hour, team, rule, version, one.model), []).append(one)
            if _episodes(hours) != before:
                self._keep(name, key, hours)
        return [Due(*where[:4], _together(parts)) for where, parts in sorted(found.items())]

    def forget(self, is_live: Callable[[str, str], bool]) -> None:
        """Let go of the versions of rules that nobody asks for any more."""
        for name, part in list(self.parts.values.items()):
            for key in list(part):
                rule, version, _ = key.split("\0")
                if not is_live(rule, version):
                    self._keep(name, key, OpenHours())

    def _keep(self, name: str, key: str, hours: OpenHours) -> None:
        """Note that hours changed; nothing is kept of them where no episode is left."""
        part = self.parts.put(name, self.parts.values[name])
        if not hours.episodes:
            del part[key]
        if not part:
            self.parts.drop(name)


def _hash(text: str) -> int:
    return zlib.crc32(text.encode())


def _episodes(hours: OpenHours) -> int:
    return sum(len(episodes) for episodes in hours.episodes.values())


def _together(parts: list[Observation]) -> Observation:
    """The observation of an hour whose episodes lie in several shards."""
    episodes = sum(one.episodes for one in parts)
    acted = sum(round(one.acted * one.episodes) for one in parts)
    return Observation(parts[0].hour, parts[0].model, acted / episodes, episodes)
