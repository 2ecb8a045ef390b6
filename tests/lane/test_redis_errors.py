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
from tests.lane.test_fence import META, first_write, redis_fence
from tests.servers.redis import RedisServer, admin

OUR_WORDS = r"^[^#]*; [^;]+$"  # one sentence and its mend, and nothing of redis-py's "Command # 1 (EVALSHA ...)"


def fails(fence: RedisFence, error: type[HistoryAway] = HistoryAway) -> str:
    """What a write is answered with, in our words."""
    with pytest.raises(error) as raised:
        fence.write([first_write()])
    assert re.match(OUR_WORDS, str(raised.value)), raised.value
    return str(raised.value)


def test_a_full_redis(fresh_redis: RedisServer) -> None:
    """It is to get more memory; starting it would change nothing."""
    fence = redis_fence(fresh_redis.url)
    admin(fresh_redis.url).config_set("maxmemory", 1)
    assert "raise its maxmemory" in fails(fence)
    with pytest.raises(HistoryAway, match="raise its maxmemory"):
        fence.status()
    admin(fresh_redis.url).config_set("maxmemory", 0)
    assert fence.write([first_write()]) == [WriteResult.WRITTEN]


def test_a_replica(fresh_redis: RedisServer) -> None:
    """The setting is to name its primary."""
    fence = redis_fence(fresh_redis.url)
    admin(fresh_redis.url).config_set("replica-serve-stale-data", "yes")
    admin(fresh_redis.url).replicaof("127.0.0.1", 1)
    assert "set NOISEGATE_REDIS_URL to its primary" in fails(fence)


def test_a_frozen_redis(fresh_redis: RedisServer) -> None:
    """It accepts and gives no answer: it is running already."""
    fence = redis_fence(fresh_redis.url)
    fence.status()
    os.kill(fresh_redis.pid, signal.SIGSTOP)
    try:
        said = fails(fence)
    finally:
        os.kill(fresh_redis.pid, signal.SIGCONT)
    assert "gave no answer within 0.3 s" in said
    assert "start it" not in said.replace("restart it", "")


def test_a_redis_without_its_replicas(fresh_redis: RedisServer) -> None:
    """They are to be started."""
    fence = redis_fence(fresh_redis.url)
    admin(fresh_redis.url).config_set("min-replicas-to-write", 1)
    assert "start its replicas" in fails(fence)


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
    assert "start it, or set NOISEGATE_REDIS_URL" in fails(redis_fence("redis://127.0.0.1:1/0"))


def test_a_password_that_changes(fresh_redis: RedisServer) -> None:
    """Refused at once, with what to check; and again at work when the password is as before."""
    fence, client = redis_fence(fresh_redis.url), admin(fresh_redis.url)
    fence.write([first_write()])
    client.config_set("requirepass", "secret")
    client.client_kill_filter(skipme=True, _type="normal")
    assert "check user and password in NOISEGATE_REDIS_URL" in fails(fence, HistoryDenied)
    client.config_set("requirepass", "")
    client.close()
    assert fence.read_metas([META]) == [b"one"]


def test_an_acl_without_our_commands(fresh_redis: RedisServer) -> None:
    """The user is known, and may not do what is needed."""
    client = admin(fresh_redis.url)
    client.acl_setuser("gate", enabled=True, nopass=True, keys=["*"], commands=["+@read", "+ping", "+hello"])
    fence = redis_fence(fresh_redis.url.replace("redis://", "redis://gate:any@"))
    assert "allow this user our keys and commands" in fails(fence, HistoryDenied)


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
