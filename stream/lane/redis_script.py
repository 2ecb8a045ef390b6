"""The fenced write as a script in Redis, and pipelines that take one round trip and speak in the server's own words."""

import hashlib
from collections.abc import Sequence
from typing import Any

from redis.exceptions import NoScriptError, RedisError, ResponseError

from stream.lane.fence import FencedWrite, WriteResult

# KEYS: meta, timers, those put, those deleted. ARGV: expected, meta, its TTL, counts of groups, timers' arguments and
# removed timers; of each group its TTL, its count and its values; then the timers' scores and names; then the removed.
# MGET shows a key of another type as absent. The write looks at what it replaces: SET with GET, and GETDEL, refuse it.
SCRIPT = """
local stored = redis.call('GET', KEYS[1]) or ''
if stored == ARGV[2] then return 1 end
if stored ~= ARGV[1] then return 0 end
local function fault(before)
  if type(before) ~= 'table' or not before.err then return nil end
  return string.find(before.err, 'WRONGTYPE') and -1 or before
end
local function set(key, value, ttl, ...)
  if ttl == '' then return redis.pcall('SET', key, value, ...) end
  return redis.pcall('SET', key, value, 'EX', ttl, ...)
end
local key, arg = 2, 5
for group = 1, tonumber(ARGV[4]) do
  local ttl, last = ARGV[arg + 1], arg + 2 + tonumber(ARGV[arg + 2])
  arg = arg + 2
  while arg < last do
    key, arg = key + 1, arg + 1
    local found = fault(set(KEYS[key], ARGV[arg], ttl, 'GET'))
    if found then return found end
  end
end
while key < #KEYS do
  key = key + 1
  local found = fault(redis.pcall('GETDEL', KEYS[key]))
  if found then return found end
end
local last = arg + tonumber(ARGV[5])
while arg < last do
  local stop = math.min(arg + 1000, last)
  redis.call('ZADD', KEYS[2], unpack(ARGV, arg + 1, stop))
  arg = stop
end
while arg < #ARGV do
  local stop = math.min(arg + 1000, #ARGV)
  redis.call('ZREM', KEYS[2], unpack(ARGV, arg + 1, stop))
  arg = stop
end
local found = fault(set(KEYS[1], ARGV[2], ARGV[3]))
if found then return found end
return 1
"""
_SHA = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()


def run_writes(client: Any, writes: Sequence[FencedWrite]) -> list[WriteResult]:
    """Run the script once for each write, all in one round trip.

    A server that does not know the script yet is given it, and everything is run again, as the fence allows.
    """
    commands = [_command(write) for write in writes]
    try:
        return _run(client, commands)
    except NoScriptError:
        client.script_load(SCRIPT)
        return _run(client, commands)


def _command(write: FencedWrite) -> list[Any]:
    """The number of keys, the keys and the arguments of a write."""
    keys = [write.meta_key, write.timers_key or write.meta_key]  # a key of its slot, where it has no timers
    values: list[Any] = []
    for puts in write.puts:
        keys += puts.values
        values += (_ttl(puts.ttl_seconds), len(puts.values))
        values += puts.values.values()
    keys += write.deletes
    for due, name in write.timers:
        values += (repr(due), name)
    values += write.removed_timers
    head = (write.expected, write.meta, _ttl(write.meta_ttl_seconds), len(write.puts), 2 * len(write.timers))
    return [len(keys), *keys, *head, *values]


def _ttl(seconds: int | None) -> int | str:
    return "" if seconds is None else seconds


def _run(client: Any, commands: Sequence[Sequence[Any]]) -> list[WriteResult]:
    # EVALSHA by hand: redis-py's own script objects send SCRIPT EXISTS before each pipeline.
    pipeline = client.pipeline(transaction=False)
    for command in commands:
        pipeline.evalsha(_SHA, *command)
    return [WriteResult(found) for found in execute_each(pipeline)]


def execute_each(pipeline: Any) -> list[Any]:
    """A pipeline's answers, WRONG_TYPE where a key is of another type; other errors are raised."""
    answers = pipeline.execute(raise_on_error=False)
    return _first_error_raised([WriteResult.WRONG_TYPE if is_wrong_type(found) else found for found in answers])


def execute(pipeline: Any) -> list[Any]:
    """A pipeline's answers, or the first error in the server's words; redis-py's add the whole command to them."""
    return _first_error_raised(pipeline.execute(raise_on_error=False))


def is_wrong_type(answer: Any) -> bool:
    """Whether the server found a key of another type than the command is for."""
    return isinstance(answer, ResponseError) and "WRONGTYPE" in str(answer)


def _first_error_raised(answers: list[Any]) -> list[Any]:
    for answer in answers:
        if isinstance(answer, RedisError):
            raise answer
    return answers
