"""`noisegate doctor` reads the closer's rules, and says where Prometheus holds all of them back or closers differ."""

import time
from pathlib import Path

import pytest

from stream.cli.doctor.rules import check_closers, check_rules
from stream.closer.exchange import Exchange
from stream.closer.peers import FRESH_SECONDS, PeerWatch
from stream.config import make_settings
from stream.core.errors import RulesError
from stream.core.rule_index import RuleIndex
from stream.core.rules import parse_rules
from stream.metrics.closer import CloserMetrics

RULE = '[[rule]]\nname = "disks"\nowner = "a"\nmatch = { team = "a" }\nmax_probability = 0.1\n'
ACTS = 'mode = "pause"\nexpires = 2100-01-01\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file of rules is to be."""
    return tmp_path / "rules.toml"


def test_without_rules_nothing_is_checked() -> None:
    """Where no rules are set there is no finding."""
    assert list(check_rules(make_settings())) == []


def test_rules_in_shadow_need_no_prometheus(path: Path) -> None:
    """Rules are counted; what never acts needs nobody who sees drift."""
    path.write_text(RULE)
    (found,) = check_rules(make_settings(closer_rules=[path]))
    assert (found.verdict, found.found) == ("ok", "1 in use, 0 of them may pause or close once proven and armed")


@pytest.mark.parametrize(
    ("url", "why"),
    [("", "no prometheus_url is set"), ("http://127.0.0.1:1", "127.0.0.1:1")],
)
def test_without_prometheus_no_rule_acts(path: Path, url: str, why: str) -> None:
    """A rule that may act is held back, and the doctor says so before the first decision does."""
    path.write_text(RULE + ACTS)
    _, found = check_rules(make_settings(closer_rules=[path], prometheus_url=url))
    assert (found.check, found.verdict) == ("prometheus", "warning")
    assert found.found.startswith("no rule acts: ")
    assert why in found.found


def test_no_rule_acts_on_a_replay(path: Path) -> None:
    """A rule that may act is held back by a setting that is for replays, and the doctor says so."""
    path.write_text(RULE + ACTS)
    found = list(check_rules(make_settings(closer_rules=[path], closer_replay=True, prometheus_url="")))
    assert ("warning", "no rule acts: closer_replay is set") in [(one.verdict, one.found) for one in found]
    path.write_text(RULE)
    assert len(list(check_rules(make_settings(closer_rules=[path], closer_replay=True)))) == 1


def test_a_mistake_in_a_file_is_raised(path: Path) -> None:
    """The doctor shows it as it shows every wrong setting."""
    path.write_text("[[rule")
    with pytest.raises(RulesError, match="not TOML"):
        list(check_rules(make_settings(closer_rules=[path])))


def test_closers_that_act_by_other_rules_are_a_warning(path: Path, redis_url: str) -> None:
    """Held against the rules and the salt of the settings; nothing where none runs."""
    path.write_text(RULE)
    settings = make_settings(closer_rules=[path], redis_url=redis_url)
    assert list(check_closers(settings)) == []
    exchange, rules = Exchange(redis_url, settings.deployment, 2.0), RuleIndex(parse_rules({str(path): RULE}))
    PeerWatch("one", exchange, settings.deployment, CloserMetrics()).look(rules)
    gone = time.time() - FRESH_SECONDS
    PeerWatch("gone", exchange, "pepper", CloserMetrics(), lambda: gone).look(rules)
    (found,) = check_closers(settings)
    assert (found.verdict, found.found) == ("ok", "1 run, by the rules of these settings")
    PeerWatch("two", exchange, "pepper", CloserMetrics()).look(rules)
    (found,) = check_closers(settings)
    assert (found.verdict, "closer two acts by another closer_salt" in found.found) == ("warning", True)
    PeerWatch("two", exchange, settings.deployment, CloserMetrics()).look(RuleIndex([]))
    (found,) = check_closers(settings)
    assert found.found.startswith("not as these settings: closer two acts by other rules")
    assert found.mend == "give all closers the same files of closer_rules"
    exchange.close()


def test_without_rules_no_closer_is_looked_for() -> None:
    """Nor is Redis."""
    assert list(check_closers(make_settings(redis_url="redis://127.0.0.1:1/0"))) == []
