"""The fenced write as a script in Redis, and pipelines that take one round trip and speak in the server's own words."""

import hashlib
from collections.abc import Sequence
from typing import Any

from redis.exceptions import NoScriptError, RedisError, ResponseError

DAMAGED = -1
"""The answer where a key holds another type; of a write, states may be half written then, the meta is not."""

# MGET shows a key of another type as absent. The write looks at what it replaces: SET with GET, and GETDEL, refuse it.
FENCE = """
local stored = redis.call('GET', KEYS[1]) or ''
if stored == ARGV[2] then return 1 end
if stored ~= ARGV[1] then return 0 end
local function fault(before)
  if type(before) ~= 'table' or not before.err then return nil end
  return string.find(before.err, 'WRONGTYPE') and -1 or before
end
local levels, entries, gone, due = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local key, arg = 2, 8
for i = 1, levels do
  key, arg = key + 1, arg + 1
  local found = fault(redis.pcall('SET', KEYS[key], ARGV[arg], 'EX', ARGV[3], 'GET'))
  if found then return found end
end
for i = 1, entries do
  key, arg = key + 1, arg + 1
  local found = fault(redis.pcall('SET', KEYS[key], ARGV[arg], 'EX', ARGV[4], 'GET'))
  if found then return found end
end
for i = 1, gone do
  key = key + 1
  local found = fault(redis.pcall('GETDEL', KEYS[key]))
  if found then return found end
end
local last = arg + 2 * due
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
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""
_SHA = hashlib.sha1(FENCE.encode(), usedforsecurity=False).hexdigest()


def run_fence(client: Any, commands: Sequence[tuple[Any, ...]]) -> list[int]:
    """Run the script once for each command (number of keys, keys, arguments), all in one round trip.

    Returns for each 1 where it was written, 0 where another meta stands there, or DAMAGED. A server that does not know
    the script yet is given it, and everything is run again, as the fence allows.
    """
    try:
        return _run(client, commands)
    except NoScriptError:
        client.script_load(FENCE)
        return _run(client, commands)


def _run(client: Any, commands: Sequence[tuple[Any, ...]]) -> list[int]:
    # EVALSHA by hand: redis-py's own script objects send SCRIPT EXISTS before each pipeline.
    pipeline = client.pipeline(transaction=False)
    for command in commands:
        pipeline.evalsha(_SHA, *command)
    return execute_each(pipeline)


def execute_each(pipeline: Any) -> list[Any]:
    """A pipeline's answers, DAMAGED where a key is of another type; other errors are raised."""
    answers = pipeline.execute(raise_on_error=False)
    return _first_error_raised([DAMAGED if is_wrong_type(answer) else answer for answer in answers])


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
