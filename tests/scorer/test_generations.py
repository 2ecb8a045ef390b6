"""Generations of a history in a real Redis: found, replaced and forgotten, whatever stands under their keys."""

from redis import Redis

from stream.kafka.records import Part
from stream.scorer.history import Wanted, Write
from stream.scorer.redis_history import RedisHistory
from tests.scorer.test_history_contract import redis_history

PART = Part("alerts.events", 0)


def write(meta: bytes, generation: int, team: str = "payments") -> Write:
    """One level of one team, in some generation."""
    return Write(b"", meta, generation, {f"t\0{team}": b"x" * 152}, {(team, "A1"): b"\xc0"}, due=[(1.0, team, "A1")])


def test_a_meta_of_another_type_is_replaced(redis_url: str) -> None:
    """A list where the meta belongs counts as none, for reading and for the switch."""
    serving, aside = redis_history(redis_url), redis_history(redis_url, "rebuild")
    with Redis.from_url(redis_url) as client:
        client.rpush(f"{serving.prefix(PART)}:meta", "garbage")
    stored = serving.read({PART: Wanted(0)})[PART].meta
    assert stored == b""
    aside.write({PART: write(b"new", 3)})
    assert not aside.switch(PART, b"other")
    assert aside.switch(PART, stored)
    assert serving.read({PART: Wanted(3)})[PART].meta == b"new"


def generations_of(history: RedisHistory, part: Part) -> set[int]:
    """The generations of which any key is there."""
    return {generation for generation, _ in history._keys(part)}


def test_generations_are_found_and_all_but_one_forgotten(redis_url: str) -> None:
    """Also those whose keys are of another type than they should be; other partitions are left alone."""
    history, other = redis_history(redis_url), Part(PART.topic, 1)
    for generation in (1, 2, 12):
        history.write({PART: write(b"%d" % generation, generation)})
        with Redis.from_url(redis_url) as client:
            client.delete(f"{history.prefix(PART)}:meta")
            client.hset(f"{history.prefix(PART)}:{generation}:l:t\0odd", "a", "hash")
    history.write({other: write(b"1", 1)})
    assert generations_of(history, PART) == {1, 2, 12}
    assert history.forget_others(PART, 2) == 2 * 4
    assert generations_of(history, PART) == {2}
    assert generations_of(history, other) == {1}


def test_teams_of_the_serving_generations_are_listed(redis_url: str) -> None:
    """For suggesting names: of the generations asked for only."""
    history = redis_history(redis_url)
    history.write({PART: write(b"1", 1, "payments")})
    history.write({Part(PART.topic, 1): write(b"2", 2, "storage")})
    assert history.teams({PART: 1, Part(PART.topic, 1): 3}, 1.0) == ["payments"]
