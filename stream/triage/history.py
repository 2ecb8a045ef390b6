"""What Redis remembers of an alert's team, rule and entity, in words. It only reads."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import redis
from msgspec import Struct
from redis.exceptions import RedisError

from stream.core import state
from stream.core.levels import level_keys
from stream.kafka.partitioner import partition_chooser
from stream.redis_keys import LEVEL, META

AWAY = "Redis does not answer, so the history can't be shown; it is back by itself"
SHOWN_OUTCOMES = 32
RULE_LEVEL = "this rule in the team"
NAMES = ("this team", RULE_LEVEL, "this entity in the team", "this rule on this entity")


class Level(Struct, frozen=True):
    """The history at one level; outcomes newest first, 1 = acted on; times in seconds since 1970."""

    name: str
    words: str
    recent: str
    outcomes: list[int]
    last_acted_at: float | None


class MetaHead(Struct, array_like=True):
    """The beginning of a partition's meta, as the scorer writes it; what it adds behind is left alone."""

    offset: int
    topic_id: str
    partitions: int
    problem: str
    fold_version: int
    generation: int
    time: float


decode_meta = msgspec.msgpack.Decoder(MetaHead).decode


class HistoryReader:
    """Reads histories of one deployment; every call blocks, for at most `seconds` a round trip.

    Args:
        url: redis:// or rediss://.
        deployment: begins every key.
        topic: the topic of events.
        partitioner: the setting of that name.
        partitions: how many partitions the topic has now; 0 while that is not known.
        seconds: how long Redis may take.
        up: takes whether Redis answered.
    """

    def __init__(
        self,
        url: str,
        deployment: str,
        topic: str,
        partitioner: str,
        partitions: Callable[[], int],
        seconds: float,
        up: Callable[[bool], None],
    ) -> None:
        self._client: Any = redis.Redis.from_url(
            url, socket_timeout=seconds, socket_connect_timeout=seconds, retry=None
        )
        self._deployment, self._topic, self._partitioner = deployment, topic, partitioner
        self._partitions, self._up = partitions, up

    def read(self, team: str, rule: str, entity: str) -> list[Level] | str:
        """The levels that there are, from team to team, rule and entity; a sentence where they can't be read."""
        count = self._partitions()
        if not count:
            return "Kafka has not answered yet, so nobody knows in which partition the team's history is"
        partition = partition_chooser(self._partitioner, count)(team)
        place: dict[str, Any] = {"deployment": self._deployment, "topic": self._topic, "partition": partition}
        try:
            packed = self._client.get(META.name(**place))
            if packed is None:
                self._up(True)
                return "there is no history of the team's partition yet; is a scorer running?"
            meta = decode_meta(packed)
            keys = level_keys(team, rule, entity, (), ())
            found = self._client.mget([LEVEL.name(**place, generation=meta.generation, level=key) for key in keys])
        except (RedisError, OSError):
            self._up(False)
            return AWAY
        except msgspec.MsgspecError:
            return "the history in Redis is of another version; run `noisegate history rebuild`"
        self._up(True)
        return levels_of(NAMES, found, meta.time)

    def ping(self) -> bool:
        """Whether Redis answers now."""
        try:
            answers = bool(self._client.ping())
        except (RedisError, OSError):
            answers = False
        self._up(answers)
        return answers

    def close(self) -> None:
        """End the connections."""
        self._client.close()


def levels_of(names: Sequence[str], packed: Sequence[bytes | None], at: float) -> list[Level]:
    """Levels in words, of their packed states read at `at`; those that are missing or damaged are left out."""
    levels = []
    for name, record in zip(names, packed, strict=True):
        if record is not None and len(record) == state.RECORD_BYTES:
            levels.append(_level(name, state.unpack_state(record), at))
    return levels


def _level(name: str, level: state.State, at: float) -> Level:
    decided, acted = int(level[state.DECIDED + 3]), int(level[state.ACTED + 3])
    decay = state.decay_factors(level[state.LANDMARK], at).tolist()
    month = [level[count + 2] * decay[2] for count in (state.DECIDED, state.ACTED)]
    known = min(decided, SHOWN_OUTCOMES)
    last = level[state.LAST_ACTED]
    return Level(
        name=name,
        words=f"acted on {acted:,} of {decided:,}" if decided else "no outcome so far",
        recent=f"{100 * month[1] / month[0]:.0f} % acted on" if month[0] >= 1.0 else "hardly any",
        outcomes=[int(level[state.RING]) >> index & 1 for index in range(known)],
        last_acted_at=None if last == state.NEVER else last,
    )
