"""What closers leave for each other in Redis: ends of suppressed alerts, the last good files of rules, their hashes."""

from collections.abc import Collection, Mapping

import msgspec
from msgspec import Struct

from stream.core.ladder import Verdict
from stream.redis_keys import (
    CLOSER_SALT,
    CLOSERS,
    RULE_ENDINGS,
    RULE_FILES,
    RULE_STANDINGS,
    RULE_SUPPRESSED,
)
from stream.rule_state import SharedState

CLOSER_SECONDS = 3_600
ENDING_SECONDS = 25 * 3_600  # longer than any alert is kept from people
OVER = frozenset({"ended", "resolved", "closed", "auto_closed", "merged", "dismissed"})
"""Kinds of acts after which an alert fires no more, or nobody wants to hear of it."""
AlertKey = tuple[str, str]
"""Team and alert id."""


class Ending(Struct, frozen=True):
    """How a suppressed alert ended: the kind of the act, and when, seconds since 1970."""

    kind: str
    at: float

    @property
    def is_over(self) -> bool:
        """Whether the alert is over; else people work on it, or opened it again."""
        return self.kind in OVER


class Judgement(Struct, frozen=True):
    """What a worker that decides needs of a rule's standing: see `stream.rule_state.Standing`."""

    verdict: Verdict
    ready: tuple[str, ...] = ()
    loaded: bool = True
    at: float = 0.0


class ActiveRules(Struct, frozen=True):
    """What a closer acts by: hashes of its rules and of its salt, and when it left them, seconds since 1970."""

    rules: str
    salt: str
    at: float


_decode_judgement = msgspec.msgpack.Decoder(Judgement).decode


class Exchange(SharedState):
    """What closers leave for each other; arguments and errors as `SharedState`."""

    def __init__(self, url: str, deployment: str, seconds: float) -> None:
        super().__init__(url, deployment, seconds)
        self._judgements: dict[bytes, tuple[bytes, Judgement]] = {}  # as they stood, and what that says

    def judgements(self) -> dict[str, Judgement]:
        """What the closer that judges rules left, by rule name; what is as it was is not decoded again."""
        found: dict[bytes, bytes] = self._call(lambda: self._client.hgetall(self._key(RULE_STANDINGS)))
        before, self._judgements = self._judgements, {}
        for name, packed in found.items():
            known = before.get(name)
            if known is None or known[0] != packed:
                known = packed, _decode_judgement(packed)
            self._judgements[name] = known
        return {name.decode(): one for name, (_, one) in self._judgements.items()}

    def suppressed(self) -> frozenset[AlertKey]:
        """The alerts that rules keep from people, in all partitions."""
        found = self._call(lambda: self._client.hkeys(self._key(RULE_SUPPRESSED)))
        return frozenset(map(_read_key, found))

    def put_endings(self, endings: Mapping[AlertKey, Ending]) -> None:
        """Leave the ends of suppressed alerts for who keeps them."""

        def put() -> None:
            pipeline = self._client.pipeline()
            packed = {f"{team}\0{alert}": msgspec.json.encode(one) for (team, alert), one in endings.items()}
            pipeline.hset(self._key(RULE_ENDINGS), mapping=packed)
            pipeline.expire(self._key(RULE_ENDINGS), ENDING_SECONDS)
            pipeline.execute()

        self._call(put)

    def endings(self) -> dict[AlertKey, Ending]:
        """The ends that nobody has carried out yet."""
        found = self._call(lambda: self._client.hgetall(self._key(RULE_ENDINGS)))
        return {_read_key(key): msgspec.json.decode(one, type=Ending) for key, one in found.items()}

    def remove_endings(self, alerts: Collection[AlertKey]) -> None:
        """Remove ends that are carried out, or of alerts that are not suppressed any more."""
        keys = [f"{team}\0{alert}" for team, alert in alerts]
        self._call(lambda: self._client.hdel(self._key(RULE_ENDINGS), *keys))

    def put_files(self, files: Mapping[str, str]) -> None:
        """Keep rule files that can be used, by path, for a worker that starts when they can't."""
        self._call(lambda: self._client.set(self._key(RULE_FILES), msgspec.json.encode(files)))

    def files(self) -> dict[str, str]:
        """The last good rule files; none where there were none."""
        found = self._call(lambda: self._client.get(self._key(RULE_FILES)))
        return {} if found is None else msgspec.json.decode(found, type=dict[str, str])

    def put_closer(self, name: str, active: ActiveRules) -> None:
        """Leave what a closer acts by, under its name."""

        def put() -> None:
            pipeline = self._client.pipeline()
            pipeline.hset(self._key(CLOSERS), name, msgspec.json.encode(active))
            pipeline.expire(self._key(CLOSERS), CLOSER_SECONDS)
            pipeline.execute()

        self._call(put)

    def remove_closer(self, name: str) -> None:
        """Remove what a closer that ends has left."""
        self._call(lambda: self._client.hdel(self._key(CLOSERS), name))

    def closers(self) -> dict[str, ActiveRules]:
        """What was left, by name; also by closers that are gone."""
        found = self._call(lambda: self._client.hgetall(self._key(CLOSERS)))
        return {name.decode(): msgspec.json.decode(one, type=ActiveRules) for name, one in found.items()}

    def salt(self) -> str | None:
        """The hash of the salt that was used last; None where nobody used one."""
        found: bytes | None = self._call(lambda: self._client.get(self._key(CLOSER_SALT)))
        return None if found is None else found.decode()

    def put_salt(self, salt: str) -> None:
        """Keep the hash of the salt that is used."""
        self._call(lambda: self._client.set(self._key(CLOSER_SALT), salt))


def _read_key(field: bytes) -> AlertKey:
    team, _, alert = field.decode().partition("\0")
    return team, alert
