"""Closers that act by different rules or salts are seen, and a salt that changed is refused."""

import logging

import pytest

from stream.closer.exchange import CLOSER_SECONDS, ActiveRules, Exchange
from stream.closer.peers import FRESH_SECONDS, PeerWatch, check_salt, salt_digest
from stream.core.errors import HistoryRefused
from stream.core.ladder import Ladder, Regime, first_load
from stream.core.observations import hour_of
from stream.core.records import Mode
from stream.core.rule_index import RuleIndex
from stream.core.rules import Placed
from stream.metrics.closer import CloserMetrics
from stream.redis_keys import CLOSERS
from stream.rule_state import Standing
from tests.closer.memory_peers import MemoryPeers
from tests.closer.test_situation import judged
from tests.core.outcomes import T0
from tests.core.test_decisions import NAME, make_rule
from tests.servers.redis import admin

OLD, NEW = (RuleIndex([Placed(make_rule(max_per_hour=most), "a.toml", 1)]) for most in (20, 30))


def hold_contract(peers: MemoryPeers | Exchange) -> None:
    """What `Peers` and `Salts` promise."""
    one, two = ActiveRules("r", "s", T0), ActiveRules("r2", "s", T0 + 1.0)
    assert (peers.closers(), peers.salt()) == ({}, None)
    peers.put_closer("one", two)
    peers.put_closer("one", one)
    peers.put_closer("hóst:2", two)
    assert peers.closers() == {"one": one, "hóst:2": two}
    peers.remove_closer("one")
    peers.remove_closer("one")
    assert peers.closers() == {"hóst:2": two}
    peers.put_salt("5a17")
    peers.put_salt("5a18")
    assert peers.salt() == "5a18"


def test_the_memory_keeps_the_contract() -> None:
    """So that what holds here with it holds in Redis."""
    hold_contract(MemoryPeers())


def test_redis_keeps_the_contract(redis_url: str) -> None:
    """And drops what closers left where none runs any more."""
    exchange = Exchange(redis_url, "test", 2.0)
    hold_contract(exchange)
    exchange.close()
    with admin(redis_url) as client:
        assert 0 < client.ttl(CLOSERS.name(deployment="test")) <= CLOSER_SECONDS


class Closers:
    """Two closers on a clock of the test's own."""

    def __init__(self, peers: MemoryPeers, salts: tuple[str, str] = ("salt", "salt")) -> None:
        self.now = T0
        self.metrics = CloserMetrics()
        self.one = PeerWatch("one", peers, salts[0], self.metrics, lambda: self.now)
        self.two = PeerWatch("two", peers, salts[1], CloserMetrics(), lambda: self.now)

    def look(self, one: RuleIndex, two: RuleIndex) -> str | None:
        """Let both look, the first last; returns what it found."""
        self.two.look(two)
        self.one.look(one)
        return self.one.fault

    @property
    def shown(self) -> float | None:
        """The gauge of the first."""
        return self.metrics.registry.get_sample_value("noisegate_closers_differ")


def test_closers_with_other_rules_are_seen_while_they_run(caplog: pytest.LogCaptureFixture) -> None:
    """A line in the log once, the gauge as long as they differ; one that was killed is forgotten."""
    closers = Closers(MemoryPeers())
    assert (closers.look(OLD, OLD), closers.shown) == (None, 0.0)
    with caplog.at_level(logging.WARNING):
        fault = closers.look(OLD, NEW)
        closers.look(OLD, NEW)
    assert fault == (
        "closer two acts by other rules, so which rules act depends on the partition; "
        "give all closers the same files of closer_rules"
    )
    assert [one.message for one in caplog.records if "closer two" in one.message] == [fault]
    assert closers.shown == 1.0
    closers.now += FRESH_SECONDS
    closers.one.look(OLD)
    assert (closers.one.fault, closers.shown) == (None, 0.0)


def test_what_a_killed_closer_left_is_removed() -> None:
    """Else each process that was killed would leave an entry for as long as another one runs."""
    peers = MemoryPeers()
    closers = Closers(peers)
    closers.look(OLD, OLD)
    closers.now += CLOSER_SECONDS
    closers.one.look(OLD)
    assert set(peers.closers()) == {"one", "two"}
    closers.now += 1.0
    closers.one.look(OLD)
    assert set(peers.closers()) == {"one"}


def test_closers_with_another_salt_are_seen() -> None:
    """Both would draw other hours to leave alone; a closer that has ended is compared no more."""
    closers = Closers(MemoryPeers(), ("salt", "pepper"))
    assert "closer two acts by another closer_salt" in (closers.look(OLD, OLD) or "")
    closers.two.leave()
    closers.one.look(OLD)
    assert closers.one.fault is None


def test_many_closers_are_counted() -> None:
    """The sentence names three of them."""
    peers = MemoryPeers()
    for number in range(5):
        peers.put_closer(f"c{number}", ActiveRules("0ther", salt_digest("salt"), T0))
    closers = Closers(peers)
    closers.one.look(OLD)
    assert (closers.one.fault or "").startswith("closers c0, c1, c2 and 2 more act by other rules")


def test_while_redis_is_away_what_was_found_stands() -> None:
    """Nobody can tell, so nothing rings, and the closer goes on."""
    exchange = Exchange("redis://127.0.0.1:1/0", "test", 0.2)
    watch = PeerWatch("one", exchange, "salt", CloserMetrics())
    watch.look(OLD)
    watch.leave()
    assert watch.fault is None


def standings(*modes: Mode) -> dict[str, Standing]:
    """The standing of a rule that was armed to each of these in turn."""
    ladder: Ladder = first_load(make_rule(), T0)
    ladder.regimes += [Regime(hour_of(T0) + number, mode, 0.5) for number, mode in enumerate(modes)]
    return {NAME: Standing(owner="payments", ladder=ladder, verdict=judged().verdict, at=T0)}


def test_a_salt_that_changed_since_a_rule_was_armed_is_refused() -> None:
    """Also where the rule is back in shadow, since hours of then are judged later; set back, the closer starts."""
    peers = MemoryPeers()
    check_salt("salt", peers, lambda: standings("pause"))
    match = f"since rule {NAME} was armed.*; set closer_salt back, or name another deployment"
    with pytest.raises(HistoryRefused, match=match):
        check_salt("pepper", peers, lambda: standings("pause"))
    with pytest.raises(HistoryRefused, match=match):
        check_salt("pepper", peers, lambda: standings("pause", "shadow"))
    check_salt("salt", peers, lambda: standings("pause"))


def test_a_salt_may_change_before_any_rule_is_armed() -> None:
    """Nothing was drawn by it yet."""
    peers = MemoryPeers()
    check_salt("salt", peers, dict)
    check_salt("pepper", peers, lambda: standings("shadow"))
    with pytest.raises(HistoryRefused):
        check_salt("salt", peers, lambda: standings("pause"))
