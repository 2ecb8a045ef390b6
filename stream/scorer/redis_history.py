"""The history in Redis: what the scorer knows as levels, ledger entries and timers, as keys and bytes of a fence.

The keys are those of `redis_keys`.
"""

import math
from collections.abc import Iterable, Mapping

import msgspec

from stream.config import Settings
from stream.core.errors import HistoryDamaged, HistoryRefused, WrongType
from stream.core.problem import Problem
from stream.core.timers import QueuedTimer
from stream.kafka.records import Part
from stream.lane.evictions import policy_fault
from stream.lane.fence import NO_EVICTION, Fence, FencedRead, FencedWrite, Puts, ServerStatus, WriteResult
from stream.lane.redis_fence import RedisFence
from stream.metrics.scorer import ScorerMetrics
from stream.redis_keys import ENTRY, IDENTITY, LEVEL, META, REBUILD_META, TIMERS, RedisKey
from stream.scorer.history import Found, Wanted, Write
from stream.scorer.identity import Identity

_GARBAGE_DAYS = 30.0  # beyond what event time forgets
_FOREIGN = "a key of the history in Redis holds something else"
_TEAM_LEVEL = "t\0"  # begins the level of a team


class RedisHistory:
    """`History` in Redis or Valkey.

    Args:
        fence: where it is kept.
        deployment: begins every key.
        forget_days: how long event time keeps a level.
        ledger_seconds: how long event time keeps a ledger entry.
        aside: the meta that fences is that of a rebuild, not the one that serves.
    """

    def __init__(
        self, fence: Fence, deployment: str, forget_days: float, ledger_seconds: float, aside: bool = False
    ) -> None:
        self._fence = fence
        self._deployment = deployment
        self._level_ttl = math.ceil((forget_days + _GARBAGE_DAYS) * 86_400)
        self._entry_ttl = math.ceil(ledger_seconds + _GARBAGE_DAYS * 86_400)
        self._meta = REBUILD_META if aside else META
        self._identity_key = IDENTITY.name(deployment=deployment)

    @classmethod
    def of(cls, settings: Settings, problem: Problem, metrics: ScorerMetrics, aside: bool = False) -> "RedisHistory":
        """The history that the settings name."""
        fence = RedisFence.of(settings, metrics.lane)
        return cls(fence, settings.deployment, problem.history.forget_days, problem.ledger_seconds, aside)

    def check(self, patient: bool = True) -> None:
        """Refuse a Redis that would evict history; one that loads, is full or only reads is away."""
        policy = self.status(patient).policy
        if policy != NO_EVICTION:
            raise HistoryRefused(*policy_fault(policy))

    def status(self, patient: bool = True) -> ServerStatus:
        """As the fence reports it."""
        return self._fence.status(patient)

    def holder(self) -> Identity | None:
        """What stands under one key of the deployment."""
        try:
            return self._identity(self._fence.get(self._identity_key))
        except WrongType:
            raise self._no_identity() from None

    def claim(self, identity: Identity) -> Identity:
        """The first claim stands."""
        try:
            return self._identity(self._fence.claim(self._identity_key, msgspec.json.encode(identity))) or identity
        except WrongType:
            raise self._no_identity() from None

    def replace(self, identity: Identity) -> None:
        """Whoever held it."""
        self._fence.put(self._identity_key, msgspec.json.encode(identity))

    def read_metas(self, parts: Iterable[Part]) -> dict[Part, bytes]:
        """All in one round trip."""
        keys = {self._key(self._meta, part): part for part in parts}
        try:
            return dict(zip(keys.values(), self._fence.read_metas(list(keys)), strict=True))
        except WrongType as error:
            raise HistoryDamaged(*keys[error.key], _FOREIGN) from None

    def read(self, wanted: Mapping[Part, Wanted]) -> dict[Part, Found]:
        """All in one round trip."""
        reads = []
        for part, want in wanted.items():
            level, entry = self._prefixes(part, want.generation)
            keys = [level + name for name in want.levels]
            keys += [f"{entry}{team}\0{alert}" for team, alert in want.entries]
            reads.append(FencedRead(self._key(self._meta, part), keys))
        found = {}
        for (part, want), one in zip(wanted.items(), self._fence.read(reads), strict=True):
            border = len(want.levels)
            found[part] = Found(one.meta, one.values[:border], one.values[border:])
        return found

    def timers(self, part: Part, generation: int, start: float, count: int) -> tuple[list[QueuedTimer], bool]:
        """A window of the sorted set."""
        try:
            found, more = self._fence.timers(self._key(TIMERS, part, generation), start, count)
        except WrongType:
            raise HistoryDamaged(*part, _FOREIGN) from None
        timers = []
        for due, name in found:
            team, _, alert_id = name.partition("\0")
            timers.append((due, team, alert_id))
        timers.sort()
        return timers, more

    def write(self, writes: Mapping[Part, Write]) -> dict[Part, bool]:
        """All in one round trip."""
        results = self._fence.write([self._fenced(part, write) for part, write in writes.items()])
        for part, result in zip(writes, results, strict=True):
            if result is WriteResult.WRONG_TYPE:
                raise HistoryDamaged(*part, _FOREIGN)
        return {part: result is WriteResult.WRITTEN for part, result in zip(writes, results, strict=True)}

    def switch(self, part: Part, expected: bytes) -> bool:
        """See `Generations`."""
        return self._fence.switch(self._key(META, part), expected, self._key(self._meta, part))

    def forget(self, part: Part, generation: int, fence: bool) -> int:
        """See `Generations`."""
        gone = self._fence.delete(self._key(self._meta, part)) if fence else 0
        return gone + self._fence.delete_where(f"{self._prefix(part)}{generation}:")

    def forget_others(self, part: Part, generation: int) -> int:
        """See `Generations`."""
        prefix = self._prefix(part)

        def is_other(key: str) -> bool:
            number = key[len(prefix) :].partition(":")[0]
            return number.isdigit() and int(number) != generation

        return self._fence.delete_where(prefix, is_other)

    def teams(self, generations: Mapping[Part, int], seconds: float) -> list[str]:
        """Teams of these generations, as many as are found within so many seconds, in no order."""
        prefixes = tuple(self._prefixes(part, number)[0] + _TEAM_LEVEL for part, number in generations.items())
        infix = LEVEL.pattern.rpartition("<generation>")[2].removesuffix("<level>") + _TEAM_LEVEL
        keys = self._fence.find(LEVEL.prefix(deployment=self._deployment), infix, seconds)
        return list({key[len(prefix) :] for key in keys for prefix in prefixes if key.startswith(prefix)})

    def _fenced(self, part: Part, write: Write) -> FencedWrite:
        level, entry = self._prefixes(part, write.generation)
        return FencedWrite(
            self._key(self._meta, part),
            write.expected,
            write.meta,
            [
                Puts({level + name: packed for name, packed in write.levels.items()}, self._level_ttl),
                Puts({f"{entry}{key[0]}\0{key[1]}": one for key, one in write.entries.items()}, self._entry_ttl),
            ],
            [f"{entry}{team}\0{alert}" for team, alert in write.removed_entries],
            self._key(TIMERS, part, write.generation),
            [(due, f"{team}\0{alert}") for due, team, alert in write.timers],
            [f"{team}\0{alert}" for team, alert in write.removed_timers],
        )

    def _prefix(self, part: Part) -> str:
        """How every key of the partition begins."""
        return LEVEL.prefix(deployment=self._deployment, topic=part.topic, partition=part.partition)

    def _prefixes(self, part: Part, generation: int) -> tuple[str, str]:
        """How the keys of levels and of ledger entries begin."""
        known = {"deployment": self._deployment, "topic": part.topic, "partition": part.partition}
        return LEVEL.prefix(**known, generation=generation), ENTRY.prefix(**known, generation=generation)

    def _key(self, key: RedisKey, part: Part, generation: int = 0) -> str:
        return key.name(deployment=self._deployment, topic=part.topic, partition=part.partition, generation=generation)

    def _identity(self, stored: bytes | None) -> Identity | None:
        try:
            return msgspec.json.decode(stored, type=Identity) if stored is not None else None
        except msgspec.MsgspecError:
            raise self._no_identity() from None

    def _no_identity(self) -> HistoryRefused:
        return HistoryRefused(
            f"what stands under {self._identity_key} in Redis is no identity", "run `noisegate history rebuild`"
        )
