"""A Redis that can't be used is told in one sentence with its own mend; and how many commands a write takes."""

import os
import re
import signal

import pytest
from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    ConnectionError,  # noqa: A004 - redis-py's own
    MasterDownError,
    ResponseError,
)

from stream.core.errors import HistoryAway, HistoryDenied
from stream.lane.fence import NO_META, FencedRead, FencedWrite, WriteResult
from stream.lane.redis_errors import fault_of
from stream.lane.redis_fence import RedisFence
from tests.lane.test_fence import META, first_write, is_written, redis_fence
from tests.servers.redis import RedisServer, admin
from tests.waits import until

PATIENCE_SECONDS = 0.3
OUR_WORDS = r"^[^#]*; [^;]+$"  # one sentence and its mend, and nothing of redis-py's "Command # 1 (EVALSHA ...)"


def impatient(url: str) -> RedisFence:
    """A fence whose calls fail soon."""
    return redis_fence(url, PATIENCE_SECONDS)


def fails(fence: RedisFence, words: str, error: type[HistoryAway] = HistoryAway) -> str:
    """What a write is answered with, in our words and with these, soon: a slow machine may not answer in time."""
    raised: list[HistoryAway] = []

    def fails_so() -> bool:
        with pytest.raises(HistoryAway) as one:
            fence.write([first_write()])
        raised.append(one.value)
        return isinstance(one.value, error) and words in str(one.value)

    until(fails_so, 60, words)
    assert all(re.match(OUR_WORDS, str(one)) for one in raised), raised
    return str(raised[-1])


def test_a_full_redis(fresh_redis: RedisServer) -> None:
    """It is to get more memory; starting it would change nothing."""
    fence = impatient(fresh_redis.url)
    admin(fresh_redis.url).config_set("maxmemory", 1)
    fails(fence, "raise its maxmemory")
    with pytest.raises(HistoryAway, match="raise its maxmemory"):
        redis_fence(fresh_redis.url).status(patient=False)
    admin(fresh_redis.url).config_set("maxmemory", 0)
    until(lambda: is_written(fence), 60)


def test_a_replica(fresh_redis: RedisServer) -> None:
    """The setting is to name its primary."""
    fence = impatient(fresh_redis.url)
    admin(fresh_redis.url).config_set("replica-serve-stale-data", "yes")
    admin(fresh_redis.url).replicaof("127.0.0.1", 1)
    fails(fence, "set NOISEGATE_REDIS_URL to its primary")


def test_a_frozen_redis(fresh_redis: RedisServer) -> None:
    """It accepts and gives no answer: it is running already."""
    fence = impatient(fresh_redis.url)
    until(lambda: is_written(fence), 60)
    os.kill(fresh_redis.pid, signal.SIGSTOP)
    try:
        said = fails(fence, f"gave no answer within {PATIENCE_SECONDS} s")
    finally:
        os.kill(fresh_redis.pid, signal.SIGCONT)
    assert "start it" not in said.replace("restart it", "")


def test_a_redis_without_its_replicas(fresh_redis: RedisServer) -> None:
    """They are to be started."""
    fence = impatient(fresh_redis.url)
    admin(fresh_redis.url).config_set("min-replicas-to-write", 1)
    fails(fence, "start its replicas")


@pytest.mark.parametrize(
    ("error", "mend"),
    [
        (BusyLoadingError("Redis is loading the dataset in memory"), "wait until it has"),
        (ResponseError("MISCONF Redis is configured to save RDB snapshots, but it can't"), "fix its disk"),
        (ResponseError("BUSY Redis is busy running a script."), "SCRIPT KILL"),
        (
            ResponseError("ERR Error running script (call to f_1): @user_script:8: -OOM not allowed"),
            "maxmemory",
        ),
        (MasterDownError("Link with MASTER is down"), "bring the primary back"),
        (ClusterDownError("The cluster is down"), "bring its missing nodes back"),
        (ConnectionError("max number of clients reached"), "raise its maxclients"),
    ],
)
def test_what_a_server_says_that_no_test_can_bring_about(error: Exception, mend: str) -> None:
    """Each answer is an absence with a mend of its own."""
    fault = fault_of(error, "write", 2.0)
    assert type(fault) is HistoryAway
    assert mend in str(fault.mend)


def test_a_redis_that_is_not_there() -> None:
    """It is to be started, or the setting to name another."""
    fails(impatient("redis://127.0.0.1:1/0"), "start it, or set NOISEGATE_REDIS_URL")


def test_a_password_that_changes(fresh_redis: RedisServer) -> None:
    """Refused at once, with what to check; and again at work when the password is as before."""
    fence, client = redis_fence(fresh_redis.url), admin(fresh_redis.url)
    fence.write([first_write()])
    client.config_set("requirepass", "secret")
    client.client_kill_filter(skipme=True, _type="normal")
    fails(fence, "check user and password in NOISEGATE_REDIS_URL", HistoryDenied)
    client.config_set("requirepass", "")
    client.close()
    assert fence.read_metas([META]) == [b"one"]


def test_an_acl_without_our_commands(fresh_redis: RedisServer) -> None:
    """The user is known, and may not do what is needed."""
    client = admin(fresh_redis.url)
    client.acl_setuser("gate", enabled=True, nopass=True, keys=["*"], commands=["+@read", "+ping", "+hello"])
    fence = redis_fence(fresh_redis.url.replace("redis://", "redis://gate:any@"))
    fails(fence, "allow this user our keys and commands", HistoryDenied)


def test_a_write_takes_one_round_trip_and_asks_for_no_script(fresh_redis: RedisServer) -> None:
    """After the first write, which loads the script, a round of writes is one EVALSHA a partition and nothing else."""
    fence = redis_fence(fresh_redis.url)
    fence.write([first_write()])
    admin(fresh_redis.url).config_resetstat()
    fence.write([FencedWrite(META, b"one", b"two"), FencedWrite("{y}:meta", NO_META, b"1")])
    fence.read([FencedRead(META), FencedRead("{y}:meta")])
    stats = admin(fresh_redis.url).info("commandstats")
    calls = {name.removeprefix("cmdstat_"): one["calls"] for name, one in stats.items()}
    assert {name: calls.get(name, 0) for name in ("evalsha", "mget", "eval", "script|exists", "script|load")} == {
        "evalsha": 2, "mget": 2, "eval": 0, "script|exists": 0, "script|load": 0,
    }  # fmt: skip


def test_a_server_that_forgot_the_script_is_given_it_again(redis_url: str) -> None:
    """As after a restart: nothing is written twice and nothing is refused."""
    fence = redis_fence(redis_url)
    fence.write([first_write()])
    admin(redis_url).script_flush()
    writes = [FencedWrite(META, b"one", b"two"), FencedWrite("{y}:meta", NO_META, b"1")]
    assert fence.write(writes) == [WriteResult.WRITTEN] * 2
    assert fence.read_metas([META, "{y}:meta"]) == [b"two", b"1"]
