"""What closers leave for each other, on Redis and on Valkey."""

import pytest
from msgspec.structs import replace

from stream.closer.exchange import ENDING_SECONDS, Ending, Exchange, Judgement
from stream.core.errors import RulesError
from stream.core.ladder import Verdict, first_load
from stream.core.suppressions import suppression_of
from stream.redis_keys import RULE_ENDINGS
from stream.rule_state import RuleState, Standing
from tests.core.outcomes import MODEL, T0, enriched
from tests.core.test_decisions import PROVEN, decided, make_rule, situation
from tests.servers.redis import admin


def test_ends_wait_until_they_are_carried_out(redis_url: str) -> None:
    """By team and alert, whatever an id holds; the server drops them after a day."""
    exchange = Exchange(redis_url, "test", 10.0)
    odd, plain = ("pay ments", "A\x01:é"), ("payments", "A1")
    assert exchange.endings() == {}
    exchange.put_endings({odd: Ending("ended", T0), plain: Ending("merged", T0)})
    assert exchange.endings() == {odd: Ending("ended", T0), plain: Ending("merged", T0)}
    exchange.remove_endings([odd, ("payments", "none")])
    assert exchange.endings() == {plain: Ending("merged", T0)}
    with admin(redis_url) as client:
        assert 0 < client.ttl(RULE_ENDINGS.name(deployment="test")) <= ENDING_SECONDS
    exchange.close()


def test_what_the_shared_state_holds_as_suppressed_is_seen(redis_url: str) -> None:
    """As the rules' state writes it."""
    exchange, state = Exchange(redis_url, "test", 10.0), RuleState(redis_url, "test", 10.0)
    one = suppression_of(decided(enriched(), situation()), enriched().alert.severity)
    assert one is not None
    state.note_suppressed([one], [])
    assert exchange.suppressed() == {("payments", "A1")}
    state.note_suppressed([], [("payments", "A1")])
    assert exchange.suppressed() == frozenset()
    exchange.close()
    state.close()


def test_what_was_judged_is_read_of_the_standings(redis_url: str) -> None:
    """As the rules' state writes them, and anew where one changed."""
    exchange, state = Exchange(redis_url, "test", 10.0), RuleState(redis_url, "test", 10.0)
    rule = make_rule()
    verdict = Verdict(rule.version, "pause", PROVEN, "proven", 0.5, 7, "pause")
    standing = Standing(owner="payments", ladder=first_load(rule, T0), verdict=verdict, ready=(MODEL,), at=T0)
    other = replace(standing, verdict=replace(verdict, mode="shadow"), at=T0 + 60.0, loaded=False)
    state.publish({"one": standing, "two": standing}, [], [])
    before = exchange.judgements()
    assert before == {name: Judgement(verdict, (MODEL,), True, T0) for name in ("one", "two")}
    state.publish({"two": other}, [], [])
    after = exchange.judgements()
    assert after["one"] is before["one"]
    assert after["two"] == Judgement(other.verdict, (MODEL,), False, T0 + 60.0)
    exchange.close()
    state.close()


def test_the_last_good_files_are_kept(redis_url: str) -> None:
    """With their paths; none before there were any."""
    exchange = Exchange(redis_url, "test", 10.0)
    assert exchange.files() == {}
    exchange.put_files({"a.toml": "é", "b/c.toml": ""})
    assert exchange.files() == {"a.toml": "é", "b/c.toml": ""}
    exchange.close()


def test_a_redis_that_is_away_is_one_sentence() -> None:
    """With its mend."""
    exchange = Exchange("redis://127.0.0.1:1/0", "test", 0.2)
    with pytest.raises(RulesError, match="Redis does not answer"):
        exchange.suppressed()
