"""What a Redis that can't be used says, as one sentence of ours with the mend that is true for it."""

from collections.abc import Sequence

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    ConnectionError,  # noqa: A004 - redis-py's own
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TimeoutError,  # noqa: A004 - redis-py's own
)

from stream.core.errors import HistoryAway, HistoryDenied, HistoryRefused, NoisegateError

_NO_TYPE = ()
_ABSENCES: Sequence[tuple[str, type[Exception] | tuple[()], str, str]] = (  # the answer's code, its type in redis-py,
    # what is wrong, the mend
    ("OOM", OutOfMemoryError, "Redis is full and takes no writes", "raise its maxmemory, or give it more memory"),
    (
        "READONLY",
        ReadOnlyError,
        "this Redis is a replica that can't be written",
        "set NOISEGATE_REDIS_URL to its primary",
    ),
    ("LOADING", BusyLoadingError, "Redis is loading its data", "wait until it has, which may take minutes"),
    ("MISCONF", _NO_TYPE, "Redis can't save to its disk and takes no writes", "fix its disk, see Redis's own log"),
    ("NOREPLICAS", _NO_TYPE, "Redis has too few replicas and takes no writes", "start its replicas"),
    ("BUSY", _NO_TYPE, "Redis is busy with a script", "wait, or end the script with SCRIPT KILL"),
    ("MASTERDOWN", MasterDownError, "this Redis is a replica without its primary", "bring the primary back"),
    ("CLUSTERDOWN", ClusterDownError, "the Redis cluster is down", "bring its missing nodes back"),
    ("max number of clients", _NO_TYPE, "Redis has no connection left for us", "raise its maxclients"),
)


def fault_of(error: Exception, call: str, seconds: float) -> NoisegateError:
    """What to raise for an error of redis-py or the network.

    `HistoryAway` where trying again may help, `HistoryDenied` where Redis refuses us, else `HistoryRefused`.

    Args:
        error: what was raised.
        call: what was tried, for a refusal.
        seconds: how long Redis had for an answer.
    """
    text = str(error).rstrip(".")
    if isinstance(error, AuthenticationError):
        return HistoryDenied(
            f"Redis refuses our user or password ({text})", "check user and password in NOISEGATE_REDIS_URL"
        )
    if isinstance(error, NoPermissionError):
        return HistoryDenied(f"Redis's ACL refuses access ({text})", "allow this user our keys and commands")
    if known := absence(error):
        return HistoryAway(*known)
    if isinstance(error, ResponseError):
        return HistoryRefused(
            f"Redis refuses the call {call} ({text})", "use Redis 6.2 or newer, or Valkey, without commands renamed"
        )
    if isinstance(error, TimeoutError):
        return HistoryAway(
            f"Redis gave no answer within {seconds:g} s",
            "see what holds it up (SLOWLOG, swap, a stopped process), or restart it",
        )
    if isinstance(error, ConnectionError | OSError):
        return HistoryAway(f"Redis can't be reached ({text})", "start it, or set NOISEGATE_REDIS_URL")
    return HistoryAway(f"Redis can't be used ({text})", "see Redis's own log")


def absence(error: Exception) -> tuple[str, str] | None:
    """What is wrong with a Redis that answers but can't be used for now, and the mend; None where nothing is."""
    text = str(error)
    for code, kind, what, mend in _ABSENCES:
        if isinstance(error, kind) or text.startswith(f"{code} ") or f"-{code} " in text:
            return what, mend
    return None
