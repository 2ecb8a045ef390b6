"""What rules, people and the closer leave for each other in Redis: standings, commands with their results, a log.

The closer alone changes how far a rule may go. The command line and the page leave commands, which the closer carries
out once, and read what it writes here. Times are seconds since 1970.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import msgspec
import redis
from msgspec import Struct
from msgspec.structs import replace
from redis.exceptions import RedisError

from stream.core.errors import RulesError
from stream.core.ladder import Ladder, Verdict
from stream.core.records import Mode
from stream.core.suppressions import Suppression
from stream.redis_keys import (
    RULE_BOUNDS,
    RULE_BRAKES,
    RULE_COMMANDS,
    RULE_LOG,
    RULE_PAUSE,
    RULE_RESULTS,
    RULE_STANDINGS,
    RULE_SUPPRESSED,
    RULE_UNDONE,
    RULE_UNDOS,
    RedisKey,
)
from stream.rule_brakes import HeldBrakes

RESULT_SECONDS = 3_600
UNDO_SECONDS = 3_600
BRAKES_SECONDS = 3_600
LOG_ENTRIES = 10_000
DAYS_KEPT = 400  # of bounds
_T = TypeVar("_T")


class Command(Struct, frozen=True, kw_only=True):
    """What a person wants done to a rule.

    Attributes:
        id: of the command; it is carried out once.
        verb: `arm` lets the rule climb to `mode`, `disarm` takes it back to shadow.
        by: who, as the page or the command line knows them.
    """

    id: str
    verb: Literal["arm", "disarm"]
    rule: str
    mode: Mode | None = None
    by: str
    at: float


class CommandResult(Struct, frozen=True, kw_only=True):
    """What became of a command, in one sentence."""

    id: str
    done: bool
    sentence: str
    at: float


class Undo(Struct, frozen=True, kw_only=True):
    """A person's wish to bring back what a rule suppressed from `since` to `at`.

    Every partition carries it out for its own alerts; what is back already is not brought back again.
    """

    id: str
    rule: str
    since: float
    by: str
    at: float


class PauseAll(Struct, frozen=True, kw_only=True):
    """A person's order that no rule acts, until it is taken back."""

    by: str
    at: float
    why: str = ""


class DayBound(Struct, frozen=True, array_like=True):
    """How a rule's proof stood at the end of a UTC day (days since 1970), or now."""

    day: int
    observations: int
    acted: float
    bound: float | None
    limit: float


class NearMisses(Struct, frozen=True, array_like=True):
    """How often people acted on an alert of the same team and entity within 2 hours of what a rule touched.

    Counted since the rule was armed: `after_suppressed` of the `suppressed` alerts that it paused or closed, and as the
    base rate `after_held_out` of the `held_out` alerts that it left alone.
    """

    suppressed: int = 0
    after_suppressed: int = 0
    held_out: int = 0
    after_held_out: int = 0

    def plus(self, other: "NearMisses") -> "NearMisses":
        """Both together."""
        return NearMisses(
            self.suppressed + other.suppressed,
            self.after_suppressed + other.after_suppressed,
            self.held_out + other.held_out,
            self.after_held_out + other.after_held_out,
        )


class Standing(Struct, frozen=True, kw_only=True):
    """One rule as the closer leaves it for people, pages and the workers that decide.

    Attributes:
        owner: of the rule, as its file says.
        ladder: what was armed, tripped and begun.
        verdict: what its proof allows now.
        ready: the models that may act by it.
        daily: observations a day, over the proof that stands.
        bounds: one a day, the oldest first.
        loaded: whether the rule files hold it now.
        near_misses: over all partitions.
        at: when this was written.
    """

    owner: str
    ladder: Ladder
    verdict: Verdict
    ready: tuple[str, ...] = ()
    daily: float = 0.0
    bounds: list[DayBound] = []
    loaded: bool = True
    near_misses: NearMisses = NearMisses()
    at: float


class Change(Struct, frozen=True, kw_only=True):
    """One line of the log of rules: what changed, by whom (None: by itself), and why, in one sentence."""

    at: float
    rule: str
    version: str
    what: Literal[
        "loaded", "edited", "armed", "disarmed", "refused", "tripped", "ended", "share", "undone", "paused", "resumed"
    ]
    by: str | None
    sentence: str


class SharedState:
    """Keys of a deployment in Redis. Every call blocks, at most about `seconds`.

    Every call raises `RulesError` while Redis does not answer.

    Args:
        url: redis:// or rediss://.
        deployment: begins every key.
        seconds: how long Redis may take.
    """

    def __init__(self, url: str, deployment: str, seconds: float) -> None:
        self._client: Any = redis.Redis.from_url(
            url, socket_timeout=seconds, socket_connect_timeout=seconds, retry=None
        )
        self._deployment = deployment

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _key(self, key: RedisKey) -> str:
        return key.name(deployment=self._deployment)

    def _call(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except (RedisError, OSError) as error:
            words = str(error).rstrip(".")
            raise RulesError(f"Redis does not answer: {words}", "start it, or set NOISEGATE_REDIS_URL") from None


class RuleState(SharedState):
    """The shared state of all rules of a deployment; arguments and errors as `SharedState`."""

    # For people.

    def send(self, command: Command) -> None:
        """Leave a command for the closer."""
        self._call(lambda: self._client.hset(self._key(RULE_COMMANDS), command.id, msgspec.json.encode(command)))

    def result(self, command: str) -> CommandResult | None:
        """What became of a command; None while the closer has not carried it out."""
        found = self._call(lambda: self._client.hget(self._key(RULE_RESULTS), command))
        return None if found is None else msgspec.json.decode(found, type=CommandResult)

    def pause_all(self, order: PauseAll | None) -> None:
        """Order that no rule acts; None takes the order back."""
        key = self._key(RULE_PAUSE)
        if order is None:
            self._call(lambda: self._client.delete(key))
        else:
            self._call(lambda: self._client.set(key, msgspec.json.encode(order)))

    def undo(self, order: Undo) -> None:
        """Order that alerts are brought back; orders of more than an hour before are forgotten."""
        old = [one.id for one in self.undos() if one.at < order.at - UNDO_SECONDS]

        def put() -> None:
            pipeline = self._client.pipeline()
            if old:
                pipeline.hdel(self._key(RULE_UNDOS), *old)
            pipeline.hset(self._key(RULE_UNDOS), order.id, msgspec.json.encode(order))
            pipeline.expire(self._key(RULE_UNDOS), UNDO_SECONDS)
            pipeline.execute()

        self._call(put)

    def undone(self, order: str) -> dict[int, int]:
        """How many alerts each partition that has carried out an undo brought back."""
        found = self._call(lambda: self._client.hgetall(RULE_UNDONE.name(deployment=self._deployment, order=order)))
        return {int(partition): int(count) for partition, count in found.items()}

    def log(self, most: int = 1_000) -> list[Change]:
        """The newest changes, the newest first."""
        found = self._call(lambda: self._client.lrange(self._key(RULE_LOG), 0, most - 1))
        return [msgspec.json.decode(one, type=Change) for one in found]

    def suppressed(self) -> list[Suppression]:
        """What rules keep from people now, the oldest first."""
        found = self._call(lambda: self._client.hvals(self._key(RULE_SUPPRESSED)))
        return sorted((msgspec.msgpack.decode(one, type=Suppression) for one in found), key=lambda one: one.since)

    # For everybody.

    def paused(self) -> PauseAll | None:
        """The order that no rule acts, if one stands."""
        found = self._call(lambda: self._client.get(self._key(RULE_PAUSE)))
        return None if found is None else msgspec.json.decode(found, type=PauseAll)

    def standings(self, bounds: bool = True) -> dict[str, Standing]:
        """All rules by name, those that files hold no more as well; without their days' bounds where not wanted."""

        def read() -> list[dict[bytes, bytes]]:
            pipeline = self._client.pipeline()
            pipeline.hgetall(self._key(RULE_STANDINGS))
            if bounds:
                pipeline.hgetall(self._key(RULE_BOUNDS))
            found: list[dict[bytes, bytes]] = pipeline.execute()
            return found

        found, *days = self._call(read)
        standings = {}
        for name, packed in sorted(found.items()):
            standing = msgspec.msgpack.decode(packed, type=Standing)
            if days and name in days[0]:
                standing = replace(standing, bounds=msgspec.msgpack.decode(days[0][name], type=list[DayBound]))
            standings[name.decode()] = standing
        return standings

    def brakes(self) -> list[HeldBrakes]:
        """What each closer saw that keeps rules from acting; also of one that ended within the last hour."""
        found = self._call(lambda: self._client.hvals(self._key(RULE_BRAKES)))
        return [msgspec.json.decode(one, type=HeldBrakes) for one in found]

    def undos(self) -> list[Undo]:
        """The undos of the last hour, the oldest first."""
        found = self._call(lambda: self._client.hvals(self._key(RULE_UNDOS)))
        return sorted((msgspec.json.decode(one, type=Undo) for one in found), key=lambda order: order.at)

    # For the closer.

    def commands(self) -> list[Command]:
        """What waits to be carried out, the oldest first."""
        found = self._call(lambda: self._client.hvals(self._key(RULE_COMMANDS)))
        return sorted((msgspec.json.decode(one, type=Command) for one in found), key=lambda one: one.at)

    def publish(
        self, standings: Mapping[str, Standing], results: Sequence[CommandResult], changes: Sequence[Change]
    ) -> None:
        """Write standings, results of commands and lines of the log; the commands wait no longer."""

        def put() -> None:
            pipeline = self._client.pipeline()
            if standings:
                packed = {name: msgspec.msgpack.encode(replace(one, bounds=[])) for name, one in standings.items()}
                pipeline.hset(self._key(RULE_STANDINGS), mapping=packed)
                days = {name: msgspec.msgpack.encode(one.bounds) for name, one in standings.items()}
                pipeline.hset(self._key(RULE_BOUNDS), mapping=days)
            for result in results:
                pipeline.hset(self._key(RULE_RESULTS), result.id, msgspec.json.encode(result))
                pipeline.hdel(self._key(RULE_COMMANDS), result.id)
            if results:
                pipeline.expire(self._key(RULE_RESULTS), RESULT_SECONDS)
            if changes:
                pipeline.lpush(self._key(RULE_LOG), *map(msgspec.json.encode, changes))
                pipeline.ltrim(self._key(RULE_LOG), 0, LOG_ENTRIES - 1)
            pipeline.execute()

        self._call(put)

    def publish_brakes(self, held: HeldBrakes | None, worker: str) -> None:
        """Write what a closer sees, by its name; None: it ends."""

        def put() -> None:
            key = self._key(RULE_BRAKES)
            if held is None:
                self._client.hdel(key, worker)
                return
            pipeline = self._client.pipeline()
            pipeline.hset(key, worker, msgspec.json.encode(held))
            pipeline.expire(key, BRAKES_SECONDS)
            pipeline.hgetall(key)
            *_, found = pipeline.execute()
            seen_at = {name: msgspec.json.decode(one, type=HeldBrakes).at for name, one in found.items()}
            if old := [name for name, at in seen_at.items() if at < held.at - BRAKES_SECONDS]:
                self._client.hdel(key, *old)

        self._call(put)

    def note_undone(self, order: str, partition: int, count: int) -> None:
        """Note how many alerts a partition brought back for an undo."""

        def put() -> None:
            pipeline = self._client.pipeline()
            pipeline.hset(RULE_UNDONE.name(deployment=self._deployment, order=order), str(partition), count)
            pipeline.expire(RULE_UNDONE.name(deployment=self._deployment, order=order), RESULT_SECONDS)
            pipeline.execute()

        self._call(put)

    def note_suppressed(self, begun: Sequence[Suppression], ended: Sequence[tuple[str, str]]) -> None:
        """Note what is kept from people, and by team and alert id what is back."""

        def put() -> None:
            pipeline = self._client.pipeline()
            if begun:
                packed = {f"{one.team}\0{one.alert_id}": msgspec.msgpack.encode(one) for one in begun}
                pipeline.hset(self._key(RULE_SUPPRESSED), mapping=packed)
            if ended:
                pipeline.hdel(self._key(RULE_SUPPRESSED), *(f"{team}\0{alert}" for team, alert in ended))
            pipeline.execute()

        self._call(put)
