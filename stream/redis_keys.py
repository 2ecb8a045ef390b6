"""Every key that noisegate writes in Redis. Whoever names a key takes its name from here.

What stands in angle brackets is filled in. The keys of one partition share one hash tag, `{<topic>:<partition>}`, so
they lie in one slot of a cluster. `<generation>` is a number that `history rebuild` changes, `\\0` one zero byte. TTLs
collect garbage; they never decide anything.
"""

import re
from functools import cache
from typing import Literal

from msgspec import Struct

_PART = re.compile(r"<(\w+)>")
_SHAPES = {
    "partition": r"\d+",
    "name": ".+",
    "generation": r"\d+",
    "team": "[^\0]*",
    "level": ".+",
    "alert": ".+",
}  # as patterns


class RedisKey(Struct, frozen=True):
    """One kind of key.

    Attributes:
        pattern: its name.
        type: what Redis's TYPE says of it.
        holds: what it holds.
        expires: how long after its last write the server drops it; empty: never.
        writers: which processes write it.
    """

    pattern: str
    type: Literal["string", "hash", "zset", "list"]
    holds: str
    expires: str
    writers: str

    def name(self, **parts: object) -> str:
        """The key with all of its parts filled in; raises KeyError where one is missing."""
        return _PART.sub(lambda found: str(parts[found[1]]), self.pattern)

    def prefix(self, **parts: object) -> str:
        """The key's beginning, up to the first part that is not given."""
        literals = _split(self.pattern)
        text = literals[0]
        for name, literal in zip(literals[1::2], literals[2::2], strict=True):
            if name not in parts:
                break
            text += f"{parts[name]}{literal}"
        return text

    def matches(self, key: str) -> bool:
        """Whether a key is of this kind."""
        literals = [re.escape(literal) for literal in _split(self.pattern)[::2]]
        parts = [_SHAPES.get(name, "[^{}\0]+") for name in _split(self.pattern)[1::2]]
        pattern = "".join(literal + part for literal, part in zip(literals, [*parts, ""], strict=True))
        return re.fullmatch(pattern, key, re.DOTALL) is not None


@cache
def _split(pattern: str) -> list[str]:
    """The literals of a pattern, with the names of its parts between them."""
    return _PART.split(pattern)


_PARTITION = "<deployment>:{<topic>:<partition>}:"
_GENERATION = f"{_PARTITION}<generation>:"
_BOTH, _REBUILD = "scorer, `history rebuild`", "`history rebuild`"

IDENTITY = RedisKey("<deployment>:identity", "string", "JSON: cluster, topic, problem of the histories", "", _BOTH)
META = RedisKey(f"{_PARTITION}meta", "string", "msgpack: what the history stands for; the fence", "", _BOTH)
TIMERS = RedisKey(f"{_GENERATION}dues", "zset", "timers by due time: expiries, held actions, the room's", "", _BOTH)
LEVEL = RedisKey(f"{_GENERATION}l:<level>", "string", "152 bytes: a level's state", "`forget_days` + 30 d", _BOTH)
ENTRY = RedisKey(f"{_GENERATION}a:<team>\0<alert>", "string", "msgpack: ledger entry", "`ledger_days` + 30 d", _BOTH)
PROBE = RedisKey("<deployment>:probe", "string", "nothing; Redis takes writes", "60 s", f"{_BOTH}, `doctor`")
WORKERS = RedisKey("<deployment>:workers", "hash", "JSON of each worker: models, partitions", "24 h", "scorer")
REBUILD_META = RedisKey(f"{_PARTITION}rebuild", "string", "as meta, of a history that is folded aside", "", _REBUILD)
REBUILD_LOCK = RedisKey("<deployment>:rebuild_lock", "string", "the one rebuild that runs", "30 s", _REBUILD)

_DEPLOYMENT, _INTAKE, _RELAY = "<deployment>:", "intake", "intake, relay"
FIRING = RedisKey(
    f"{_DEPLOYMENT}firing:<source>:<fingerprint>", "string", "msgpack: firings of a fingerprint",
    "`open_days`; 15 min once ended", _RELAY,
)  # fmt: skip
OWNER = RedisKey(
    f"{_DEPLOYMENT}owner:<source>:<alert>", "string", "msgpack: the team that owned an alert first", "40 d", _INTAKE
)
ACKNOWLEDGED = RedisKey(
    f"{_DEPLOYMENT}acknowledged:<source>:<digest>",
    "string",
    "when a person first acknowledged an alert",
    "40 d",
    _INTAKE,
)
DELIVERY = RedisKey(f"{_DEPLOYMENT}delivery:<source>:<digest>", "string", "1: a delivery was taken", "3 d", _INTAKE)
WATCHER = RedisKey(
    f"{_DEPLOYMENT}watcher", "string", "which intake watches Alertmanagers", "4 `intake_watch_seconds`", _INTAKE
)
WATCH_STATE = RedisKey(
    f"{_DEPLOYMENT}watch_state", "string", "msgpack: what was seen at Alertmanagers before", "7 d", _INTAKE
)
RELAY_LABEL = RedisKey(
    f"{_DEPLOYMENT}label:<alert>", "string", "msgpack: the label that relays agreed on", "7 d; 1 h where none", "relay"
)
RELAY_CLAIM = RedisKey(
    f"{_DEPLOYMENT}publish:<event>:<alert>", "string", "which relay publishes an event", "10 s", "relay"
)

KEPT_ACTS = RedisKey(f"{_DEPLOYMENT}verdicts", "hash", "JSON of verdicts that are not published yet", "30 d", "triage")

_CLOSER, _PEOPLE = "closer", "`noisegate rules`, triage"
CLOSER_META = RedisKey(
    f"{_PARTITION}closer:meta", "string", "msgpack: what the state stands for; the fence", "", _CLOSER
)
CLOSER_STATE = RedisKey(f"{_PARTITION}closer:s:<name>", "string", "msgpack: a part of the state", "", _CLOSER)
CLOSER_NAMES = RedisKey(f"{_PARTITION}closer:names", "zset", "the names of the parts of the state", "", _CLOSER)
RULE_STANDINGS = RedisKey(f"{_DEPLOYMENT}rules", "hash", "msgpack of each rule: how far it may go", "", _CLOSER)
RULE_BOUNDS = RedisKey(f"{_DEPLOYMENT}rule_bounds", "hash", "msgpack of each rule: its bound day by day", "", _CLOSER)
RULE_COMMANDS = RedisKey(f"{_DEPLOYMENT}rule_commands", "hash", "JSON of commands to carry out", "", _PEOPLE)
RULE_RESULTS = RedisKey(f"{_DEPLOYMENT}rule_results", "hash", "JSON: what became of commands", "1 h", _CLOSER)
RULE_UNDONE = RedisKey(f"{_DEPLOYMENT}rule_undone:<order>", "hash", "alerts brought back, by partition", "1 h", _CLOSER)
RULE_UNDOS = RedisKey(f"{_DEPLOYMENT}rule_undos", "hash", "JSON of undos", "1 h", _PEOPLE)
RULE_DIGEST = RedisKey(
    f"{_DEPLOYMENT}digest:<name>",
    "string",
    "which daily digests are being sent, or were",
    "3 min; 2 d once sent",
    _CLOSER,
)
RULE_BRAKES = RedisKey(f"{_DEPLOYMENT}rule_brakes", "hash", "JSON of each closer: what brakes rules", "1 h", _CLOSER)
RULE_PAUSE = RedisKey(f"{_DEPLOYMENT}rules_paused", "string", "JSON: no rule acts", "", _PEOPLE)
RULE_LOG = RedisKey(f"{_DEPLOYMENT}rule_log", "list", "JSON of changes of rules, the newest first", "", _CLOSER)
RULE_ENDINGS = RedisKey(f"{_DEPLOYMENT}rule_endings", "hash", "JSON: suppressed alerts that ended", "25 h", _CLOSER)
RULE_FILES = RedisKey(f"{_DEPLOYMENT}rule_files", "string", "JSON: the last good files of rules", "", _CLOSER)
CLOSERS = RedisKey(f"{_DEPLOYMENT}closers", "hash", "JSON of each closer: hashes of its rules and salt", "1 h", _CLOSER)
CLOSER_SALT = RedisKey(f"{_DEPLOYMENT}closer_salt", "string", "hash of the salt of the hold-out's draws", "", _CLOSER)
RULE_SUPPRESSED = RedisKey(f"{_DEPLOYMENT}suppressed", "hash", "msgpack of what is kept from people", "", _CLOSER)

SCORER_KEYS = (IDENTITY, META, TIMERS, LEVEL, ENTRY, PROBE, WORKERS, REBUILD_META, REBUILD_LOCK)
SOURCE_KEYS = (FIRING, OWNER, ACKNOWLEDGED, DELIVERY, WATCHER, WATCH_STATE, RELAY_LABEL, RELAY_CLAIM)
TRIAGE_KEYS = (KEPT_ACTS,)
CLOSER_KEYS = (
    RULE_BRAKES, RULE_DIGEST,
    CLOSER_META, CLOSER_STATE, CLOSER_NAMES, RULE_STANDINGS, RULE_BOUNDS, RULE_COMMANDS, RULE_RESULTS, RULE_UNDONE,
    RULE_UNDOS, RULE_PAUSE, RULE_LOG, RULE_ENDINGS, RULE_FILES, CLOSERS,
    CLOSER_SALT, RULE_SUPPRESSED,
)  # fmt: skip
KEYS = (*SCORER_KEYS, *SOURCE_KEYS, *TRIAGE_KEYS, *CLOSER_KEYS)


def in_deployment(deployment: str, key: str) -> str:
    """The name of one of `SOURCE_KEYS`, which sources give without their deployment."""
    return ":".join((deployment, key))
